"""Other versions on data that are there: what is refused, what is undone, and what comes through."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from advisories import ADVISORIES
from bench.meanwhile import Over, meanwhile
from offline.images import build
from tests.certificates import signed
from tests.e2e.backup_settings import backup_to
from tests.e2e.database_server import Elsewhere, database_server
from tests.e2e.harness import state_environment
from tests.e2e.modality import Modality
from tests.e2e.objects import picture, stow
from tests.e2e.side_stack import run_tool
from tools import debian_tools, preflight
from tools.container_exec import run as run_in
from tools.dicomweb import sign_in, stack_outputs
from tools.keycloak_console import console

pytestmark = pytest.mark.skipif("OHIF_IMAGES" not in state_environment(), reason="the old images are built here")

NAME = "e2e-upgrade"
SERVER_PORT = 8491
DICOM_PORT = 8492
BACKUP = backup_to("")
PASSWORD = "radium-88-226-1898"
USER = {
    "username": "curie",
    "enabled": True,
    "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
}
"""Somebody whom the configuration does not name."""


@dataclass(frozen=True, kw_only=True)
class OldStack:
    """A stack that began with PostgreSQL 16 and oauth2-proxy 7.6."""

    folder: Path
    engine: docker.DockerClient
    images: Mapping[str, object]
    """By key, those that are old."""
    study: str
    sha256: str
    """Of the study's only instance, as it was read."""

    def run(
        self, module: str, *arguments: str, images: Mapping[str, object], **settings: object
    ) -> subprocess.CompletedProcess[str]:
        """A tool, with these images and settings in the configuration."""
        return run(self.folder, module, *arguments, images=images, **settings)

    def image_ids(self) -> dict[str, str]:
        return {name: str(it.attrs["Image"]) for name, it in preflight.by_alias(self.engine, NAME).items()}

    def major(self, database: str) -> str:
        """Of the database that runs, with the path of one that is kept aside."""
        script = "cat $PGDATA/PG_VERSION; ls -d $PGDATA.former 2>/dev/null"
        return run_in(self.engine.containers.get(f"ohif-{NAME}-{database}"), ["sh", "-c", script]).output.strip()

    def is_whole(self) -> bool:
        """Whether the study's bytes and the users are what they were."""
        outputs = stack_outputs(NAME, state_environment())
        with closing(sign_in(outputs.base_url, "curie", PASSWORD)):
            pass
        with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
            return digest_of(session, self.study) == self.sha256


@contextmanager
def ingest(old: OldStack) -> Iterator[None]:
    """A modality sends all the time. In the end, whatever was acknowledged is there."""
    modality = Modality(calling="MODALITY", called="ORTHANC", port=DICOM_PORT)
    acknowledged = []

    def work(over: Over) -> None:
        file = old.folder / "sent.dcm"
        while not over():
            made = picture()
            made.save_as(file, enforce_file_format=True)
            if modality.stores(file):
                acknowledged.append(str(made.StudyInstanceUID))
            time.sleep(0.3)

    with meanwhile(work):
        yield
    outputs = stack_outputs(NAME, state_environment())
    with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
        found = {it["0020000D"]["Value"][0] for it in session.get("/pacs/studies?limit=1000").json()}
    assert len(acknowledged) > 10
    assert not set(acknowledged) - found


def run(
    folder: Path, module: str, *arguments: str, images: Mapping[str, object], **more: object
) -> subprocess.CompletedProcess[str]:
    users = [{"name": "pacsadmin", "roles": ["pacsadmin"]}]
    backup = {**BACKUP, "repository": str(folder / "repository")}
    # What comes from this machine comes by the address of a bridge.
    dicom = {"enabled": True, "port": DICOM_PORT, "callers": ["MODALITY"], "networks": ["172.16.0.0/12"]}
    settings = {"port": 8490, "users": users, "protectData": False, "backup": backup, "images": dict(images)}
    settings["dicom"] = dicom
    settings |= more
    return run_tool(NAME, folder, settings, module, *arguments)


def digest_of(session: httpx.Client, study: str) -> str:
    (found,) = [it for it in session.post("/pacs-admin/tools/lookup", content=study).json() if it["Type"] == "Study"]
    (instance,) = session.get(f"/pacs-admin{found['Path']}/instances").json()
    return hashlib.sha256(session.get(f"/pacs-admin/instances/{instance['ID']}/file").content).hexdigest()


