"""One world for all tests of the rehearsal, and machines in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import docker
import pytest

from bootstrap import engine as machine_engine
from bootstrap.console import UserError
from tests.rehearsal.world import World, world
from tools import debian_tools

HERE = Path(__file__).parent
NEEDED = ("unshare", "losetup", "mkfs.ext4", "ssh", "ssh-keygen")
REAL = ("made", "machine")
"""Fixtures that make something real."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and set(REAL) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.rehearsal)


def cannot(reason: str) -> NoReturn:
    """A machine that lacks something skips; on CI that would be a hole nobody sees, so it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def forbidden() -> str | None:
    """What this machine does not let even root do: a container may have no block devices of its own, say."""
    for what, command in (
        ("block devices", ["losetup", "--find"]),
        ("mount namespaces", ["unshare", "--mount", "true"]),
    ):
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        if tried.returncode:
            return f"this machine allows no {what}: {tried.stderr.strip()}"
    return None


@pytest.fixture(scope="session")
def made() -> Iterator[World]:
    """The world, with nothing in it yet."""
    if os.geteuid() != 0:
        cannot("the rehearsal makes block devices and mount namespaces: only root can")
    lacking = [tool for tool in NEEDED if shutil.which(tool) is None]
    if lacking:
        cannot(f"the rehearsal needs {', '.join(lacking)}")
    if reason := forbidden():
        pytest.skip(reason)
    try:
        machine_engine.ensure()
        debian_tools.ensure("libnss3-tools")
        docker.from_env().close()
        with world() as whole:
            yield whole
    except UserError as error:
        cannot(f"no world to rehearse in: {error.problem}")
