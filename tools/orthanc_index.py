"""Entries of Orthanc's index whose files are not there, as after a study was deleted during a backup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docker.models.containers import Container

from tools import archive_api
from tools.container_exec import run

FILES = (
    "SELECT files.uuid, resources.publicid FROM attachedfiles AS files "
    "JOIN resources ON resources.internalid = files.id WHERE resources.resourcetype = 3"
)
"""3 is the level of instances (Orthanc, ResourceType_Instance)."""


def without_file(database: Container, archive_files: str) -> Sequence[str]:
    """Orthanc's ids of the instances that lack a file. `database`: the container that dumps the index.

    `archive_files`: paths of all files, one a line; Orthanc names each by its UUID.
    """
    listed = run(database, ["psql", "--no-psqlrc", "-At", "-F", " ", "-d", "orthanc", "-c", FILES])
    there = {path.rpartition("/")[2] for path in archive_files.split()}
    wanted: Mapping[str, str] = dict(line.split() for line in listed.output.splitlines() if line.count(" ") == 1)
    return sorted({instance for file, instance in wanted.items() if file not in there})


def delete(archive: Container, instances: Sequence[str]) -> bool:
    """Delete instances by Orthanc's own API (`/tools/bulk-delete`); whether it did."""
    return archive_api.ask(archive, "POST", "/tools/bulk-delete", {"Resources": list(instances)}) is not None
