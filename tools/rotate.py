"""Replace one generated secret and everything that uses it: `python -m tools.rotate cookie --stack dev`.

Pulumi replaces most secrets, which are in containers and in Keycloak's client. Keycloak keeps the passwords of users
after their creation, so those are set with its admin API before the update continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import pulumi_random
from keycloak import KeycloakError

from bootstrap.console import UserError, print_line
from bootstrap.paths import STATE, write_file
from components.keycloak.server import REALM
from names import SECRETS_COMPONENT, USER_SECRET_PREFIX
from settings import CONSOLE_USER
from tools import command_line
from tools.keycloak_console import ADMIN_REALM, console
from tools.pending_operations import plain
from tools.pulumi_run import Pulumi
from tools.stack_state import read_deployment, type_token

PASSWORD_TYPE = type_token(pulumi_random.RandomPassword)
PREFIX = f"{SECRETS_COMPONENT}-"


def secrets_of(deployment: Mapping[str, Any]) -> dict[str, str]:
    """URNs of the stack's generated secrets by the names that the command takes."""
    return {
        resource["urn"].rpartition("::")[2].removeprefix(PREFIX): resource["urn"]
        for resource in deployment.get("resources") or []
        if resource["type"] == PASSWORD_TYPE
    }


def rotate(pulumi: Pulumi, name: str) -> None:
    """Replace the secret. After an interruption, running it again continues.

    Raises:
        UserError: The secret does not exist, Keycloak rejects the password, or Pulumi fails.
    """
    known = secrets_of(read_deployment(pulumi))
    if name not in known:
        raise UserError(f"rotate: stack {pulumi.stack} has no secret {name!r}", f"It has: {', '.join(sorted(known))}.")
    if name.startswith(USER_SECRET_PREFIX):
        _replace_password(pulumi, name.removeprefix(USER_SECRET_PREFIX), known[name])
        changes = pulumi.update("up")
    else:
        changes = pulumi.update("up", f"--replace={known[name]}")
    print_line(f"secret {name} is replaced ({changes.summary})")


def _credentials(pulumi: Pulumi) -> dict[str, str]:
    shown = read_deployment(pulumi, show_secrets=True)
    return {
        name.removeprefix(USER_SECRET_PREFIX): plain(resource["outputs"]["result"])
        for resource in shown["resources"]
        if resource["type"] == PASSWORD_TYPE
        and (name := resource["urn"].rpartition("::")[2].removeprefix(PREFIX)).startswith(USER_SECRET_PREFIX)
    }


def _replace_password(pulumi: Pulumi, user: str, urn: str) -> None:
    """Generate a new password, then set it in Keycloak."""
    # Until Keycloak has the new password, only the old one gives access, so it is stored safely first.
    journal = STATE / f"rotation-{pulumi.stack}-{user}.json"
    if not journal.exists():
        write_file(journal, json.dumps(_credentials(pulumi)), 0o600)
        pulumi.update("up", f"--target={urn}", f"--replace={urn}")
    before, now = json.loads(journal.read_text()), _credentials(pulumi)
    origin = json.loads(pulumi.output_of("stack", "output", "--json"))["viewerUrl"].rstrip("/")
    realm = ADMIN_REALM if user == CONSOLE_USER else REALM
    try:
        _set_password(origin, before[CONSOLE_USER], realm, user, now[user])
    except KeycloakError as error:
        raise UserError(
            f"rotate: Keycloak rejected the new password of {user}: {error}",
            "Bring the stack up (make up) and run the command again; until then the old password is valid.",
        ) from error
    journal.unlink()


def _set_password(origin: str, console_password: str, realm: str, user: str, password: str) -> None:
    admin = console(origin, console_password, realm)
    user_id = admin.get_user_id(user)
    if user_id is None:
        raise UserError(f"rotate: Keycloak has no user {user} in realm {realm}", "Was it deleted by hand? make up.")
    admin.set_user_password(user_id, password, temporary=False)


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns 0 when the secret is replaced, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("secret", help="cookie, client, archive, keycloak-database, user-admin, …")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: rotate(pulumi, arguments.secret))


if __name__ == "__main__":
    sys.exit(main())
