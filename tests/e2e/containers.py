"""Files for containers that tests make themselves."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from tarfile import TarFile, TarInfo

from docker.models.containers import Container


def put(container: Container, files: Mapping[str, str]) -> None:
    """Write texts into a container, by their paths below its root."""
    archive = BytesIO()
    with TarFile(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            entry = TarInfo(path)
            entry.size = len(text.encode())
            tar.addfile(entry, BytesIO(text.encode()))
    assert container.put_archive("/", archive.getvalue())
