"""Volumes that a stack leaves because settings name another place for what is on them: `database`, `files`.

They stay on the engine, so that an upgrade goes back to them if it does not work. A file on them says that it is under
way, so that an interrupted one is seen by whatever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import docker
from docker.models.containers import Container

from bootstrap.console import UserError
from names import OWN_PLACE, PLACES, PROJECT, docker_name
from tools import former_databases, preflight
from tools.archive_change import VOLUME_TYPE
from tools.container_exec import run_once
from tools.preflight import Found
from tools.pulumi_run import Pulumi
from tools.stack_state import Deployment, Resources, archive_choice, change_resources, let_go

VOLUMES: Mapping[str, Sequence[str]] = {"database": ("keycloak-db", "orthanc-db"), "files": ("orthanc",)}
"""What the stack's own volumes are called, by the key of the setting that names another place."""
LEFT = "/left"
MARK = f"{LEFT}/ohif.moving"


def are_own(engine: docker.DockerClient, stack: str, key: str) -> bool:
    """Whether the stack uses its own volumes for what a setting may place elsewhere."""
    return bool(_users(preflight.find(engine, stack), stack, [key]))


def place(deployment: Deployment, key: str) -> str | None:
    """Where the state says that the data are (names.py); `None`: there are none yet."""
    known = archive_choice(deployment.get("resources") or [])
    return None if known is None else str((known.get(PLACES) or {}).get(key, OWN_PLACE))


def leave(engine: docker.DockerClient, pulumi: Pulumi, places: Mapping[str, str]) -> None:
    """Stop the stack and let go of its own volumes, for these places. They are marked until `have_moved`."""
    former_databases.stop(engine, pulumi.stack)
    found = preflight.find(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, found, places, f"touch {MARK}")
    for user in _users(found, pulumi.stack, places):
        # What is not there cannot be waited for, while the state still knows it.
        user.remove(force=True)
    left = _names(pulumi.stack, places)

    def change(resources: Resources) -> bool:
        for volume in resources:
            if volume["type"] == VOLUME_TYPE and volume.get("outputs", {}).get("name") in left:
                let_go(volume)
        return _remember(resources, places)

    change_resources(pulumi, change)


def come_back(engine: docker.DockerClient, pulumi: Pulumi, keys: Iterable[str]) -> None:
    """Let the next update use the stack's own volumes again."""
    places = dict.fromkeys(keys, OWN_PLACE)
    _in_volumes(engine, pulumi.stack, preflight.find(engine, pulumi.stack), places, f"rm -f {MARK}")
    change_resources(pulumi, lambda resources: _remember(resources, places))


def have_moved(engine: docker.DockerClient, stack: str, keys: Iterable[str]) -> Sequence[str]:
    """Remove the mark, once all is well in the other places; return the names of the volumes that are left."""
    found = preflight.find(engine, stack)
    _in_volumes(engine, stack, found, keys, f"rm -f {MARK}")
    return _there(found, stack, keys)


def are_moving(engine: docker.DockerClient, stack: str) -> Sequence[str]:
    """Keys of the settings whose data are on the move, or were when that was interrupted."""
    found = preflight.find(engine, stack)
    left = [key for key in VOLUMES if not _users(found, stack, [key])]
    return [key for key in left if _in_volumes(engine, stack, found, [key], f"ls {MARK} 2>/dev/null || true").strip()]


def refuse(engine: docker.DockerClient, stack: str) -> None:
    """Raise UserError after an interrupted upgrade, because what runs now may lack what is in the former data."""
    if former_databases.there_are(engine, stack) or are_moving(engine, stack):
        raise UserError(
            f"stack {stack}: an upgrade was interrupted, and its data of before are kept aside",
            f"make upgrade STACK={stack} puts them back. Nothing was changed.",
        )


def _names(stack: str, keys: Iterable[str]) -> frozenset[str]:
    """Names of the stack's own volumes of these settings."""
    return frozenset(docker_name(PROJECT, stack, name) for key in keys for name in VOLUMES[key])


def _users(found: Found, stack: str, keys: Iterable[str]) -> Sequence[Container]:
    """Containers that use them."""
    names = _names(stack, keys)
    return [it for it in found.containers if any(mount.get("Name") in names for mount in it.attrs["Mounts"])]


def _there(found: Found, stack: str, keys: Iterable[str]) -> Sequence[str]:
    """Names of those that are on the engine."""
    names = _names(stack, keys)
    return sorted(str(it.name) for it in found.volumes if it.name in names)


def _in_volumes(engine: docker.DockerClient, stack: str, found: Found, keys: Iterable[str], script: str) -> bytes:
    """What a script prints that runs with these volumes, one after the other; nothing where the stack runs nothing."""
    if not found.containers:
        return b""
    # Any has a shell.
    image, command = str(found.containers[0].attrs["Image"]), ["/bin/sh", "-c", script]
    volumes = [{name: {"bind": LEFT, "mode": "rw"}} for name in _there(found, stack, keys)]
    return b"".join(
        run_once(engine, stack, image, command, user="0", capabilities=["DAC_OVERRIDE"], volumes=it) for it in volumes
    )


def _remember(resources: Resources, places: Mapping[str, str]) -> bool:
    """Write into the state where the data are, and no longer of which version: the next update writes that."""
    known = archive_choice(resources)
    if known is None:
        return False
    known[PLACES] = {**(known.get(PLACES) or {}), **places}
    former_databases.forget_versions(resources)
    return True
