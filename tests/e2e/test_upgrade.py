"""Other versions on data that are there: what is refused, what is undone, and what comes through."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from offline.images import build
from tests.e2e.backup_settings import backup_to
from tests.e2e.harness import ROOT, state_environment
from tests.e2e.objects import picture, stow
from tools import preflight
from tools.container_exec import run as run_in
from tools.dicomweb import sign_in, stack_outputs
from tools.keycloak_console import console

pytestmark = pytest.mark.skipif("OHIF_IMAGES" not in state_environment(), reason="the old images are built here")

NAME = "e2e-upgrade"
USER = {
    "username": "curie",
    "enabled": True,
    "credentials": [{"type": "password", "value": "radium-88-226-1898", "temporary": False}],
}
"""Somebody whom the configuration does not name."""


@dataclass(frozen=True, kw_only=True)
class OldStack:
    """A stack that began with PostgreSQL 16."""

    folder: Path
    engine: docker.DockerClient
    postgres: str
    study: str
    sha256: str
    """Of the study's only instance, as it was read."""

    def run(self, module: str, *arguments: str, images: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """A tool, with these images in the configuration."""
        return run(self.folder, module, *arguments, images=images)

    def image_ids(self) -> dict[str, str]:
        return {name: str(it.attrs["Image"]) for name, it in preflight.by_alias(self.engine, NAME).items()}

    def major(self, database: str) -> str:
        """Of the database that runs, with the path of one that is kept aside."""
        script = "cat $PGDATA/PG_VERSION; ls -d $PGDATA.former 2>/dev/null"
        return run_in(self.engine.containers.get(f"ohif-{NAME}-{database}"), ["sh", "-c", script]).output.strip()

    def is_whole(self) -> bool:
        """Whether the study's bytes and the users are what they were."""
        outputs = stack_outputs(NAME, state_environment())
        with closing(sign_in(outputs.base_url, "curie", "radium-88-226-1898")):
            pass
        with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
            return digest_of(session, self.study) == self.sha256


def run(folder: Path, module: str, *arguments: str, images: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    users = [{"name": "pacsadmin", "roles": ["pacsadmin"]}]
    backup = backup_to(str(folder / "repository"))
    settings = {"port": 8490, "users": users, "protectData": False, "backup": backup, "images": dict(images)}
    config = folder / f"Pulumi.{NAME}.yaml"
    config.write_text(yaml.safe_dump({"config": {f"ohif:{key}": value for key, value in settings.items()}}))
    return subprocess.run(
        ["python3", "-um", f"tools.{module}", *arguments, "--stack", NAME, "--config-file", str(config)],
        cwd=ROOT, env={**state_environment(), "YES": "1"}, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def digest_of(session: httpx.Client, study: str) -> str:
    (found,) = [it for it in session.post("/pacs-admin/tools/lookup", content=study).json() if it["Type"] == "Study"]
    (instance,) = session.get(f"/pacs-admin{found['Path']}/instances").json()
    return hashlib.sha256(session.get(f"/pacs-admin/instances/{instance['ID']}/file").content).hexdigest()


@pytest.fixture(scope="module")
def old(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldStack]:
    folder = tmp_path_factory.mktemp("upgrade")
    (folder / "repository").mkdir()
    postgres = build.ensure_for_tests("upgrade")["postgres-16"]
    images = {"postgres": postgres}
    try:
        up = run(folder, "stack", "up", images=images)
        assert up.returncode == 0, up.stdout
        outputs = stack_outputs(NAME, state_environment())
        admin = console(outputs.base_url, outputs.credentials["admin"])
        admin.assign_realm_roles(admin.create_user(USER), [admin.get_realm_role("viewer")])
        made = picture()
        with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
            assert stow(session, made).status_code == 200
            study = str(made.StudyInstanceUID)
            yield OldStack(
                folder=folder, engine=engine, postgres=postgres, study=study, sha256=digest_of(session, study)
            )
    finally:
        if os.environ.get("KEEP") != "1":
            run(folder, "stack", "destroy", images=images)


@pytest.fixture(scope="module")
def broken_viewer(engine: docker.DockerClient) -> Iterator[str]:
    """An image that is healthy, and shows nothing."""
    viewer = build.name_of("viewer")
    text = f"FROM {viewer}\nRUN rm /usr/share/nginx/html/index.html\n"
    image, _ = engine.images.build(fileobj=io.BytesIO(text.encode()), tag="ohif-test/viewer:99.0.0")
    yield "ohif-test/viewer:99.0.0"
    engine.images.remove(str(image.id), force=True)


def test_another_version_of_the_databases_is_left_to_the_upgrade(old: OldStack) -> None:
    before = old.image_ids()
    done = old.run("stack", "up", images={})
    assert done.returncode == 1
    assert "ohif:images.postgres: the databases are of PostgreSQL 16" in done.stdout
    assert "make upgrade" in done.stdout
    assert old.image_ids() == before


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ({"orthanc": "orthanc:1.12.3"}, "SNAPSHOT"),
        ({"gateway": "nginx:1.30.99"}, "nginx:1.30.99"),
        ({"keycloak": "keycloak:26.7.1"}, "CVE-2026-18963|SNAPSHOT"),
    ],
    ids=["older", "missing", "older and known to be bad"],
)
def test_what_cannot_be_is_refused_before_anything_is_changed(old: OldStack, images: dict[str, str], says: str) -> None:
    before = old.image_ids()
    done = old.run("upgrade", images={"postgres": old.postgres, **images})
    assert done.returncode == 1
    assert any(it in done.stdout for it in says.split("|")), done.stdout
    assert old.image_ids() == before


def test_an_upgrade_that_does_not_work_is_undone(old: OldStack, broken_viewer: str) -> None:
    before = old.image_ids()
    done = old.run("upgrade", images={"viewer": broken_viewer})
    assert done.returncode == 1
    assert "16.15.0 -> 17" in done.stdout
    assert "FAILED" in done.stdout or "/ohif-viewer/ answers" in done.stdout, done.stdout
    assert "undone" in done.stdout
    assert old.image_ids() == before
    assert [old.major(it) for it in ("keycloak-db", "orthanc-db")] == ["16", "16"]
    assert old.is_whole()


def test_postgresql_16_becomes_17_and_all_is_there(old: OldStack) -> None:
    done = old.run("upgrade", images={})
    assert done.returncode == 0, done.stdout
    assert [old.major(it) for it in ("keycloak-db", "orthanc-db")] == ["17", "17"]
    assert old.is_whole()
    again = old.run("stack", "up", images={})
    assert "nothing changed" in again.stdout, again.stdout
    assert "has the images of its configuration" in old.run("upgrade", images={}).stdout
