"""Databases that an upgrade keeps aside in their volumes while their servers begin with empty ones.

It goes back to them if it does not work. What says so is in the volumes themselves, so that an interrupted upgrade is
seen by whatever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

import docker
import docker.errors
from docker.models.containers import Container

from bootstrap.console import UserError
from names import DATABASE_MAJORS, WRITERS
from tools import preflight
from tools.container_exec import run, run_once
from tools.pulumi_run import Pulumi
from tools.restore import STOPPED
from tools.stack_state import Resources, archive_choice, change_resources

# Each can be repeated after it was interrupted.
SET_ASIDE = '[ ! -d "$PGDATA" ] || [ -d "$PGDATA.former" ] || mv "$PGDATA" "$PGDATA.former"'
PUT_BACK = '[ ! -d "$PGDATA.former" ] || { rm -rf "$PGDATA" && mv "$PGDATA.former" "$PGDATA"; }'
ARE_THERE = '[ ! -d "$PGDATA.former" ] || echo yes'
REMOVE = 'rm -rf "$PGDATA.former"'


def set_aside(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Stop the stack and put its databases aside. Their servers make empty ones when they start again."""
    stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, SET_ASIDE)
    change_resources(pulumi, forget_versions)


def put_back(engine: docker.DockerClient, pulumi: Pulumi) -> None:
    """Stop the stack and put the former databases in place of those that are there now."""
    stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, PUT_BACK)
    change_resources(pulumi, forget_versions)


def remove(engine: docker.DockerClient, stack: str) -> None:
    """Remove the former databases, once what came after them works."""
    _in_volumes(engine, stack, REMOVE)


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


def _servers(engine: docker.DockerClient, stack: str) -> Sequence[Container]:
    found = preflight.find(engine, stack).containers
    # Those of the dumps have the same images.
    return [it for it in found if any(entry.startswith("POSTGRES_DB=") for entry in it.attrs["Config"]["Env"])]


def stop(engine: docker.DockerClient, stack: str) -> None:
    """Stop whatever uses the data, databases last."""
    containers = preflight.by_alias(engine, stack)
    for container in [*(containers[name] for name in STOPPED if name in containers), *_servers(engine, stack)]:
        container.stop(timeout=60)


def _in_volumes(engine: docker.DockerClient, stack: str, script: str) -> None:
    for server in _servers(engine, stack):
        _in_volume(engine, stack, server, script)


def _in_volume(engine: docker.DockerClient, stack: str, server: Container, script: str) -> bytes:
    """What a script prints that runs with the volume of a database, whether its server runs or not."""
    try:
        return run_once(
            engine,
            stack,
            str(server.attrs["Image"]),
            ["/bin/sh", "-c", script],
            user=server.attrs["Config"]["User"],
            environment=server.attrs["Config"]["Env"],
            volumes_from=[str(server.id)],
        )
    except docker.errors.DockerException as error:
        raise UserError(f"{server.name}: {error}", "Run the command again.") from error


def forget_versions(resources: Resources) -> bool:
    """Take the versions of what wrote the data out of the state: the next update writes those that are there then."""
    known = archive_choice(resources) or {}
    removed = [known.pop(key, None) for key in (DATABASE_MAJORS, WRITERS)]
    return any(it is not None for it in removed)
