"""Make a named administrator of Keycloak's console: `python -m tools.administrator m.curie --stack prod`.

A user of realm master with role `admin`, whose password works once, to choose another, and who sets up a one-time code
at the first sign-in. The bootstrap user `admin` then is for this program alone. As users choose passwords, which can be
guessed, realm master gets the lock-out that realm ohif has.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

from keycloak import KeycloakError

from bootstrap.console import UserError, print_line
from components.keycloak.realm import LOCK_OUT
from settings import CONSOLE_USER
from settings.users import NAME
from tools import command_line
from tools.dicomweb import StackOutputs, stack_outputs
from tools.keycloak_console import ADMIN_REALM, console

FIRST_SIGN_IN = ("UPDATE_PASSWORD", "CONFIGURE_TOTP")
"""Keycloak's required actions."""
LOCK_OUT_IN_MASTER = {
    "bruteForceProtected": True,
    "permanentLockout": False,
    "failureFactor": LOCK_OUT.failures,
    "waitIncrementSeconds": LOCK_OUT.wait_seconds,
    "maxFailureWaitSeconds": LOCK_OUT.longest_wait_seconds,
    "maxDeltaTimeSeconds": LOCK_OUT.forget_seconds,
    "quickLoginCheckMilliSeconds": 0,
    "minimumQuickLoginWaitSeconds": 0,
}
"""Of Keycloak's representation of a realm (its Admin REST API)."""


def make_administrator(outputs: StackOutputs, name: str) -> str:
    """Make the user and return the first password. Raises UserError."""
    if not NAME.fullmatch(name):
        raise UserError(f"administrator: {name!r} must be small letters, digits and . _ @ -", "Take another name.")
    admin = console(outputs.base_url, outputs.credentials[CONSOLE_USER], ADMIN_REALM)
    password = secrets.token_urlsafe(18)
    try:
        if admin.get_user_id(name):
            raise UserError(f"administrator: Keycloak has an administrator {name}", "Take another name.")
        admin.update_realm(ADMIN_REALM, LOCK_OUT_IN_MASTER)
        credential = {"type": "password", "value": password, "temporary": True}
        made = admin.create_user(
            {"username": name, "enabled": True, "requiredActions": FIRST_SIGN_IN, "credentials": [credential]}
        )
        try:
            admin.assign_realm_roles(made, [admin.get_realm_role("admin")])
        except KeycloakError:
            admin.delete_user(made)
            raise
    except KeycloakError as error:
        raise UserError(f"administrator: Keycloak refused: {error}", "`make status` shows what works.") from error
    return password


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the user is there, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("user", help="name of the new user of realm master")
    arguments = parser.parse_args(argv)

    def act(_: object) -> None:
        outputs = stack_outputs(arguments.stack)
        password = make_administrator(outputs, arguments.user)
        print_line(f"{arguments.user} administers {outputs.console_url}\n  password for the first sign-in: {password}")

    return command_line.run(arguments, act)


if __name__ == "__main__":
    sys.exit(main())
