"""The images that are built here: the recipe of each, and which of them are missing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from offline.images.downloads import Artifact, FileInJar, GoProgram, MavenArtifact, NpmPackage

HERE = Path(__file__).resolve().parent
SUITE = "trixie"
BASE = "base"
ARM = platform.machine() == "aarch64"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one image is built: a Dockerfile, on a parent, with an artifact or packages."""

    parent: str = BASE
    directory: str = field(default="", repr=False)
    """Where its files are, if not in the directory of its name."""
    artifact: Artifact | None = None
    """Its version is the version of the image. Without an artifact, `package` gives the version."""
    package: str = ""
    oldest: str = "0"
    """The oldest version of the Debian package that works with the program."""
    recorded: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Debian packages and versions that the program was last tested with. A build reports others."""
    optimized: bool = False
    tests: str | None = field(default=None, repr=False)
    """The tests that alone use the image, and not the program: `rehearsal` or `upgrade`."""


ORTHANC = (
    ("orthanc", "1.13.0"),
    ("orthanc-dicomweb", "1.24"),
    ("orthanc-postgresql", "5.0"),
    ("orthanc-python", "7.1"),
)
"""From Debian's next release, where versions still move. The official image has the same but for PostgreSQL (10)."""


def keycloak(version: str) -> MavenArtifact:
    """Keycloak's release."""
    return MavenArtifact(
        name="keycloak.tar.gz",
        version=version,
        group="org.keycloak",
        artifact="keycloak-quarkus-dist",
        packaging="tar.gz",
    )


def oauth2_proxy(version: str) -> GoProgram:
    """oauth2-proxy's release."""
    return GoProgram(
        name="oauth2-proxy",
        version=version,
        module="github.com/oauth2-proxy/oauth2-proxy/v7",
        version_symbol="github.com/oauth2-proxy/oauth2-proxy/v7/pkg/version.VERSION",
    )


RECIPES: dict[str, Recipe] = {
    "auth-proxy": Recipe(artifact=oauth2_proxy("7.15.2")),
    "keycloak": Recipe(
        artifact=keycloak("26.7.3"),
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
    "logs": Recipe(package="syslog-ng-core", oldest="4.8"),
    "backup": Recipe(package="restic", oldest="0.18"),
    "vm": Recipe(package="docker.io", oldest="26", tests="rehearsal"),
    "postgres-16": Recipe(
        parent="postgres",
        artifact=FileInJar(
            name="postgres-16.txz",
            version="16.15.0",
            group="io.zonky.test.postgres",
            artifact=f"embedded-postgres-binaries-linux-{'arm64v8' if ARM else 'amd64'}",
            packaging="jar",
            member=f"postgres-linux-{'arm_64' if ARM else 'x86_64'}.txz",
        ),
        tests="upgrade",
    ),
    "auth-proxy-7.6": Recipe(directory="auth-proxy", artifact=oauth2_proxy("7.6.0"), tests="upgrade"),
    "keycloak-24": Recipe(
        directory="keycloak",
        artifact=keycloak("24.0.5"),
        tests="upgrade",
    ),
    "pebble": Recipe(package="pebble", oldest="2.6", tests="rehearsal"),
}

PROGRAM = tuple(key for key, recipe in RECIPES.items() if recipe.tests is None)


def of_tests(tests: str) -> list[str]:
    """Keys of the images that only these tests use."""
    return [key for key, recipe in RECIPES.items() if recipe.tests == tests]


def inputs_hash(key: str, recipes: Mapping[str, Recipe] = RECIPES, root: Path = HERE) -> str:
    """12 hexadecimal digits that change with every input of the image: files, artifact, parent.

    New versions of Debian packages alone do not change it.
    """
    digest = hashlib.sha256()
    directory = BASE if key == BASE else recipes[key].directory or key
    for path in sorted((root / directory).rglob("*")):
        if path.is_file():
            mode = "x" if os.access(path, os.X_OK) else "-"
            digest.update(f"{path.relative_to(root)} {mode} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    if key == BASE:
        digest.update(SUITE.encode())
    else:
        digest.update(f"{recipes[key]!r}\n{inputs_hash(recipes[key].parent, recipes, root)}".encode())
    return digest.hexdigest()[:12]


def missing(found: Mapping[tuple[str, str], str], wanted: Iterable[str] = PROGRAM) -> list[str]:
    """Keys to build, each after its parent: the wanted images that do not exist, and the parents that they need."""
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
    """The text of images.json, the names of the images by key, in the format that the program's settings read."""
    images: dict[str, dict[str, str | bool]] = {}
    for key in sorted(PROGRAM):
        images[key] = {"name": found[key, inputs_hash(key)]}
        if RECIPES[key].optimized:
            images[key]["optimized"] = True
    return json.dumps(images, indent=2) + "\n"


def version_number(text: str) -> tuple[int, ...]:
    """The leading dotted number of a version as integers, without a Debian epoch."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def moved(recorded: Iterable[tuple[str, str]], built: Mapping[str, str]) -> list[str]:
    """Sentences about packages whose built version is not the recorded one."""
    return [
        f"{name} is {built.get(name, 'missing')}, recorded is {version}: run the tests, then record it in {__name__}"
        for name, version in recorded
        if version_number(built.get(name, "")) != version_number(version)
    ]
