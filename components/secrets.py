"""Every generated secret. None has a default, none is typed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from names import user_secret
from settings import CONSOLE_USER

LENGTH = 32
"""Letters and digits: 190 bits, and no character that a shell, URL or configuration file reads in its own way.
oauth2-proxy takes its cookie secret as 16, 24 or 32 bytes (AES)."""

PERSON_LENGTH = 20
"""For those that a person types: 119 bits."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Whose passwords to make."""

    users: Sequence[str]
    archive: Sequence[str]
    """Names of the archive's, as it asks for them."""


class Secrets(pulumi.ComponentResource):
    """Passwords and keys, kept encrypted in the stack's state.

    It does not rotate anything by itself; docs/operations.md has the command that replaces one.
    """

    keycloak_database: pulumi.Output[str]
    session_store: pulumi.Output[str]
    archive: Mapping[str, pulumi.Output[str]]
    """What the archive asked for, by name."""
    client: pulumi.Output[str]
    """Of Keycloak's client `ohif_viewer`."""
    cookie: pulumi.Output[str]
    """Encrypts oauth2-proxy's session cookie."""
    console: pulumi.Output[str]
    """Password of Keycloak's console user."""
    users: Mapping[str, pulumi.Output[str]]
    """Passwords of the persons of realm `ohif`, by name."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Secrets", name, None, opts)

        provider = random.Provider(f"{name}-random", opts=pulumi.ResourceOptions(parent=self))

        def secret(thing: str, length: int = LENGTH) -> pulumi.Output[str]:
            return random.RandomPassword(
                f"{name}-{thing}",
                length=length,
                special=False,
                min_lower=1,
                min_upper=1,
                min_numeric=1,
                opts=pulumi.ResourceOptions(parent=self, provider=provider, additional_secret_outputs=["result"]),
            ).result

        self.keycloak_database = secret("keycloak-database")
        self.session_store = secret("session-store")
        self.archive = {name: secret(name) for name in args.archive}
        self.client = secret("client")
        self.cookie = secret("cookie")
        self.console = secret(user_secret(CONSOLE_USER), PERSON_LENGTH)
        self.users = {user: secret(user_secret(user), PERSON_LENGTH) for user in args.users}
        self.register_outputs({})
