"""Orthanc's files in a bucket of a real S3 server, its index on a database server: nothing lasts on the machine."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from tests.certificates import signed
from tests.e2e.database_server import database_server
from tests.e2e.harness import state_environment, wait_until
from tests.e2e.objects import file_of, picture, stow
from tests.e2e.s3_server import S3Server, stopped_s3_server
from tests.e2e.side_stack import run_tool
from tools import preflight
from tools.dicomweb import sign_in, stack_outputs

pytestmark = pytest.mark.skipif("OHIF_IMAGES" not in state_environment(), reason="uses an image that is built here")

NAME = "e2e-bucket"
PORT, DATABASE_PORT = 8496, 8497
BUCKET = "pacs"


@dataclass(frozen=True, kw_only=True)
class BucketStack:
    """A stack without data of its own."""

    folder: Path
    store: S3Server
    running: ExitStack
    """Ends the store, which is there until then."""
    settings: dict[str, Any]

    def run(self, module: str, *arguments: str, **files: object) -> subprocess.CompletedProcess[str]:
        """A tool, with these changes to the setting of the bucket."""
        settings = {**self.settings, "files": {**self.settings["files"], **files}}
        return run_tool(NAME, self.folder, settings, module, *arguments)

    def objects(self) -> dict[str, bytes]:
        """What is in the bucket, by name."""
        found = (self.store.folder / BUCKET).iterdir()
        return {it.name: it.read_bytes() for it in found if it.is_file()}

    def session(self) -> httpx.Client:
        """Of a user who may do everything."""
        outputs = stack_outputs(NAME, state_environment())
        return sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])


@pytest.fixture(scope="module")
def there(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketStack]:
    """Not up yet."""
    # This machine's address on the engine's own network.
    network = ipaddress.ip_network(engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"])
    address = str(next(network.hosts()))
    folder = tmp_path_factory.mktemp("bucket")
    with (
        database_server(engine, tmp_path_factory.mktemp("server"), address, DATABASE_PORT) as database,
        ExitStack() as running,
    ):
        store = stopped_s3_server(folder, address)
        running.enter_context(store.running())
        (store.folder / BUCKET).mkdir()
        files = {
            "bucket": f"https://{store.address}/{BUCKET}",
            "region": store.region,
            "accessKey": store.access_key,
            "secretKey": store.secret_key,
            "caCertificate": store.authority,
        }
        settings = {"port": PORT, "protectData": False, "database": database.settings, "files": files}
        settings["users"] = [{"name": "pacsadmin", "roles": ["pacsadmin"]}]
        made = BucketStack(folder=folder, store=store, running=running, settings=settings)
        try:
            yield made
        finally:
            if os.environ.get("KEEP") != "1":
                made.run("stack", "destroy")


@pytest.fixture(scope="module")
def up(there: BucketStack) -> BucketStack:
    done = there.run("stack", "up")
    assert done.returncode == 0, done.stdout
    return there


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"secretKey": "not-the-key-of-this-server"}, "(?i)access ?denied|signature"),
        ({"bucket": "of-nobody"}, "has no bucket of-nobody"),
        ({"caCertificate": signed("somebody").pem}, "certificate verify failed"),
    ],
    ids=["key", "bucket", "authority"],
)
def test_a_store_that_cannot_be_used_is_refused_before_anything_is_made(
    there: BucketStack, engine: docker.DockerClient, changed: dict[str, str], says: str
) -> None:
    if "bucket" in changed:
        changed = {"bucket": f"https://{there.store.address}/{changed['bucket']}"}
    done = there.run("stack", "up", **changed)
    assert done.returncode == 1
    assert "ohif:files.bucket" in done.stdout, done.stdout
    (line,) = [it for it in done.stdout.splitlines() if "ohif:files.bucket" in it]
    assert re.search(says, line), line
    assert not preflight.find(engine, NAME).any


def test_an_object_is_in_the_bucket_and_goes_with_its_instance(up: BucketStack, engine: docker.DockerClient) -> None:
    made = picture()
    with closing(up.session()) as session:
        assert stow(session, made).status_code == 200
        (name,) = [name for name, content in up.objects().items() if content == file_of(made)]
        assert name.endswith(".dcm")
        # Nothing of it is in Orthanc's memory then.
        engine.containers.get(f"ohif-{NAME}-orthanc").restart()
        # Reads wait until it answers.
        assert session.get("/pacs/studies").status_code == 200
        answer = session.get(f"/pacs-admin/instances/{instance_of(session, made.SOPInstanceUID)}/file")
        assert hashlib.sha256(answer.content).digest() == hashlib.sha256(file_of(made)).digest()
        frame = session.get(
            f"/pacs/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}"
            f"/instances/{made.SOPInstanceUID}/frames/1"
        )
        assert frame.status_code == 200
        instance = instance_of(session, made.SOPInstanceUID)
        assert session.delete(f"/pacs-admin/instances/{instance}").is_success
    assert name not in up.objects()


def instance_of(session: httpx.Client, uid: str) -> str:
    """Orthanc's own identifier of an instance."""
    (found,) = session.post("/pacs-admin/tools/lookup", content=str(uid)).json()
    identifier: str = found["ID"]
    return identifier


def test_a_store_that_is_away_refuses_and_is_used_again(up: BucketStack) -> None:
    with closing(up.session()) as session:
        up.running.close()
        try:
            refused = stow(session, picture())
        finally:
            up.running.enter_context(up.store.running())
        assert refused.status_code >= 400
        wait_until(lambda: stow(session, picture()).status_code == 200, "store", 60)
        studies = session.get("/pacs/studies?limit=100").json()
    # What was refused left no entry without an object.
    assert len(studies) == len([it for it in up.objects() if it.endswith(".dcm")])


def test_nothing_changes_when_nothing_was_changed_and_the_place_is_for_good(up: BucketStack) -> None:
    assert "nothing changed" in up.run("stack", "up").stdout
    (up.store.folder / "other").mkdir()
    said = up.run("stack", "up", bucket=f"https://{up.store.address}/other").stdout
    assert "ohif:files: the archive's files are in" in said
    assert "Set it back" in said
    assert up.run("stack", "destroy").returncode == 0
    assert up.objects(), "the files are the store's"
