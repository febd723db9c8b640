"""Databases that an upgrade leaves behind, and goes back to if it does not work.

Either they are kept aside in their volumes while their servers begin with empty ones, or their volumes stay on the
engine while the stack moves to a server that others run. What says so is in the volumes themselves, so that an
interrupted upgrade is seen by whatever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

import docker
import docker.errors
from docker.models.containers import Container

from bootstrap.console import UserError
from components.database.own import POSTGRES_UID
from names import (
    ARCHIVE_CHOICE_TYPE,
    DATABASE_MAJORS,
    OWN_DATABASE_TYPE,
    OWN_PLACE,
    PLACES,
    PROJECT,
    SERVER_PLACE,
    docker_labels,
)
from tools import preflight
from tools.archive_change import VOLUME_TYPE
from tools.container_exec import run
from tools.pulumi_run import Pulumi
from tools.restore import STOPPED
from tools.stack_state import Resources, change_resources

# Each can be repeated after it was interrupted.
SET_ASIDE = '[ ! -d "$PGDATA" ] || [ -d "$PGDATA.former" ] || mv "$PGDATA" "$PGDATA.former"'
PUT_BACK = '[ ! -d "$PGDATA.former" ] || { rm -rf "$PGDATA" && mv "$PGDATA.former" "$PGDATA"; }'
ARE_THERE = '[ ! -d "$PGDATA.former" ] || echo yes'
REMOVE = 'rm -rf "$PGDATA.former"'
LEFT = "/left"
"""A volume that no server uses any more, in a container of its own."""
IS_MOVING, STOP_MOVING = f"ls -d {LEFT}/*.moving 2>/dev/null || true", f"rm -f {LEFT}/*.moving"


def set_aside(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Stop the stack and put its databases aside. Their servers make empty ones when they start again."""
    _stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, SET_ASIDE)
    _forget_majors(pulumi)


def put_back(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Stop the stack and put the former databases in place of those that are there now."""
    _stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, PUT_BACK)
    _forget_majors(pulumi)


def remove(engine: docker.DockerClient, stack: str) -> None:
    """Remove the former databases, once what came after them works."""
    _in_volumes(engine, stack, REMOVE)


def leave(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Stop the stack and let go of its own servers: their volumes stay on the engine, marked until `have_moved`."""
    _stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, 'touch "$PGDATA.moving"')
    for server in _servers(engine, pulumi.stack):
        # What is not there cannot be waited for, while the state still knows it.
        server.remove()

    def change(resources: Resources) -> bool:
        for volume in resources:
            if volume["type"] == VOLUME_TYPE and f"{OWN_DATABASE_TYPE}$" in volume["urn"]:
                volume["retainOnDelete"] = True
                volume.pop("protect", None)
        return _remember(resources, place=SERVER_PLACE)

    change_resources(pulumi, change)


def have_moved(engine: docker.DockerClient, stack: str) -> Sequence[str]:
    """Remove the mark, once all is well on the other server; return the names of the volumes that are left."""
    _in_left_volumes(engine, stack, STOP_MOVING)
    return _volumes_left(engine, stack)


def are_moving(engine: docker.DockerClient, stack: str) -> bool:
    """Whether a move to another server runs, or was interrupted."""
    return not are_own(engine, stack) and bool(_in_left_volumes(engine, stack, IS_MOVING).strip())


def _volumes_left(engine: docker.DockerClient, stack: str) -> Sequence[str]:
    """Names of the volumes whose servers the stack has left."""
    return [str(it.name) for it in preflight.find(engine, stack).volumes if str(it.name).endswith("-db")]


def come_back(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Let the next update run the stack's own servers again, on the volumes that it left."""
    _in_left_volumes(engine, pulumi.stack, STOP_MOVING)
    change_resources(pulumi, lambda resources: _remember(resources, place=OWN_PLACE))


def are_own(engine: docker.DockerClient, stack: str) -> bool:
    """Whether the stack runs servers of its own."""
    return bool(_servers(engine, stack))


def there_are(engine: docker.DockerClient, stack: str) -> bool:
    """Whether there are former databases: an upgrade runs, or was interrupted."""
    for server in _servers(engine, stack):
        if server.status == "running":
            found = run(server, ["/bin/sh", "-c", ARE_THERE]).output
        else:
            found = _in_volume(engine, stack, server, ARE_THERE).decode()
        if found.strip():
            return True
    return False


def refuse(engine: docker.DockerClient, stack: str) -> None:
    """Raise UserError after an interrupted upgrade, because what runs now may lack what is in the former databases."""
    if there_are(engine, stack) or are_moving(engine, stack):
        raise UserError(
            f"stack {stack}: an upgrade was interrupted, and its databases are kept aside",
            f"make upgrade STACK={stack} puts them back. Nothing was changed.",
        )


def _servers(engine: docker.DockerClient, stack: str) -> Sequence[Container]:
    found = preflight.find(engine, stack).containers
    # Those of the dumps have the same images.
    return [it for it in found if any(entry.startswith("POSTGRES_DB=") for entry in it.attrs["Config"]["Env"])]


def _stop(engine: docker.DockerClient, stack: str) -> None:
    containers = preflight.by_alias(engine, stack)
    for container in [*(containers[name] for name in STOPPED if name in containers), *_servers(engine, stack)]:
        container.stop(timeout=60)


def _in_volumes(engine: docker.DockerClient, stack: str, script: str) -> None:
    for server in _servers(engine, stack):
        _in_volume(engine, stack, server, script)


def _in_volume(engine: docker.DockerClient, stack: str, server: Container, script: str) -> bytes:
    """What a script prints that runs with the volume of a database, whether its server runs or not."""
    try:
        return bytes(
            engine.containers.run(
                str(server.attrs["Image"]),
                entrypoint=["/bin/sh", "-c", script],
                environment=server.attrs["Config"]["Env"],
                user=server.attrs["Config"]["User"],
                volumes_from=[str(server.id)],
                network_mode="none",
                cap_drop=["ALL"],
                labels=dict(docker_labels(PROJECT, stack)),
                remove=True,
            )
        )
    except docker.errors.DockerException as error:
        raise UserError(f"{server.name}: {error}", "Run the command again.") from error


def _in_left_volumes(engine: docker.DockerClient, stack: str, script: str) -> bytes:
    """What a script prints that runs with the volumes which no server uses, one after the other."""
    containers = preflight.find(engine, stack).containers
    names = _volumes_left(engine, stack) if containers else ()
    return b"".join(
        bytes(
            engine.containers.run(
                # Any has a shell.
                str(containers[0].attrs["Image"]),
                entrypoint=["/bin/sh", "-c", script],
                user=POSTGRES_UID,
                volumes={name: {"bind": LEFT, "mode": "rw"}},
                network_mode="none",
                cap_drop=["ALL"],
                labels=dict(docker_labels(PROJECT, stack)),
                remove=True,
            )
        )
        for name in names
    )


def _forget_majors(pulumi: Pulumi) -> None:
    change_resources(pulumi, _remember)


def _remember(resources: Resources, *, place: str | None = None) -> bool:
    """Write where the databases are into the state, and no longer of which version: the next update writes that.

    `None`: where they are stays as it is.
    """
    found = [it for it in resources if it["type"] == ARCHIVE_CHOICE_TYPE]
    for resource in found:
        resource["inputs"].pop(DATABASE_MAJORS, None)
        if place is not None:
            resource["inputs"].setdefault(PLACES, {})["database"] = place
    return bool(found)
