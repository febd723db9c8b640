"""Take a stack to the images and databases of its configuration: `python -m tools.upgrade --stack prod`.

A backup comes first. Databases that the new version does not start on, or that are to be elsewhere, are made from it.
If the new images do not come up, or the smoke test fails, the stack gets back its former images and its data of before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml  # type: ignore[import-untyped]
from docker.models.containers import Container

from advisories import ADVISORIES
from bootstrap import state
from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import ROOT, STATE
from names import PROJECT
from tools import backup, command_line, external_database, former_databases, preflight, recovery, smoke, stack
from tools.backup import Snapshot, backup_container
from tools.dicomweb import GatewayClientError
from tools.previews import without_state
from tools.pulumi_run import Pulumi
from tools.restore import chosen, confirm, restore
from tools.stack_state import image_names, read_config, read_deployment
from tools.versions import READS_NEWER, Move, description, moves, refuse_unfitting, shown


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an upgrade changes."""

    moves: Sequence[Move]
    server: str | None
    """Host of the server that the databases move to; `None`: they stay where they are."""
    older: Snapshot | None
    """Backup that takes the place of the data, to go back to older versions; `None`: the one that the upgrade makes."""

    @property
    def begins_empty(self) -> bool:
        """Whether the databases begin empty where they are, and are restored."""
        return self.server is None and (self.older is not None or any(it.through_backup for it in self.moves))

    @property
    def changes_data(self) -> bool:
        """Whether the new images may change the data in a way that the former ones do not read."""
        return self.server is None and any(it.key in READS_NEWER for it in self.moves)


def upgrade(pulumi: Pulumi, wanted: str | None) -> None:
    """Run the upgrade; with `wanted`, the id of a backup, go back to the older versions that made it.

    Raises UserError if it was refused, or undone.
    """
    started = time.monotonic()
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    recovery.release_lock(pulumi)
    engine = recovery.connect(pulumi, read_deployment(pulumi))
    container = backup_container(engine, pulumi.stack)
    assert engine is not None  # noqa: S101 - it has a container
    _undo_interrupted(pulumi, engine, container)
    config = read_config(pulumi)
    images = image_names(config)
    server = external_database.settings(pulumi).get("host")
    plan = Plan(
        moves=moves(description(container)["images"], images),
        server=str(server) if server and former_databases.are_own(engine, pulumi.stack) else None,
        older=chosen(container, pulumi.stack, wanted) if wanted else None,
    )
    if not plan.moves and plan.server is None:
        print_line(f"Stack {pulumi.stack} has the images of its configuration; `make up` applies other changes.")
        return
    print_line(f"Stack {pulumi.stack}")
    _show(plan)
    _check(pulumi, engine, container, plan, config, images)
    if plan.older:
        confirm("upgrade", pulumi.stack, plan.older, confirmed=os.environ.get("YES") == "1")
    made = backup.make(pulumi)
    former = with_images(pulumi, {it.key: it.before for it in plan.moves}, own_databases=plan.server is not None)
    try:
        _run(plan, pulumi, engine, plan.older or made)
        smoke.check(pulumi.stack, config)
    except (UserError, GatewayClientError) as error:
        print_error(error if isinstance(error, UserError) else UserError(str(error), "It is undone."))
        if plan.server:
            former_databases.come_back(engine, former)
        _undo(former, engine, made if plan.changes_data else None)
        raise UserError(
            f"upgrade: undone, stack {pulumi.stack} runs as before, with its data of before",
            "Set ohif:images and ohif:database back, or the program, until the cause is removed; `make up` would try "
            "again.",
        ) from error
    if plan.server:
        volumes = " ".join(former_databases.have_moved(engine, pulumi.stack))
        print_line(f"  kept on the engine: {volumes}\n  To delete these data for good: docker volume rm {volumes}")
    elif plan.begins_empty:
        former_databases.remove(engine, pulumi.stack)
    print_line(f"upgraded in {time.monotonic() - started:.0f} s; the way back is backup {made.id}")


def _show(plan: Plan) -> None:
    if plan.server:
        print_line(f"  {'databases':<13} this stack's own -> {plan.server}")
    for move in plan.moves:
        print_line(f"  {move.key:<13} {shown(move.before)} -> {shown(move.after)}")
        for advisory in move.fixed:
            print_line(f"  {'':<13} without {advisory.identifier}: {advisory.harm} ({advisory.source})")


