"""Every generated secret. None has a default, and none is configured by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from names import program_secret, user_secret
from settings import CONSOLE_USER

LENGTH = 32
"""Letters and digits: 190 bits, and no character that a shell, URL or configuration file reads in its own way.
oauth2-proxy takes its cookie secret as 16, 24 or 32 bytes (AES)."""

TYPED_LENGTH = 20
"""For passwords that users type: 119 bits."""


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Which secrets to generate in addition to those that every stack has."""

    users: Sequence[str]
    """User names of realm `ohif`."""
    programs: Sequence[str]
    """Names of the programs that get tokens of their own."""
    archive: Sequence[str]
    """Names of the archive's secrets."""
    backup: bool
    """Whether backups are made."""
    own_databases: bool
    """Whether the stack runs the servers of its databases."""


@dataclass(frozen=True, kw_only=True)
class KeycloakSecrets:
    """Secrets of the Keycloak server."""

    database: pulumi.Output[str] | None
    """`None`: its database is on a server that others run."""
    console: pulumi.Output[str]
    """Initial password of the user of Keycloak's console."""


@dataclass(frozen=True, kw_only=True)
class AuthProxySecrets:
    """Secrets of oauth2-proxy and its session store."""

    client: pulumi.Output[str]
    """Secret of Keycloak's client `ohif_viewer`."""
    cookie: pulumi.Output[str]
    """Encrypts the session cookie."""
    session_store: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class IdentitySecrets:
    """Secrets with which the realm is configured."""

    console: pulumi.Output[str]
    client: pulumi.Output[str]
    users: Mapping[str, pulumi.Output[str]]
    """Initial passwords by user name."""
    programs: Mapping[str, pulumi.Output[str]]
    """Secrets of Keycloak's clients by program."""


class Secrets(pulumi.ComponentResource):
    """Passwords and keys, kept encrypted in the stack's state.

    It does not rotate anything by itself; docs/how-to/rotate-secrets.md has the command that replaces one.
    """

    keycloak: KeycloakSecrets
    auth_proxy: AuthProxySecrets
    identity: IdentitySecrets
    archive: Mapping[str, pulumi.Output[str]]
    """The archive's secrets by name."""
    backup: pulumi.Output[str] | None
    """Encrypts the repository of backups. Without it they cannot be read."""

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

        client = secret("client")
        console = secret(user_secret(CONSOLE_USER), TYPED_LENGTH)
        users = {user: secret(user_secret(user), TYPED_LENGTH) for user in args.users}
        programs = {program: secret(program_secret(program)) for program in args.programs}
        database = secret("keycloak-database") if args.own_databases else None
        self.keycloak = KeycloakSecrets(database=database, console=console)
        self.auth_proxy = AuthProxySecrets(
            client=client, cookie=secret("cookie"), session_store=secret("session-store")
        )
        self.identity = IdentitySecrets(console=console, client=client, users=users, programs=programs)
        self.archive = {name: secret(name) for name in args.archive}
        self.backup = secret("backup") if args.backup else None
        self.register_outputs({})
