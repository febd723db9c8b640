"""Build stand-ins for the official images on a machine that can only reach package registries.

    python3 offline/images/build.py

Builds the missing images and writes `<cache>/images.json` (for `OHIF_IMAGES`). If nothing is missing, it takes less
than a second. Each image has a directory next to this file; offline/README.md lists the differences from the official
images.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bootstrap.console import UserError, exclusive_lock, print_error, print_line
from bootstrap.paths import LOGS, cache, write_file
from offline.images.downloads import debian_base, require
from offline.images.recipes import (
    BASE,
    HERE,
    PROGRAM,
    RECIPES,
    SUITE,
    Recipe,
    inputs_hash,
    missing,
    moved,
    of_tests,
    table,
    version_number,
)
from offline.images.work import StoppedError, Work

REPOSITORY = "ohif-offline"
LABEL = "org.ohif.offline"
"""Label on the base and so on all images built on it; it distinguishes them from other images of the machine."""
DOCKER_FIX = "Check the Docker engine (docker info), then run the command again."


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


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds several images at a time."""

    work: Work
    downloads: Path
    scratch: Path

    def build(self, keys: Iterable[str], found: Mapping[tuple[str, str], str]) -> None:
        """Build these keys; `found` are the existing images. Raises the first UserError and stops all other builds."""
        images: dict[str, concurrent.futures.Future[str]] = {}
        for (key, digest), name in found.items():
            if key in {BASE, *RECIPES} and digest == inputs_hash(key):
                images[key] = concurrent.futures.Future()
                images[key].set_result(name)
        with self.work.stopped_by_signals(), concurrent.futures.ThreadPoolExecutor(len(RECIPES) + 1) as pool:
            for key in keys:
                if key == BASE:
                    images[key] = pool.submit(self._base)
                else:
                    images[key] = pool.submit(self._image, key, images[RECIPES[key].parent])
            try:
                self._wait(set(images.values()))
            except BaseException:
                self.work.stop()
                raise

    @staticmethod
    def _wait(pending: set[concurrent.futures.Future[str]]) -> None:
        while pending:
            # With a timeout, because a signal that arrives just before the wait is handled only after it.
            done, pending = concurrent.futures.wait(pending, 0.5, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()

    def _image(self, key: str, parent: concurrent.futures.Future[str]) -> str:
        recipe = RECIPES[key]
        directory = self.scratch / key
        shutil.copytree(HERE / (recipe.directory or key), directory)
        if recipe.artifact:
            kept = recipe.artifact.ensure(self.work, key, self.downloads)
            _link(kept, directory / recipe.artifact.name)
        parent_name = parent.result()
        with self.work.step(key, "building the image"):
            return self._docker_build(key, recipe, parent_name, directory)

    def _base(self) -> str:
        name = f"{REPOSITORY}/{BASE}:{SUITE}-{inputs_hash(BASE)}"
        with self.work.step(BASE, f"creating a Debian {SUITE} (debootstrap)"):
            archive = debian_base(self.work, BASE, suite=SUITE, source=HERE / BASE, scratch=self.scratch)
            self.work.run(BASE, ["docker", "import", "--change", f"LABEL {LABEL}=", archive, name], fix=DOCKER_FIX)
        return name

    def _docker_build(self, key: str, recipe: Recipe, parent: str, directory: Path) -> str:
        id_file = self.scratch / f"{key}.id"
        command: list[str | Path] = ["docker", "build", "--network", "host", "--force-rm", "--iidfile", id_file]
        self.work.run(
            key,
            [*command, "--build-arg", f"PARENT={parent}", directory],
            fix="Check that the downloads of the failed step are reachable, then run the command again.",
            # Every engine has the old builder; BuildKit needs a separate client package.
            env={"DOCKER_BUILDKIT": "0"},
        )
        image = id_file.read_text().strip()
        version = recipe.artifact.version if recipe.artifact else self._packaged_version(key, recipe, image)
        for line in self._moved(key, recipe, image):
            print_line(f"  {key:<11} {line}")
        name = f"{REPOSITORY}/{key}:{version}-{inputs_hash(key)}"
        self.work.run(key, ["docker", "tag", image, name], fix=DOCKER_FIX)
        return name

    def _packages(self, key: str, image: str, names: Iterable[str]) -> dict[str, str]:
        """Versions of Debian packages in an image, as Debian spells them."""
        command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", image]
        query = ["--show", "--showformat", "${Package} ${Version}\n", *names]
        answer = self.work.run(key, [*command, *query], fix=DOCKER_FIX)
        lines = [line.split() for line in answer.splitlines()]
        return {line[0]: line[1] for line in lines if len(line) == 2}

    def _moved(self, key: str, recipe: Recipe, image: str) -> list[str]:
        """One sentence for each package that is not of its recorded version."""
        if not recipe.recorded:
            return []
        return moved(recipe.recorded, self._packages(key, image, [name for name, _ in recipe.recorded]))

    def _packaged_version(self, key: str, recipe: Recipe, image: str) -> str:
        packaged = self._packages(key, image, [recipe.package])[recipe.package]
        version = version_number(packaged)
        if version < version_number(recipe.oldest):
            raise UserError(
                f"image {key}: Debian serves {recipe.package} {packaged}, older than {recipe.oldest}",
                "Check the mirror in /etc/apt: it may be out of date.",
            )
        return ".".join(map(str, version))


def _link(source: Path, target: Path) -> None:
    """Create a hard link if the file system allows it, because artifacts are large, otherwise a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


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