def _check(
    pulumi: Pulumi,
    engine: docker.DockerClient,
    container: Container,
    plan: Plan,
    config: Mapping[str, Any],
    images: Mapping[str, str],
) -> None:
    """Check everything that would make the upgrade fail, before anything changes. Raises UserError."""
    back = [it for it in plan.moves if it.back]
    if plan.older:
        wanted = {"archive": config["archive"], "images": images}
        refuse_unfitting(plan.older, description(container, plan.older), wanted)
    elif back:
        raise UserError(
            f"upgrade: {back[0].key} {shown(back[0].after)} does not read what {shown(back[0].before)} has written",
            "Choose a backup that the older version made, with SNAPSHOT (`make backups`); what came since is lost.",
        )
    if plan.begins_empty and not former_databases.are_own(engine, pulumi.stack):
        raise UserError(
            "upgrade: the databases are on a server that others run, and would have to begin empty there",
            "Name empty databases in ohif:database, run make up and then make restore. Nothing was changed.",
        )
    if config["target"] == "local":
        preflight.refuse_missing_images(engine, images)
    if plan.server:
        external_database.check(engine, pulumi, images["postgres"], must_be_empty=True)
    with without_state(pulumi) as as_if_new:
        as_if_new.output_of("preview", config=True)


def _run(plan: Plan, pulumi: Pulumi, engine: docker.DockerClient, snapshot: Snapshot) -> None:
    if plan.server:
        print_line(f"  the databases move to {plan.server}")
        former_databases.leave(engine, pulumi)
        restore(pulumi, snapshot.id, pulumi.stack, confirmed=True)
    elif plan.begins_empty:
        _begin_empty(pulumi, engine, snapshot)
    else:
        stack.up(pulumi)


def _begin_empty(pulumi: Pulumi, engine: docker.DockerClient, snapshot: Snapshot) -> None:
    """Let the databases begin empty, and put the backup into them."""
    print_line("  the databases are made again from the backup")
    former_databases.set_aside(engine, pulumi)
    restore(pulumi, snapshot.id, pulumi.stack, confirmed=True)


def _undo(former: Pulumi, engine: docker.DockerClient, snapshot: Snapshot | None) -> None:
    """Bring back the former images and the data of before, which newer images may have changed if there is a backup."""
    print_line("  going back to what was before")
    if former_databases.there_are(engine, former.stack):
        former_databases.put_back(engine, former)
        stack.up(former)
    elif snapshot:
        _begin_empty(former, engine, snapshot)
        former_databases.remove(engine, former.stack)
    else:
        stack.up(former)


def _undo_interrupted(pulumi: Pulumi, engine: docker.DockerClient, container: Container) -> None:
    """Put back what an interrupted upgrade had kept aside. The latest backup was made before it."""
    moving = former_databases.are_moving(engine, pulumi.stack)
    if not moving and not former_databases.there_are(engine, pulumi.stack):
        return
    print_line("  an earlier upgrade was interrupted")
    # An imported state no longer says which operations were under way.
    recovery.remove_pending_containers(pulumi, read_deployment(pulumi))
    images = description(container, chosen(container, pulumi.stack, "latest"))["images"]
    former = with_images(pulumi, images, own_databases=moving)
    if moving:
        former_databases.come_back(engine, former)
    _undo(former, engine, None)


def with_images(pulumi: Pulumi, images: Mapping[str, str], *, own_databases: bool = False) -> Pulumi:
    """The same stack with these images, by key, whatever is known against them, and, if wanted, its own databases."""
    source = pulumi.config_file or ROOT / f"Pulumi.{pulumi.stack}.yaml"
    document = yaml.safe_load(source.read_text()) or {}
    config = document.setdefault("config", {})
    if own_databases:
        config.pop(f"{PROJECT}:database", None)
    entries = config.setdefault(f"{PROJECT}:images", {})
    for key, name in images.items():
        accepted = [it.identifier for it in ADVISORIES if it.image == key and it.concerns(name)]
        entries[key] = {"name": name, "accept": accepted, "optimized": _optimized(name)}
    file = STATE / "config" / f"Pulumi.{pulumi.stack}-former.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document))
    return Pulumi(pulumi.stack, file, pulumi.environment)


def _optimized(name: str) -> bool:
    """Whether the table of this machine's images says so. An image that is not used so starts slower."""
    table = os.environ.get("OHIF_IMAGES")
    entries = json.loads(Path(table).read_text()) if table else {}
    return any(it.get("optimized", False) for it in entries.values() if it["name"] == name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the stack is upgraded, 1 when that was refused or undone."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--snapshot", help="id of a backup that the older versions made, to go back to them")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: upgrade(pulumi, arguments.snapshot))


if __name__ == "__main__":
    sys.exit(main())
