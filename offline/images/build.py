"""Build the stand-ins of the official images on a machine that reaches package registries only.

    python3 offline/images/build.py

Builds what is missing, writes `<cache>/images.json` (for `OHIF_IMAGES`), and does nothing in well under a second when
everything is there. One directory beside this file per image; what differs from the official images: offline/README.md.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
if __package__ in (None, ""):
    sys.path.insert(0, str(HERE.parents[1]))

from offline.images.downloads import (  # noqa: E402
    Artifact,
    GoProgram,
    MavenArtifact,
    NpmPackage,
    debian_base,
    require,
)
from offline.images.work import StoppedError, Work  # noqa: E402
from tools.readiness.console import Problem, only_one, report, say  # noqa: E402
from tools.readiness.paths import LOGS, cache, write_file  # noqa: E402

REPOSITORY = "ohif-offline"
SUITE = "trixie"
BASE = "base"
LABEL = "org.ohif.offline"
"""On the base and so on all that is built on it: tells our leftovers from other people's images."""
DOCKER_MEND = "Check the Docker engine (docker info), then run the command again."


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is made: the Dockerfile in the directory of its name, on a parent, of an artifact or packages."""

    parent: str = BASE
    artifact: Artifact | None = None
    """Its version is the image's. Without one the image's version is that of a Debian package in it."""
    package: str = ""
    oldest: str = "0"
    """The oldest version of the Debian package that the program works with."""
    recorded: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Debian packages and versions that the program was last tested with. A build reports where it has others."""
    optimized: bool = False
    rehearsal: bool = field(default=False, repr=False)
    """Whether it is no image of the program, but one that only the rehearsal of production needs."""


ORTHANC = (
    ("orthanc", "1.13.0"),
    ("orthanc-dicomweb", "1.24"),
    ("orthanc-postgresql", "5.0"),
    ("orthanc-python", "7.1"),
)
"""From Debian's next release, where versions still move. The official image has the same but for PostgreSQL (10)."""

RECIPES: dict[str, Recipe] = {
    "auth-proxy": Recipe(
        artifact=GoProgram(
            name="oauth2-proxy",
            version="7.8.1",
            module="github.com/oauth2-proxy/oauth2-proxy/v7",
            version_symbol="github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION",
        ),
    ),
    "keycloak": Recipe(
        artifact=MavenArtifact(
            name="keycloak.tar.gz",
            version="26.7.3",
            group="org.keycloak",
            artifact="keycloak-quarkus-dist",
            packaging="tar.gz",
        ),
        optimized=True,
    ),
    "gateway": Recipe(package="nginx", oldest="1.27.3"),
    "postgres": Recipe(package="postgresql-17", oldest="17"),
    "sessions": Recipe(package="valkey-server", oldest="8.1"),
    "orthanc": Recipe(package="orthanc", oldest="1.13.0", recorded=ORTHANC),
    "dcm4chee": Recipe(package="orthanc", oldest="1.13.0", recorded=ORTHANC[:-1]),
    "dcm4chee-db": Recipe(parent="postgres", package="postgresql-17", oldest="17"),
    "dcm4chee-ldap": Recipe(package="slapd", oldest="2.6"),
    "viewer": Recipe(
        parent="gateway",
        artifact=NpmPackage(name="ohif-app.tgz", version="3.13.2", package="@ohif/app"),
    ),
    "certbot": Recipe(package="certbot", oldest="4"),
    "vm": Recipe(package="docker.io", oldest="26", rehearsal=True),
    "pebble": Recipe(package="pebble", oldest="2.6", rehearsal=True),
}

PROGRAM = tuple(key for key, recipe in RECIPES.items() if not recipe.rehearsal)
REHEARSAL = tuple(key for key, recipe in RECIPES.items() if recipe.rehearsal)