def accepted(key: str, name: str) -> dict[str, Any]:
    """An entry of `ohif:images`, whatever is known against the image."""
    return {"name": name, "accept": [it.identifier for it in ADVISORIES if it.image == key and it.concerns(name)]}


@pytest.fixture(scope="module")
def old(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldStack]:
    debian_tools.ensure("dcmtk")
    folder = tmp_path_factory.mktemp("upgrade")
    (folder / "repository").mkdir()
    built = build.ensure_for_tests("upgrade")
    named = {"postgres": "postgres-16", "auth-proxy": "auth-proxy-7.6"}
    images = {key: accepted(key, built[image]) for key, image in named.items()}
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
            yield OldStack(folder=folder, engine=engine, images=images, study=study, sha256=digest_of(session, study))
    finally:
        if os.environ.get("KEEP") != "1":
            run(folder, "stack", "destroy", images=images)
            for volume in preflight.find(engine, NAME).volumes:
                volume.remove()


@pytest.fixture(scope="module")
def broken_viewer(engine: docker.DockerClient) -> Iterator[str]:
    """An image that is healthy, and shows nothing."""
    viewer = build.name_of("viewer")
    text = f"FROM {viewer}\nUSER 0\nRUN rm /usr/share/nginx/html/index.html\n"
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


def test_an_older_version_of_what_wrote_the_data_is_left_to_the_upgrade(old: OldStack) -> None:
    before = old.image_ids()
    old.engine.images.get(before["orthanc"]).tag("ohif-test/orthanc", "1.12.9")
    try:
        done = old.run("stack", "up", images={**old.images, "orthanc": "ohif-test/orthanc:1.12.9"})
    finally:
        old.engine.images.remove("ohif-test/orthanc:1.12.9")
    assert done.returncode == 1
    assert "ohif:images.orthanc: 1.13.0 has written the data, which 1.12.9 may not read" in done.stdout, done.stdout
    assert old.image_ids() == before


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ({"orthanc": "orthanc:1.12.9"}, "SNAPSHOT"),
        ({"gateway": "nginx:1.30.99"}, "nginx:1.30.99"),
        ({"keycloak": "keycloak:26.7.1"}, "CVE-2026-18963|SNAPSHOT"),
    ],
    ids=["older", "missing", "older and known to be bad"],
)
def test_what_cannot_be_is_refused_before_anything_is_changed(old: OldStack, images: dict[str, str], says: str) -> None:
    before = old.image_ids()
    done = old.run("upgrade", images={**old.images, **images})
    assert done.returncode == 1
    assert any(it in done.stdout for it in says.split("|")), done.stdout
    assert old.image_ids() == before


def test_an_upgrade_that_does_not_work_is_undone(old: OldStack, broken_viewer: str, tmp_path: Path) -> None:
    """With files that were to move elsewhere."""
    before = old.image_ids()
    done = old.run("upgrade", images={"viewer": broken_viewer}, files={"path": str(tmp_path)})
    assert done.returncode == 1
    assert "16.15.0 -> 17" in done.stdout
    assert "FAILED" in done.stdout or "/ohif-viewer/ answers" in done.stdout, done.stdout
    assert "undone" in done.stdout
    assert old.image_ids() == before
    assert [old.major(it) for it in ("keycloak-db", "orthanc-db")] == ["16", "16"]
    assert any(it.is_file() for it in tmp_path.rglob("*")), "nothing had moved"
    assert old.is_whole()
    assert f"ohif-{NAME}-files" not in {it.name for it in preflight.find(old.engine, NAME).volumes}


def test_older_versions_become_those_of_today_and_all_is_there(old: OldStack) -> None:
    origin = stack_outputs(NAME, state_environment()).base_url
    with closing(sign_in(origin, "curie", PASSWORD)) as session:
        with ingest(old):
            done = old.run("upgrade", images={})
        assert done.returncode == 0, done.stdout
        # What the older oauth2-proxy has stored is a session for the newer one.
        assert session.get("/pacs/studies?limit=1").status_code == 200
    assert [old.major(it) for it in ("keycloak-db", "orthanc-db")] == ["17", "17"]
    assert old.is_whole()
    again = old.run("stack", "up", images={})
    assert "nothing changed" in again.stdout, again.stdout
    assert "has the images of its configuration" in old.run("upgrade", images={}).stdout


