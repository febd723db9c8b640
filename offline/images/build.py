"""Build stand-ins for the official images on a machine that can only reach package registries.

    python3 offline/images/build.py

Builds the missing images and writes `<cache>/images.json` (for `OHIF_IMAGES`). If nothing is missing, it takes less
than a second. Each image has a directory next to this file; offline/README.md lists the differences from the official
images.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bootstrap.console import UserError, exclusive_lock, print_error, print_line
from bootstrap.paths import LOGS, cache, write_file
from offline.images.builder import DOCKER_FIX, LABEL, REPOSITORY, Builder
from offline.images.downloads import require
from offline.images.recipes import (
    BASE,
    PROGRAM,
    RECIPES,
    inputs_hash,
    missing,
    of_tests,
    table,
)
from offline.images.work import StoppedError, Work


def present() -> dict[tuple[str, str], str]:
    """Names of the stand-in images on this machine, by key and hash of the inputs."""
    answer = subprocess.run(
        ["docker", "image", "ls", "--filter", f"reference={REPOSITORY}/*", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise UserError(f"images: the Docker engine does not answer\n    {answer.stderr.strip()}", DOCKER_FIX)
    found: dict[tuple[str, str], str] = {}
    for name in answer.stdout.split():
        repository, _, tag = name.partition(":")
        found[repository.removeprefix(f"{REPOSITORY}/"), tag.rpartition("-")[2]] = name
    return found


def remove_outdated(found: Mapping[tuple[str, str], str]) -> None:
    """Remove stand-ins of other inputs and leftovers of builds. The engine keeps images that a container uses."""
    outdated = [name for (key, digest), name in found.items() if key in {BASE, *RECIPES} and digest != inputs_hash(key)]
    for command in (
        *(["docker", "image", "rm", name] for name in outdated),
        ["docker", "image", "prune", "--force", "--filter", f"label={LABEL}"],
    ):
        subprocess.run(command, capture_output=True, check=False)


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A directory for this run. Those of killed runs are removed first (the caller holds the lock)."""
    parent.mkdir(parents=True, exist_ok=True)
    for stale in [*parent.glob("images-*.d"), *(parent / "downloads").glob(".fetch-*")]:
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="images-", suffix=".d", dir=parent, ignore_cleanup_errors=True) as path:
        yield Path(path)


def build_missing(wanted: Iterable[str]) -> dict[tuple[str, str], str]:
    """Build the missing ones of these keys; return all existing images. Raises UserError."""
    require("docker")
    found = present()
    if not missing(found, wanted):
        print_line("  images: nothing to build")
        return found
    with exclusive_lock(cache() / "images.lock", "another run is building images"), _scratch(cache()) as scratch:
        # Another run may have built some of them meanwhile.
        found = present()
        keys = missing(found, wanted)
        downloads = cache() / "downloads"
        _require_tools(keys, downloads)
        started = time.monotonic()
        work = Work(LOGS, slots=(os.cpu_count() or 1) + 1)
        Builder(work=work, downloads=downloads, scratch=scratch).build(keys, found)
        found = present()
        remove_outdated(found)
        print_line(f"  images: {len(keys)} built in {time.monotonic() - started:.0f} s")
    return found


def ensure() -> Path:
    """Build the missing images of the program and write the table; return its path. Raises UserError."""
    found = build_missing(PROGRAM)
    target = cache() / "images.json"
    write_file(target, table(found))
    return target


def ensure_for_tests(tests: str) -> dict[str, str]:
    """Build the missing images that only these tests use; return their names by key. Raises UserError."""
    wanted = of_tests(tests)
    found = build_missing(wanted)
    return {key: found[key, inputs_hash(key)] for key in wanted}


def name_of(key: str) -> str:
    """The name of an existing image. Raises KeyError if it does not exist."""
    return present()[key, inputs_hash(key)]


def _require_tools(keys: Iterable[str], downloads: Path) -> None:
    for key in keys:
        if key == BASE:
            require("debootstrap")
        elif (artifact := RECIPES[key].artifact) and not artifact.kept(downloads).exists():
            require(artifact.tool)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line. Returns 0 when all images exist, 1 after an error, 130 when interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        ensure()
    except UserError as error:
        print_error(error)
        return 1
    except (KeyboardInterrupt, StoppedError):
        print("\nimages: interrupted; finished images are kept, run the command again to continue", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
