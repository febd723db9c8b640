"""Take up a stack from its saved state on a machine that has nothing of it: `python -m tools.recover --stack prod`.

The state comes from the repository of backups (docs/how-to/back-up-and-restore.md). Its secrets and its realm are
taken up; what was made of machines and containers is left out, because it is gone. `make restore` makes that again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from bootstrap import state
from bootstrap.console import UserError, print_line
from bootstrap.paths import ROOT, STATE
from components.archive.choice import MOVABLE
from names import ARCHIVE_CHOICE_TYPE, DATABASE_MAJORS, NO_PLACE, PLACES, PROJECT, WRITERS
from tools import command_line
from tools.backup import STATE_FILE
from tools.pulumi_run import Pulumi
from tools.stack_state import STACK_TYPE, read_deployment

GONE = ("docker:", "linode:", "pulumi:providers:docker", "pulumi:providers:linode")
"""First parts of the types of what was on the machine, or is the machine."""
BUCKETS = "linode:index/objectStorage"
"""First part of the types of what outlives the machine: the bucket with the backups, and its key."""
KEPT_DATA = ("linode:index/objectStorageBucket:", "linode:index/volume:", "linode:index/domain:")
"""First parts of the types of what is left in the account where the stack was destroyed and its data were kept."""
OF_KEYCLOAK = "keycloak:"
"""First part of the types of what is in the realm."""


def kept_state(stack: str) -> Path:
    """Where the state of a stack is that was destroyed while its data were kept."""
    return STATE / "kept" / f"{stack}.json"


class Lasting(Enum):
    """What there is still of the stack that a saved state is of."""

    BACKUPS = "backups"
    """Its machine and its data are gone."""
    DATA = "data"
    """Its data were kept, and nothing was made of another one since."""


def remaining(document: Mapping[str, Any], stack: str, lasting: Lasting = Lasting.BACKUPS) -> dict[str, Any]:
    """An exported state without what is gone, for a stack of this name.

    Raises UserError if it is the state of another project or of none.
    """
    deployment = document.get("deployment") or {}
    resources: Sequence[Mapping[str, Any]] = deployment.get("resources") or []
    before = next((it["urn"] for it in resources if it["type"] == STACK_TYPE), "")
    if f"::{PROJECT}::" not in before:
        raise UserError(f"{STATE_FILE} is not the state of a stack of this project", "Take state.tar of its backups.")
    of = before.split(":")[2]
    # Another stack, such as a drill, has no part in the bucket.
    outlives = KEPT_DATA if lasting is Lasting.DATA else BUCKETS
    there = [it for it in resources if it["type"].startswith(outlives) and of == stack]
    stay = {urn for it in there for urn in (it["urn"], it.get("provider", "").rpartition("::")[0])}
    gone = {it["urn"] for it in resources if it["type"].startswith(GONE)} - stay
    kept = json.dumps([_without(it, gone, lasting) for it in resources if it["urn"] not in gone])
    renamed = kept.replace(f"urn:pulumi:{of}::", f"urn:pulumi:{stack}::")
    renamed = renamed.replace(f'Stack::{PROJECT}-{of}"', f'Stack::{PROJECT}-{stack}"')
    return {**document, "deployment": {**deployment, "resources": json.loads(renamed), "pending_operations": []}}


def _without(resource: Mapping[str, Any], gone: set[str], lasting: Lasting) -> dict[str, Any]:
    """A resource of the state that no longer refers to what is gone."""
    made = dict(resource)
    if made["type"] == STACK_TYPE:
        # Addresses and passwords of the stack as it was.
        made["outputs"] = {}
    made["dependencies"] = [it for it in resource.get("dependencies") or [] if it not in gone]
    made["propertyDependencies"] = {
        name: [it for it in urns or [] if it not in gone]
        for name, urns in (resource.get("propertyDependencies") or {}).items()
    }
    if resource.get("deletedWith") in gone:
        del made["deletedWith"]
    if made["type"] == ARCHIVE_CHOICE_TYPE and lasting is Lasting.BACKUPS:
        made["inputs"] = {**resource["inputs"], PLACES: dict.fromkeys(MOVABLE, NO_PLACE)}
        made["inputs"] |= {DATABASE_MAJORS: {}, WRITERS: {}}
    if made["type"].startswith((OF_KEYCLOAK, BUCKETS)):
        # Until an update gives this stack a Keycloak of its own, the saved address is that of the stack that the state
        # was saved from, which may be running. Removing this stack must not remove the users of that one, or its key.
        made["retainOnDelete"] = True
    return made


def recover(pulumi: Pulumi, saved: Path) -> None:
    """Give a stack without resources the state of one whose machine is gone. Raises UserError: nothing was changed."""
    take_up(pulumi, saved, Lasting.BACKUPS)
    print_line(f"stack {pulumi.stack} has its secrets and its realm again; next: make restore STACK={pulumi.stack}")


def take_up(pulumi: Pulumi, saved: Path, lasting: Lasting) -> None:
    """Give a stack without resources the saved state. Raises UserError; then nothing was changed."""
    try:
        document = json.loads(saved.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{saved}: {error}", "Unpack state.tar of the backups here (docs/how-to/back-up-and-restore.md)."
        ) from error
    made = remaining(document, pulumi.stack, lasting)
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    if read_deployment(pulumi).get("resources"):
        raise UserError(f"stack {pulumi.stack} has resources already", "`make restore` puts a backup into it.")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(made))
        file.flush()
        pulumi.output_of("stack", "import", "--file", file.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the state is taken up, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--state", type=Path, default=ROOT / STATE_FILE, help="as `pulumi stack export` writes it")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: recover(pulumi, arguments.state))


if __name__ == "__main__":
    sys.exit(main())
