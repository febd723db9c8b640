"""Uploads of any size go straight through; those of people who may not store are refused before they are read."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.uid import UID, MultiFrameGrayscaleWordSecondaryCaptureImageStorage, generate_uid

from settings import ArchiveKind
from tests.e2e.archive import API
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, CONFIG, Stack
from tests.e2e.objects import file_of, picture
from tests.e2e.raw_http import connect
from tools import sample

MIB = 1024 * 1024
SIZE = int(os.environ.get("UPLOAD_MIB", "2048")) * MIB
INSTANCE = 8 * MIB
LONGEST_LISTENING = 8
"""Seconds for which a refused body may still be taken, to be thrown away."""
BOUNDARY = "an-upload-of-a-test"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


class Upload:
    """One STOW-RS request with many large instances, made as it is sent: nowhere as a whole."""

    def __init__(self, size: int) -> None:
        large = sample.instance(0)
        large.StudyInstanceUID, large.SeriesInstanceUID = generate_uid(), generate_uid()
        # Of one length, so that one instance becomes the next by writing over its name.
        self.study = str(large.StudyInstanceUID)
        self.names = [UID(f"2.25.{10**37 + number}") for number in range(size // INSTANCE)]
        large.SOPInstanceUID = large.file_meta.MediaStorageSOPInstanceUID = self.names[0]
        large.Rows = large.Columns = 2048
        large.PixelData = bytes(INSTANCE)
        file = BytesIO()
        large.save_as(file, enforce_file_format=True)
        self.template = file.getvalue()

    def __iter__(self) -> Iterator[bytes]:
        for name in self.names:
            yield f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            yield self.template.replace(self.names[0].encode(), name.encode())
            yield b"\r\n"
        yield f"--{BOUNDARY}--\r\n".encode()


class MemoryOf:
    """The most memory that a container holds while something goes on, sampled each half second."""

    def __init__(self, stack: Stack, thing: str) -> None:
        self._container = stack.container(thing)
        self._over = threading.Event()
        self.before = self.most = self._now()

    def _now(self) -> int:
        statistics = self._container.stats(stream=False)
        assert isinstance(statistics, dict)
        return int(statistics["memory_stats"]["usage"])

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.most = max(self.most, self._now())

    def __enter__(self) -> MemoryOf:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_known_problem_07_two_gib_stream_through_and_the_gateway_stays_small(stack: Stack, session: Sessions) -> None:
    upload, pacsadmin = Upload(SIZE), session("pacsadmin")
    started = time.monotonic()
    with MemoryOf(stack, "gateway") as gateway:
        answer = pacsadmin.post(
            "/pacs/studies",
            content=iter(upload),
            headers={"Content-Type": CONTENT_TYPE, "Accept": "application/dicom+json"},
            timeout=600,
        )
    seconds = time.monotonic() - started
    try:
        assert answer.status_code == 200, answer.text[:500]
        instances = pacsadmin.get(f"/pacs/studies/{upload.study}/instances", params={"limit": len(upload.names) + 1})
        assert len(instances.json()) == len(upload.names)
        print(
            f"\n{SIZE // MIB} MiB in {seconds:.0f} s ({SIZE / MIB / seconds:.0f} MiB/s); "
            f"gateway {gateway.before / MIB:.0f} MiB before, {gateway.most / MIB:.0f} MiB at most"
        )
        assert gateway.most - gateway.before < 32 * MIB
    finally:
        remove(session, upload.study)


FRAMES, FRAME = 300, 2_000_000


def large_object() -> tuple[Dataset, bytes]:
    """A multi-frame object of 600 MB: its attributes, and its file up to the pixel data."""
    made = picture()
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    made.NumberOfFrames, made.Rows, made.Columns = FRAMES, 1000, 1000
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    del made.PixelData
    return made, file_of(made) + b"\xe0\x7f\x10\x00OW\x00\x00" + (FRAMES * FRAME).to_bytes(4, "little")


def frame(number: int) -> bytes:
    return number.to_bytes(2, "little") * (FRAME // 2)


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the memory is Orthanc's")
def test_an_object_of_600_mb_is_stored_and_read_with_the_default_memory(stack: Stack, session: Sessions) -> None:
    assert "ohif:archiveMemory" not in CONFIG
    before = stack.container("orthanc").attrs["State"]["StartedAt"]
    pacsadmin, (made, head) = session("pacsadmin"), large_object()

    def body() -> Iterator[bytes]:
        yield f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + head
        for number in range(1, FRAMES + 1):
            yield frame(number)
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    try:
        answer = pacsadmin.post(
            "/pacs/studies",
            content=body(),
            headers={"Content-Type": CONTENT_TYPE, "Accept": "application/dicom+json"},
            timeout=600,
        )
        assert answer.status_code == 200, answer.text[:500]
        instance = (
            f"/pacs/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
        )
        for number in (1, FRAMES):
            answer = pacsadmin.get(f"{instance}/frames/{number}", timeout=60)
            assert answer.status_code == 200
            assert frame(number) in answer.content
        assert stack.container("orthanc").attrs["State"]["StartedAt"] == before
    finally:
        remove(session, str(made.StudyInstanceUID))


def remove(session: Sessions, study: str) -> None:
    """Take the study away again, by the archive's own API."""
    found = session("pacsadmin").post(
        f"{API}/tools/find", json={"Level": "Study", "Query": {"StudyInstanceUID": study}}
    )
    for name in found.json():
        assert session("pacsadmin").delete(f"{API}/studies/{name}", timeout=120).status_code == 200


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("viewer", 403)])
def test_an_upload_that_is_not_allowed_is_refused_unread(
    stack: Stack, session: Sessions, user: str | None, status: int
) -> None:
    cookies = "" if user is None else "; ".join(f"{name}={value}" for name, value in session(user).cookies.items())
    head = (
        f"POST /pacs/studies HTTP/1.1\r\nHost: {stack.url.removeprefix('http://')}\r\nCookie: {cookies}\r\n"
        f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    started = time.monotonic()
    with connect(stack.url, 10) as connection:
        connection.sendall(head.encode())
        answer, sent = answered_while_sending(connection)
        seconds = time.monotonic() - started
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert seconds < 3
        # What lies in the buffers of sockets on the way is all that was taken.
        assert sent < 32 * MIB
        print(f"\n{status} after {1000 * seconds:.0f} ms with {sent / MIB:.1f} MiB taken", end="")
        print(f"; who goes on is cut off after {cut_off(connection):.1f} s", end="")


def answered_while_sending(connection: socket.socket) -> tuple[bytes, int]:
    """Sends zeros until an answer comes; the answer's beginning, and the bytes that the other side took."""
    connection.setblocking(False)
    sent, deadline = 0, time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            answer = connection.recv(4096)
        except BlockingIOError:
            answer = b""
        if answer:
            return answer, sent
        try:
            sent += connection.send(bytes(64 * 1024))
        except BlockingIOError:
            time.sleep(0.01)
    raise AssertionError(f"no answer after {sent} bytes")


def cut_off(connection: socket.socket) -> float:
    """Goes on sending, not too fast; the seconds until the other side has had enough."""
    connection.setblocking(True)
    started = time.monotonic()
    while time.monotonic() - started < LONGEST_LISTENING:
        try:
            connection.sendall(bytes(64 * 1024))
        except (ConnectionResetError, BrokenPipeError):
            return time.monotonic() - started
        time.sleep(0.01)
    raise AssertionError(f"still listened to after {LONGEST_LISTENING} s")
