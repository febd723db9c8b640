"""Send a user the link with which to choose a password: `python -m tools.invite m.curie --stack prod`.

For users of the configuration and of Keycloak's console alike, with a mail address and `smtp`. Where `mfa` demands a
code of the user, the link also sets it up.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from keycloak import KeycloakError

from bootstrap.console import UserError, print_line
from components.keycloak.server import CLIENT_ID
from settings import CONSOLE_USER, Mfa
from tools import command_line
from tools.dicomweb import StackOutputs, stack_outputs
from tools.keycloak_console import console
from tools.pulumi_run import Pulumi
from tools.stack_state import read_config

HOURS = 24
"""For which the link works."""


def invite(pulumi: Pulumi, outputs: StackOutputs, user: str) -> None:
    """Send the mail. Raises UserError if there is no such user or address, or the mail is not accepted."""
    config = read_config(pulumi)
    if not config.get("smtp"):
        raise UserError(f"invite: stack {pulumi.stack} has no mail server", "Set ohif:smtp, then make up.")
    admin = console(outputs.base_url, outputs.credentials[CONSOLE_USER])
    try:
        identifier = admin.get_user_id(user)
        if identifier is None:
            raise UserError(f"invite: Keycloak has no user {user}", "Add it to ohif:users, or in the console.")
        address = admin.get_user(identifier).get("email")
        if not address:
            raise UserError(f"invite: user {user} has no mail address", "Set its email.")
        roles = [role["name"] for role in admin.get_composite_realm_roles_of_user(identifier)]
        actions = ["UPDATE_PASSWORD", *(["CONFIGURE_TOTP"] if Mfa(config["mfa"]).demands_of(roles) else [])]
        admin.send_update_account(identifier, actions, client_id=CLIENT_ID, lifespan=HOURS * 3600)
    except KeycloakError as error:
        raise UserError(
            f"invite: Keycloak did not send the mail: {error}",
            "`make up` tries the mail server; the log of the container keycloak has its answer.",
        ) from error
    print_line(f"{address} has a link with which {user} chooses a password; it works for {HOURS} hours")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the mail is on its way, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("user", help="name of a user of realm ohif")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: invite(pulumi, stack_outputs(arguments.stack), arguments.user))


if __name__ == "__main__":
    sys.exit(main())
