"""The folder that has the archive's files, looked at before a stack begins to use it."""

from __future__ import annotations

import docker
import docker.errors
from docker.types import Mount

from bootstrap.console import UserError
from tools.container_exec import run_once

HERE = "/folder"
OF_THE_DISK = frozenset({"lost+found"})
"""What is in the root of a file system that is empty."""


def check(engine: docker.DockerClient, stack: str, folder: str, image: str, *, must_be_empty: bool) -> None:
    """Raise UserError if the engine's machine has no such folder, or if it holds something and must not.

    Another stack's files would be removed by a restore. Without the image on the engine nothing is looked at, as before
    a first update of another machine.
    """
    try:
        engine.images.get(image)
    except docker.errors.ImageNotFound:
        return
    try:
        mounts = [Mount(HERE, folder, type="bind", read_only=True)]
        listing = run_once(
            engine, stack, image, ["ls", "-A", HERE], user="0", capabilities=["DAC_READ_SEARCH"], mounts=mounts
        )
    except docker.errors.DockerException as error:
        raise UserError(
            f"ohif:files.path: {folder} is no folder of the engine's machine that can be read ({error})",
            "Make it there, or mount the disk that it lies on. Nothing was changed.",
        ) from error
    there = [it for it in listing.decode().splitlines() if it not in OF_THE_DISK]
    if must_be_empty and there:
        raise UserError(
            f"ohif:files.path: {folder} holds something already ({', '.join(there[:3])})",
            "Name an empty folder of this stack alone. Nothing was changed.",
        )
