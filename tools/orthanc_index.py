"""Entries of Orthanc's index whose files are not there, as after a study was deleted during a backup."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from docker.models.containers import Container

from components.archive.orthanc import AUTHORIZATION_FILE
from components.archive.orthanc_config import PORT
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
    body = json.dumps({"Resources": list(instances)}).encode()
    request = (
        f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && "
        'printf "POST /tools/bulk-delete HTTP/1.0\\r\\nAuthorization: %s\\r\\nContent-Length: %s\\r\\n\\r\\n" '
        f'"$(<{AUTHORIZATION_FILE})" {len(body)} >&3 && cat >&3 && read -r _ code _ <&3 && [ "$code" = 200 ]'
    )
    return run(archive, ["/bin/bash", "-c", request], body).code == 0