def inputs_hash(key: str, recipes: Mapping[str, Recipe] = RECIPES, root: Path = HERE) -> str:
    """12 hexadecimal digits that change with anything the image is made of: files, artifact, parent.

    New versions of Debian packages alone do not change it.
    """
    digest = hashlib.sha256()
    for path in sorted((root / key).rglob("*")):
        if path.is_file():
            mode = "x" if os.access(path, os.X_OK) else "-"
            digest.update(f"{path.relative_to(root)} {mode} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    if key == BASE:
        digest.update(SUITE.encode())
    else:
        digest.update(f"{recipes[key]!r}\n{inputs_hash(recipes[key].parent, recipes, root)}".encode())
    return digest.hexdigest()[:12]


def version_number(text: str) -> tuple[int, ...]:
    """The leading dotted number of a version as integers; an epoch does not count."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def moved(recorded: Iterable[tuple[str, str]], built: Mapping[str, str]) -> list[str]:
    """Sentences about packages whose built version is not the recorded one."""
    return [
        f"{name} is {built.get(name, 'missing')}, recorded is {version}: run the tests, then record it in {HERE.name}/build.py"
        for name, version in recorded
        if version_number(built.get(name, "")) != version_number(version)
    ]


def present() -> dict[tuple[str, str], str]:
    """Names of this machine's stand-ins by key and inputs' hash."""
    answer = subprocess.run(
        ["docker", "image", "ls", "--filter", f"reference={REPOSITORY}/*", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise Problem(f"images: the Docker engine does not answer\n    {answer.stderr.strip()}", DOCKER_MEND)
    found: dict[tuple[str, str], str] = {}
    for name in answer.stdout.split():
        repository, _, tag = name.partition(":")
        found[repository.removeprefix(f"{REPOSITORY}/"), tag.rpartition("-")[2]] = name
    return found


def missing(found: Mapping[tuple[str, str], str], wanted: Iterable[str] = PROGRAM) -> list[str]:
    """Keys to be built, each after its parent: those wanted that are not there, with the parents that they need."""
    keys: list[str] = []

    def want(key: str) -> None:
        if key in keys or (key, inputs_hash(key)) in found:
            return
        if key != BASE:
            want(RECIPES[key].parent)
        keys.append(key)

    for key in wanted:
        want(key)
    return keys


def table(found: Mapping[tuple[str, str], str]) -> str:
    """The text of images.json: for each key the name of the image, as settings/ reads it."""
    images: dict[str, dict[str, str | bool]] = {}
    for key in sorted(PROGRAM):
        images[key] = {"name": found[key, inputs_hash(key)]}
        if RECIPES[key].optimized:
            images[key]["optimized"] = True
    return json.dumps(images, indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds images, several at a time."""

    work: Work
    downloads: Path
    scratch: Path

    def build(self, keys: Iterable[str], found: Mapping[tuple[str, str], str]) -> None:
        """Build these keys; `found` are the images that are there. Raises the first Problem, all else is ended."""
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
            # Never without an end: a signal that comes just before the thread lies down is not heard until it wakes.
            done, pending = concurrent.futures.wait(pending, 0.5, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                future.result()

    def _image(self, key: str, parent: concurrent.futures.Future[str]) -> str:
        recipe = RECIPES[key]
        directory = self.scratch / key
        shutil.copytree(HERE / key, directory)
        if recipe.artifact:
            kept = recipe.artifact.ensure(self.work, key, self.downloads)
            _link(kept, directory / recipe.artifact.name)
        parent_name = parent.result()
        with self.work.step(key, "building the image"):
            return self._docker_build(key, recipe, parent_name, directory)

    def _base(self) -> str:
        name = f"{REPOSITORY}/{BASE}:{SUITE}-{inputs_hash(BASE)}"
        with self.work.step(BASE, f"making a Debian {SUITE} (debootstrap)"):
            archive = debian_base(self.work, BASE, suite=SUITE, source=HERE / BASE, scratch=self.scratch)
            self.work.run(BASE, ["docker", "import", "--change", f"LABEL {LABEL}=", archive, name], mend=DOCKER_MEND)
        return name

    def _docker_build(self, key: str, recipe: Recipe, parent: str, directory: Path) -> str:
        id_file = self.scratch / f"{key}.id"
        command: list[str | Path] = ["docker", "build", "--network", "host", "--force-rm", "--iidfile", id_file]
        self.work.run(
            key,
            [*command, "--build-arg", f"PARENT={parent}", directory],
            mend="Check that what its step fetches can be fetched, then run the command again.",
            # The old builder is in every engine; BuildKit's client is a package of its own.
            env={"DOCKER_BUILDKIT": "0"},
        )
        image = id_file.read_text().strip()
        version = recipe.artifact.version if recipe.artifact else self._packaged_version(key, recipe, image)
        for line in self._moved(key, recipe, image):
            say(f"  {key:<11} {line}")
        name = f"{REPOSITORY}/{key}:{version}-{inputs_hash(key)}"
        self.work.run(key, ["docker", "tag", image, name], mend=DOCKER_MEND)
        return name

    def _packages(self, key: str, image: str, names: Iterable[str]) -> dict[str, str]:
        """Versions of Debian packages in an image, as Debian spells them."""
        command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", image]
        query = ["--show", "--showformat", "${Package} ${Version}\n", *names]
        answer = self.work.run(key, [*command, *query], mend=DOCKER_MEND)
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
            raise Problem(
                f"image {key}: Debian serves {recipe.package} {packaged}, older than {recipe.oldest}",
                "Check the mirror in /etc/apt: it may be out of date.",
            )
        return ".".join(map(str, version))


def _link(source: Path, target: Path) -> None:
    """A second name where the file system allows it: artifacts are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def remove_outdated(found: Mapping[tuple[str, str], str]) -> None:
    """Remove stand-ins of other inputs, and what the builds left over. The engine keeps what a container uses."""
    outdated = [name for (key, digest), name in found.items() if key in {BASE, *RECIPES} and digest != inputs_hash(key)]
    for command in (
        *(["docker", "image", "rm", name] for name in outdated),
        ["docker", "image", "prune", "--force", "--filter", f"label={LABEL}"],
    ):
        subprocess.run(command, capture_output=True, check=False)


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A directory for this run; those that killed runs left behind are removed first (the caller holds the lock)."""
    parent.mkdir(parents=True, exist_ok=True)
    for stale in [*parent.glob("images-*.d"), *(parent / "downloads").glob(".fetch-*")]:
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="images-", suffix=".d", dir=parent, ignore_cleanup_errors=True) as path:
        yield Path(path)


def build_missing(wanted: Iterable[str]) -> dict[tuple[str, str], str]:
    """Build those of these keys that are missing; return all that is there. Raises Problem."""
    require("docker")
    found = present()
    if not missing(found, wanted):
        say("  images: nothing to build")
        return found
    with only_one(cache() / "images.lock", "another run is building images"), _scratch(cache()) as scratch:
        # What another run has built meanwhile is not missing any more.
        found = present()
        keys = missing(found, wanted)
        downloads = cache() / "downloads"
        _require_tools(keys, downloads)
        started = time.monotonic()
        work = Work(LOGS, slots=(os.cpu_count() or 1) + 1)
        Builder(work=work, downloads=downloads, scratch=scratch).build(keys, found)
        found = present()
        remove_outdated(found)
        say(f"  images: {len(keys)} built in {time.monotonic() - started:.0f} s")
    return found


def ensure() -> Path:
    """Build what is missing of the program's images and write the table; return its path. Raises Problem."""
    found = build_missing(PROGRAM)
    target = cache() / "images.json"
    write_file(target, table(found))
    return target


def ensure_rehearsal() -> dict[str, str]:
    """Build what is missing of the rehearsal's own images; return their names by key. Raises Problem."""
    found = build_missing(REHEARSAL)
    return {key: found[key, inputs_hash(key)] for key in REHEARSAL}


def name_of(key: str) -> str:
    """The name of one image that is there. Raises KeyError."""
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
    """Entry point; 0 when every image is there, 1 after a problem, 130 when interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        ensure()
    except Problem as problem:
        report(problem)
        return 1
    except (KeyboardInterrupt, StoppedError):
        print("\nimages: interrupted; what is finished is kept, run the command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
