"""Take a stack to the images and databases of its configuration: `python -m tools.upgrade --stack prod`.

A backup comes first. Databases that the new version does not start on, or that are to be elsewhere, are made from it.
If the new images do not come up, or the smoke test fails, the stack gets back its former images and its data of before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import docker
from docker.models.containers import Container

from bootstrap import state
from bootstrap.console import UserError, print_error, print_line
from names import OWN_PLACE
from tools import (
    backup,
    command_line,
    external_database,
    files_folder,
    former_databases,
    left_volumes,
    preflight,
    recovery,
    smoke,
    stack,
)
from tools.backup import Snapshot, backup_container
from tools.dicomweb import GatewayClientError
from tools.previews import without_state
from tools.pulumi_run import Pulumi
from tools.restore import chosen, confirm, restore
from tools.stack_state import image_names, read_config, read_deployment
from tools.upgrade_plan import Plan, wanted_places, with_images
from tools.versions import description, moves, refuse_unfitting, shown


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
    own = {key for key in left_volumes.VOLUMES if left_volumes.are_own(engine, pulumi.stack, key)}
    plan = Plan(
        moves=moves(description(container)["images"], images),
        places={key: place for key, place in wanted_places(pulumi, config).items() if key in own},
        older=chosen(container, pulumi.stack, wanted) if wanted else None,
    )
    if not plan.moves and not plan.places:
        print_line(f"Stack {pulumi.stack} has the images of its configuration; `make up` applies other changes.")
        return
    print_line(f"Stack {pulumi.stack}")
    _show(plan)
    _check(pulumi, engine, container, plan, config, images)
    if plan.older:
        confirm("upgrade", pulumi.stack, plan.older, confirmed=os.environ.get("YES") == "1")
    made = _back_up(pulumi, engine, plan)
    former = with_images(pulumi, {it.key: it.before for it in plan.moves}, own=plan.places)
    try:
        _run(plan, pulumi, engine, plan.older or made)
        smoke.check(pulumi.stack, config)
    except (UserError, GatewayClientError) as error:
        print_error(error if isinstance(error, UserError) else UserError(str(error), "It is undone."))
        if plan.places:
            left_volumes.come_back(engine, former, plan.places)
        _undo(former, engine, made if plan.changes_data else None)
        raise UserError(
            f"upgrade: undone, stack {pulumi.stack} runs as before, with its data of before",
            "Set ohif:images, ohif:database or ohif:files back, or the program, until the cause is removed; `make up` "
            "would try again.",
        ) from error
    if plan.places:
        volumes = " ".join(left_volumes.have_moved(engine, pulumi.stack, plan.places))
        print_line(f"  kept on the engine: {volumes}\n  To delete these data for good: docker volume rm {volumes}")
    if plan.begins_empty:
        former_databases.remove(engine, pulumi.stack)
    print_line(f"upgraded in {time.monotonic() - started:.0f} s; the way back is backup {made.id}")


def _show(plan: Plan) -> None:
    for key, place in plan.places.items():
        print_line(f"  {key:<13} {OWN_PLACE} -> {place}")
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
    if plan.begins_empty and not left_volumes.are_own(engine, pulumi.stack, "database"):
        raise UserError(
            "upgrade: the databases are on a server that others run, and would have to begin empty there",
            "Name empty databases in ohif:database, run make up and then make restore. Nothing was changed.",
        )
    if config["target"] == "local":
        preflight.refuse_missing_images(engine, images)
    if "database" in plan.places:
        external_database.check(engine, pulumi, images["postgres"], must_be_empty=True)
    if "files" in plan.places:
        files_folder.check(engine, pulumi.stack, plan.places["files"], images["orthanc"], must_be_empty=True)
    with without_state(pulumi) as as_if_new:
        as_if_new.output_of("preview", config=True)


def _back_up(pulumi: Pulumi, engine: docker.DockerClient, plan: Plan) -> Snapshot:
    """The backup that comes first. If the data are made from it, nothing is let in any more that it would not hold.

    Nor is anybody who signed in before, until the users are back: Keycloak knows them then, without a password.
    """
    if not plan.restores:
        return backup.make(pulumi)
    containers = preflight.by_alias(engine, pulumi.stack)
    closed = [containers[name] for name in ("gateway", "sessions") if name in containers]
    for container in closed:
        container.stop(timeout=60)
    try:
        return backup.make(pulumi)
    except BaseException:
        for container in reversed(closed):
            container.start()
        raise


def _run(plan: Plan, pulumi: Pulumi, engine: docker.DockerClient, snapshot: Snapshot) -> None:
    if plan.places:
        left_volumes.leave(engine, pulumi, plan.places)
    if plan.begins_empty:
        _begin_empty(pulumi, engine, snapshot)
    elif plan.places:
        print_line("  what moves is made again from the backup")
        restore(pulumi, snapshot.id, pulumi.stack, confirmed=True, closed=True)
    else:
        stack.up(pulumi)


def _begin_empty(pulumi: Pulumi, engine: docker.DockerClient, snapshot: Snapshot) -> None:
    """Let the databases begin empty, and put the backup into them."""
    print_line("  the databases are made again from the backup")
    former_databases.set_aside(engine, pulumi)
    restore(pulumi, snapshot.id, pulumi.stack, confirmed=True, closed=True)


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
    moving = left_volumes.are_moving(engine, pulumi.stack)
    if not moving and not former_databases.there_are(engine, pulumi.stack):
        return
    print_line("  an earlier upgrade was interrupted")
    # An imported state no longer says which operations were under way.
    recovery.remove_pending_containers(pulumi, read_deployment(pulumi))
    images = description(container, chosen(container, pulumi.stack, "latest"))["images"]
    former = with_images(pulumi, images, own=moving)
    if moving:
        left_volumes.come_back(engine, former, moving)
    _undo(former, engine, None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the stack is upgraded, 1 when that was refused or undone."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--snapshot", help="id of a backup that the older versions made, to go back to them")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: upgrade(pulumi, arguments.snapshot))


if __name__ == "__main__":
    sys.exit(main())
