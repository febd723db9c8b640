"""Builds the stand-ins for official images, several at a time."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.console import UserError, print_line
from offline.images.downloads import debian_base
from offline.images.recipes import BASE, HERE, RECIPES, SUITE, Recipe, inputs_hash, moved, version_number
from offline.images.work import Work

REPOSITORY = "ohif-offline"
LABEL = "org.ohif.offline"
"""Label on the base and so on all images built on it; it distinguishes them from other images of the machine."""
DOCKER_FIX = "Check the Docker engine (docker info), then run the command again."


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
