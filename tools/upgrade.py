"""Take a stack to the images and databases of its configuration: `python -m tools.upgrade --stack prod`.

A backup comes first. Databases that the new version does not start on, or that are to be elsewhere, are made from it.
If the new images do not come up, or the smoke test fails, the stack gets back its former images and its data of before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
from tools.restore import chosen, restore
from tools.stack_state import image_names, read_config, read_deployment
from tools.versions import READS_NEWER, Move, description, moves, refuse_unfitting, shown


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
    if former_databases.there_are(engine, pulumi.stack):
        _undo_interrupted(pulumi, engine, container)
    config = read_config(pulumi)
    running, after = description(container), image_names(config)
    found = moves(running["images"], after)
    server = external_database.settings(pulumi)
    leaving = bool(server) and former_databases.are_own(engine, pulumi.stack)
    if not found and not leaving:
        print_line(f"Stack {pulumi.stack} has the images of its configuration; `make up` applies other changes.")
        return
    print_line(f"Stack {pulumi.stack}")
    _show(found, str(server["host"]) if leaving else None)
    older = chosen(container, pulumi.stack, wanted) if wanted else None
    _refuse(found, container, older, {"archive": config["archive"], "images": after})
    if config["target"] == "local":
        preflight.refuse_missing_images(engine, after)
    if leaving:
        external_database.check(engine, pulumi, after["postgres"], must_be_empty=True)
    # Whatever the program has to say against the configuration, it says before anything is changed.
    with without_state(pulumi) as as_if_new:
        as_if_new.output_of("preview", config=True)
    made = backup.make(pulumi)
    former = with_images(pulumi, {it.key: it.before for it in found}, own_databases=leaving)
    through_backup = any(it.through_backup for it in found)
    try:
        if leaving:
            print_line(f"  the databases move to {server['host']}")
            former_databases.leave(engine, pulumi)
            restore(pulumi, (older or made).id, pulumi.stack, confirmed=True)
        elif through_backup:
            _through_backup(pulumi, engine, older or made)
        else:
            stack.up(pulumi)
        smoke.check(pulumi.stack, config)
    except (UserError, GatewayClientError) as error:
        print_error(error if isinstance(error, UserError) else UserError(str(error), "It is undone."))
        if leaving:
            former_databases.come_back(former)
        _undo(former, engine, lambda: made if any(it.key in READS_NEWER for it in found) and not leaving else None)
        raise UserError(
            f"upgrade: undone, stack {pulumi.stack} runs the former images with its data of before",
            "Set ohif:images to them, or the program back, until the cause is removed; `make up` would try again.",
        ) from error
    if through_backup and not leaving:
        former_databases.remove(engine, pulumi.stack)
    if leaving:
        volumes = " ".join(former_databases.volumes_left(engine, pulumi.stack))
        print_line(f"  kept on the engine: {volumes}\n  To delete these data for good: docker volume rm {volumes}")
    print_line(f"upgraded in {time.monotonic() - started:.0f} s; the way back is backup {made.id}")


def _show(found: Sequence[Move], server: str | None) -> None:
    if server:
        print_line(f"  databases     this stack's own -> {server}")
    for move in found:
        print_line(f"  {move.key:<13} {shown(move.before)} -> {shown(move.after)}")
        for advisory in move.fixed:
            print_line(f"  {'':<13} without {advisory.identifier}: {advisory.harm} ({advisory.source})")


def _refuse(found: Sequence[Move], container: Container, older: Snapshot | None, wanted: Mapping[str, Any]) -> None:
    """Reject older versions without a backup that they can read. Raises UserError."""
    if older:
        return refuse_unfitting(older, description(container, older), wanted)
    back = [it for it in found if it.back]
    if back:
        raise UserError(
            f"upgrade: {back[0].key} {shown(back[0].after)} does not read what {shown(back[0].before)} has written",
            "Choose a backup that the older version made, with SNAPSHOT (`make backups`); what came since is lost.",
        )
    return None


def _through_backup(pulumi: Pulumi, engine: docker.DockerClient, snapshot: Snapshot) -> None:
    """Let the databases begin empty, and put the backup into them."""
    print_line("  the databases are made again from the backup")
    former_databases.set_aside(engine, pulumi)
    restore(pulumi, snapshot.id, pulumi.stack, confirmed=True)


def _undo(former: Pulumi, engine: docker.DockerClient, snapshot: Callable[[], Snapshot | None]) -> None:
    """Bring back the former images and the data of before."""
    print_line("  going back to the former images")
    if former_databases.there_are(engine, former.stack):
        former_databases.put_back(engine, former)
    elif made := snapshot():
        # A newer version may have changed its database.
        _through_backup(former, engine, made)
        former_databases.remove(engine, former.stack)
        return
    stack.up(former)


def _undo_interrupted(pulumi: Pulumi, engine: docker.DockerClient, container: Container) -> None:
    """Put back what an interrupted upgrade had kept aside. The latest backup was made before it."""
    print_line("  an earlier upgrade was interrupted")
    images = description(container, chosen(container, pulumi.stack, "latest"))["images"]
    _undo(with_images(pulumi, images), engine, lambda: None)


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
