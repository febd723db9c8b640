"""A container of the gateway's image with files of a test's in it."""

import contextlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from bootstrap.paths import ROOT
from images import DEFAULT_IMAGES

WAIT = {"/etc/ohif/wait.js": (ROOT / "assets/gateway/wait.js").read_text()}
"""The script that every configuration of the gateway loads."""


def image(key: str) -> str:
    """The image that the program would use on this machine, by its key in the table."""
    own = os.environ.get("OHIF_IMAGES")
    entries = json.loads(Path(own).read_text()) if own and Path(own).exists() else {}
    return str(entries.get(key, {"name": DEFAULT_IMAGES[key].name})["name"])


def gateway_image() -> str:
    """The gateway's image."""
    return image("gateway")


def put(container: Container, files: Mapping[str, str]) -> None:
    """Write files by their paths."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    assert container.put_archive("/", packed.getvalue())


@contextlib.contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """The machine's engine; without one the test is left out."""
    try:
        client = docker.from_env()
    except DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def gateway(
    client: docker.DockerClient, command: list[str], files: Mapping[str, str], **how: Any
) -> Iterator[Container]:
    """A container that runs `command` as the gateway does, with these files."""
    try:
        container = client.containers.create(
            gateway_image(), command[1:], entrypoint=command[:1], user="101:101", tmpfs={"/tmp": ""}, **how
        )
    except ImageNotFound:
        pytest.skip(f"image {gateway_image()} is not on this machine: make up gets it")
    try:
        put(container, files)
        container.start()
        yield container
    finally:
        container.remove(force=True)