@pytest.fixture(scope="module")
def elsewhere(
    engine: docker.DockerClient, old: OldStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elsewhere]:
    # This machine's address on a network from which containers reach out.
    address = engine.networks.get(f"ohif-{NAME}-edge").attrs["IPAM"]["Config"][0]["Gateway"]
    with database_server(engine, tmp_path_factory.mktemp("server"), address, SERVER_PORT) as server:
        yield server


def test_a_server_that_cannot_be_used_is_refused_before_anything_is_changed(
    old: OldStack, elsewhere: Elsewhere
) -> None:
    before = old.image_ids()
    assert "make upgrade` moves them" in old.run("stack", "up", images={}, database=elsewhere.settings).stdout
    wrong_password = {**elsewhere.settings, "archive": {**elsewhere.settings["archive"], "password": "wrong"}}
    other_authority = {**elsewhere.settings, "caCertificate": signed("somebody").pem}
    for settings, says in ((wrong_password, "password authentication failed"), (other_authority, "certificate verify")):
        done = old.run("upgrade", images={}, database=settings)
        assert done.returncode == 1
        assert says in done.stdout
    elsewhere.sql("ALTER ROLE archive NOCREATEDB")
    assert "may not make databases" in old.run("upgrade", images={}, database=elsewhere.settings).stdout
    elsewhere.sql("ALTER ROLE archive CREATEDB", '\\c "ohif-archive"', "CREATE TABLE of_others (it text)")
    assert "has 1 tables already" in old.run("upgrade", images={}, database=elsewhere.settings).stdout
    elsewhere.sql('\\c "ohif-archive"', "DROP TABLE of_others")
    assert old.image_ids() == before


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the engine's machine, as on a shared disk."""
    return tmp_path_factory.mktemp("disk")


def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_changed(old: OldStack, disk: Path) -> None:
    before = old.image_ids()
    assert "make upgrade` moves them" in old.run("stack", "up", images={}, files={"path": str(disk)}).stdout
    assert "is no folder of the engine's machine" in old.run("upgrade", images={}, files={"path": f"{disk}/no"}).stdout
    (disk / "of-others").write_text("it")
    assert "holds something already (of-others)" in old.run("upgrade", images={}, files={"path": str(disk)}).stdout
    (disk / "of-others").unlink()
    assert old.image_ids() == before


def test_databases_and_files_move_elsewhere(old: OldStack, elsewhere: Elsewhere, disk: Path) -> None:
    places: dict[str, Any] = {"database": elsewhere.settings, "files": {"path": str(disk)}}
    with ingest(old):
        done = old.run("upgrade", images={}, **places)
    assert done.returncode == 0, done.stdout
    assert old.is_whole()
    assert not {"keycloak-db", "orthanc-db"} & set(old.image_ids())
    assert old.sha256 in {hashlib.sha256(it.read_bytes()).hexdigest() for it in disk.rglob("*") if it.is_file()}
    encrypted = elsewhere.sql(
        "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename <> 'postgres'"
    )
    assert sorted(encrypted.split()) == ["archive|t", "keycloak|t"]
    assert "nothing changed" in old.run("stack", "up", images={}, **places).stdout
    for key in places:
        without = {name: value for name, value in places.items() if name != key}
        refused = old.run("stack", "up", images={}, **without).stdout
        assert f"ohif:{key}" in refused
        assert "Set it back" in refused
    # The former ones are still there, and say so.
    for volume in ("keycloak-db", "orthanc-db", "orthanc"):
        assert re.search(rf"docker volume rm .*ohif-{NAME}-{volume}\b", done.stdout)


def test_a_drill_leaves_the_other_places_alone(old: OldStack, elsewhere: Elsewhere, disk: Path) -> None:
    """Its own data are on this machine: those of the running stack would otherwise be replaced by the backup's."""
    places: dict[str, Any] = {"database": elsewhere.settings, "files": {"path": str(disk)}}
    databases = "SELECT oid, datname FROM pg_database ORDER BY oid"
    assert old.run("backup", "now", images={}, **places).returncode == 0
    before = elsewhere.sql(databases), sorted(disk.rglob("*"))
    done = old.run("restore_drill", images={}, **places)
    assert done.returncode == 0, done.stdout
    assert re.search("[0-9]{2,} studies, [0-9]{2,} instances", done.stdout)
    assert (elsewhere.sql(databases), sorted(disk.rglob("*"))) == before
    assert old.is_whole()
