"""Volumes that a stack leaves because settings name another place for what is on them: `database`, `files`.

They stay on the engine, so that an upgrade goes back to them if it does not work. A file on them says that it is under
way, so that an interrupted one is seen by whatever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import docker
from docker.models.containers import Container

from bootstrap.console import UserError
from names import ARCHIVE_CHOICE_TYPE, DATABASE_MAJORS, OWN_PLACE, PLACES, PROJECT, docker_labels, docker_name
from tools import former_databases, preflight
from tools.archive_change import VOLUME_TYPE
from tools.pulumi_run import Pulumi
from tools.stack_state import Deployment, Resources, change_resources

VOLUMES: Mapping[str, Sequence[str]] = {"database": ("keycloak-db", "orthanc-db"), "files": ("orthanc",)}
"""What the stack's own volumes are called, by the key of the setting that names another place."""
LEFT = "/left"
MARK = f"{LEFT}/ohif.moving"


def are_own(engine: docker.DockerClient, stack: str, key: str) -> bool:
    """Whether the stack uses its own volumes for what a setting may place elsewhere."""
    return bool(_users(engine, stack, key))


def place(deployment: Deployment, key: str) -> str | None:
    """Where the state says that the data are (names.py); `None`: there are none yet."""
    for resource in deployment.get("resources") or []:
        if resource["type"] == ARCHIVE_CHOICE_TYPE:
            return str((resource["inputs"].get(PLACES) or {}).get(key, OWN_PLACE))
    return None


def leave(engine: docker.DockerClient, pulumi: Pulumi, places: Mapping[str, str]) -> None:
    """Stop the stack and let go of its own volumes, for these places. They are marked until `have_moved`."""
    former_databases.stop(engine, pulumi.stack)
    _in_volumes(engine, pulumi.stack, _there(engine, pulumi.stack, places), f"touch {MARK}")
    for key in places:
        for user in _users(engine, pulumi.stack, key):
            # What is not there cannot be waited for, while the state still knows it.
            user.remove(force=True)
    left = {docker_name(PROJECT, pulumi.stack, name) for key in places for name in VOLUMES[key]}

    def change(resources: Resources) -> bool:
        for volume in resources:
            if volume["type"] == VOLUME_TYPE and volume.get("outputs", {}).get("name") in left:
                volume["retainOnDelete"] = True
                volume.pop("protect", None)
        return _remember(resources, places)

    change_resources(pulumi, change)


def come_back(engine: docker.DockerClient, pulumi: Pulumi, keys: Iterable[str]) -> None:
    """Let the next update use the stack's own volumes again."""
    places = dict.fromkeys(keys, OWN_PLACE)
    _in_volumes(engine, pulumi.stack, _there(engine, pulumi.stack, places), f"rm -f {MARK}")
    change_resources(pulumi, lambda resources: _remember(resources, places))


def have_moved(engine: docker.DockerClient, stack: str, keys: Iterable[str]) -> Sequence[str]:
    """Remove the mark, once all is well in the other places; return the names of the volumes that are left."""
    names = _there(engine, stack, keys)
    _in_volumes(engine, stack, names, f"rm -f {MARK}")
    return names


def are_moving(engine: docker.DockerClient, stack: str) -> Sequence[str]:
    """Keys of the settings whose data are on the move, or were when that was interrupted."""
    return [
        key
        for key in VOLUMES
        if not are_own(engine, stack, key)
        and _in_volumes(engine, stack, _there(engine, stack, [key]), f"ls {MARK} 2>/dev/null || true").strip()
    ]


def refuse(engine: docker.DockerClient, stack: str) -> None:
    """Raise UserError after an interrupted upgrade, because what runs now may lack what is in the former data."""
    if former_databases.there_are(engine, stack) or are_moving(engine, stack):
        raise UserError(
            f"stack {stack}: an upgrade was interrupted, and its data of before are kept aside",
            f"make upgrade STACK={stack} puts them back. Nothing was changed.",
        )


def _users(engine: docker.DockerClient, stack: str, key: str) -> Sequence[Container]:
    """Containers that use the stack's own volumes of a setting."""
    names = {docker_name(PROJECT, stack, name) for name in VOLUMES[key]}
    found = preflight.find(engine, stack).containers
    return [it for it in found if any(mount.get("Name") in names for mount in it.attrs["Mounts"])]


def _there(engine: docker.DockerClient, stack: str, keys: Iterable[str]) -> Sequence[str]:
    """Names of the stack's own volumes of these settings that are on the engine."""
    names = {docker_name(PROJECT, stack, name) for key in keys for name in VOLUMES[key]}
    return sorted(str(it.name) for it in preflight.find(engine, stack).volumes if it.name in names)


def _in_volumes(engine: docker.DockerClient, stack: str, names: Sequence[str], script: str) -> bytes:
    """What a script prints that runs with these volumes, one after the other."""
    containers = preflight.find(engine, stack).containers
    return b"".join(
        bytes(
            engine.containers.run(
                # Any has a shell.
                str(containers[0].attrs["Image"]),
                entrypoint=["/bin/sh", "-c", script],
                user="0",
                volumes={name: {"bind": LEFT, "mode": "rw"}},
                network_mode="none",
                cap_drop=["ALL"],
                cap_add=["DAC_OVERRIDE"],
                security_opt=["no-new-privileges:true"],
                labels=dict(docker_labels(PROJECT, stack)),
                remove=True,
            )
        )
        for name in (names if containers else ())
    )


def _remember(resources: Resources, places: Mapping[str, str]) -> bool:
    """Write into the state where the data are, and no longer of which version: the next update writes that."""
    found = [it for it in resources if it["type"] == ARCHIVE_CHOICE_TYPE]
    for resource in found:
        resource["inputs"][PLACES] = {**(resource["inputs"].get(PLACES) or {}), **places}
        resource["inputs"].pop(DATABASE_MAJORS, None)
    return bool(found)
