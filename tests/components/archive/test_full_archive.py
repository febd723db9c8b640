"""Orthanc itself at its limit: a store is refused with a clear status, nothing is deleted, and reading goes on."""

import base64
import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from pydicom.uid import generate_uid

from components.archive import orthanc_config
from tests.components.archive.test_orthanc import ORTHANC
from tests.components.gateway.real_nginx import engine, image, put
from tools import sample

pytestmark = pytest.mark.engine
START_SECONDS = 60
BOUNDARY = "part-of-a-test"
STOW = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def file() -> str:
    """The program's own, with a limit of 1 MB (a slice of the sample has half of it), without PostgreSQL."""
    settings = json.loads(orthanc_config.render(replace(ORTHANC, password="pw", maximum_mb=1)))
    settings["PostgreSQL"]["EnableIndex"] = False
    return json.dumps(settings)


def scripts() -> dict[str, str]:
    """The program's scripts, by their paths in the container."""
    assets = Path(__file__).resolve().parents[3] / "assets" / "archive" / "orthanc"
    paths = (orthanc_config.IDENTITY_SCRIPT, *orthanc_config.PYTHON_SCRIPTS)
    return {path: (assets / Path(path).name).read_text() for path in paths}


class Archive:
    """Orthanc's HTTP."""

    def __init__(self, container: Container) -> None:
        container.reload()
        self.address = container.attrs["NetworkSettings"]["IPAddress"]

    def answer(self, method: str, path: str, body: bytes = b"", kind: str = "application/dicom") -> tuple[int, bytes]:
        credential = base64.b64encode(b"gateway:pw").decode()
        connection = HTTPConnection(self.address, orthanc_config.PORT, timeout=20)
        headers = {"Authorization": f"Basic {credential}", "Content-Type": kind, "Accept": "application/dicom+json"}
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def studies(self) -> int:
        status, body = self.answer("GET", "/dicom-web/studies")
        assert status == 200
        return len(json.loads(body))


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with engine() as found:
        yield found


@pytest.fixture(scope="module")
def archive(client: docker.DockerClient) -> Iterator[Archive]:
    try:
        container = client.containers.create(
            image("orthanc"), user="orthanc", environment={"GENERATE_HOST_ID_IF_MISSING": "false"}
        )
    except docker.errors.ImageNotFound:
        pytest.skip(f"image {image('orthanc')} is not on this machine: make up gets it")
    try:
        put(container, {"/etc/orthanc/orthanc.json": file(), **scripts()})
        container.start()
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                Archive(container).studies()
                break
            except OSError:
                assert time.monotonic() < until, container.logs().decode()
                time.sleep(0.3)
        yield Archive(container)
    finally:
        container.remove(force=True, v=True)


def instance() -> bytes:
    """A slice of a patient of its own: the first that would go if something were deleted."""
    made = sample.instance(0)
    made.PatientID = made.StudyInstanceUID = generate_uid()
    made.SeriesInstanceUID = generate_uid()
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()


def part(data: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n"
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_a_full_archive_refuses_and_stays_readable(archive: Archive) -> None:
    assert archive.answer("POST", "/dicom-web/studies", part(instance()), STOW)[0] == 200
    assert archive.studies() == 1
    status, body = archive.answer("POST", "/dicom-web/studies", part(instance()), STOW)
    assert status == 400
    # PS3.18, table I.2-2: "refused: out of resources".
    assert str(0xA700) in body.decode()
    status, body = archive.answer("POST", "/instances", instance())
    assert (status, json.loads(body)["Message"]) == (507, "The file storage is full")
    assert archive.studies() == 1
