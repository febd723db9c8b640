"""Replace one generated secret and everything that uses it: `python -m tools.rotate cookie --stack dev`.

Most secrets live in containers and in Keycloak's client: there Pulumi does it all. A person's password is Keycloak's
own after the user's creation, so it is set there by its admin API before the stack goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keycloak import KeycloakAdmin, KeycloakError

from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import STATE, write_file
from settings import CONSOLE_USER
from tools.pending_operations import plain
from tools.pulumi_run import Pulumi
from tools.stack import copied, exported

PASSWORD_TYPE = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a resource type
PREFIX = "secrets-"
PERSON = "user-"


def secrets_of(deployment: Mapping[str, Any]) -> dict[str, str]:
    """The stack's generated secrets: URNs by the names that `rotate` takes."""
    return {
        resource["urn"].rpartition("::")[2].removeprefix(PREFIX): resource["urn"]
        for resource in deployment.get("resources") or []
        if resource["type"] == PASSWORD_TYPE
    }


def rotate(pulumi: Pulumi, name: str) -> None:
    """Replace the secret. Run again after an interruption, it goes on.

    Raises:
        UserError: no such secret, Keycloak refuses, or Pulumi fails.
    """
    known = secrets_of(exported(pulumi))
    if name not in known:
        raise UserError(f"rotate: stack {pulumi.stack} has no secret {name!r}", f"It has: {', '.join(sorted(known))}.")
    if name.startswith(PERSON):
        _replace_password(pulumi, name.removeprefix(PERSON), known[name])
        changes = pulumi.update("up")
    else:
        changes = pulumi.update("up", f"--replace={known[name]}")
    print_line(f"secret {name} is replaced ({changes.words})")


def _credentials(pulumi: Pulumi) -> dict[str, str]:
    shown = json.loads(pulumi.ask("stack", "export", "--show-secrets"))["deployment"]
    return {
        name.removeprefix(PERSON): plain(resource["outputs"]["result"])
        for resource in shown["resources"]
        if resource["type"] == PASSWORD_TYPE
        and (name := resource["urn"].rpartition("::")[2].removeprefix(PREFIX)).startswith(PERSON)
    }


def _replace_password(pulumi: Pulumi, person: str, urn: str) -> None:
    """Make a new password, then make it Keycloak's."""
    # Until Keycloak has the new password, the old one is the only way in: it is kept where an interruption
    # cannot lose it.
    journal = STATE / f"rotation-{pulumi.stack}-{person}.json"
    if not journal.exists():
        write_file(journal, json.dumps(_credentials(pulumi)), 0o600)
        pulumi.update("up", f"--target={urn}", f"--replace={urn}")
    before, now = json.loads(journal.read_text()), _credentials(pulumi)
    origin = json.loads(pulumi.ask("stack", "output", "--json"))["viewerUrl"].rstrip("/")
    realm = "master" if person == CONSOLE_USER else "ohif"
    try:
        _set_password(origin, before[CONSOLE_USER], realm, person, now[person])
    except KeycloakError as error:
        raise UserError(
            f"rotate: Keycloak did not take the new password of {person}: {error}",
            "Bring the stack up (make up) and run the command again; until then the old password is valid.",
        ) from error
    journal.unlink()


def _set_password(origin: str, console_password: str, realm: str, person: str, password: str) -> None:
    admin = KeycloakAdmin(
        server_url=f"{origin}/keycloak/",
        username=CONSOLE_USER,
        password=console_password,
        user_realm_name="master",
        realm_name=realm,
    )
    user_id = admin.get_user_id(person)
    if user_id is None:
        raise UserError(f"rotate: Keycloak knows no user {person} in realm {realm}", "Was it deleted by hand? make up.")
    admin.set_user_password(user_id, password, temporary=False)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when the secret is replaced, 1 with the problem and its mend otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("secret", help="cookie, client, archive, keycloak-database, user-admin, …")
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    arguments = parser.parse_args(argv)
    try:
        rotate(Pulumi(arguments.stack, copied(arguments.config_file), os.environ), arguments.secret)
    except UserError as error:
        print_error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
