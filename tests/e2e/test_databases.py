"""A restart of a database under running requests: reads wait, sign-ins work, no store is acknowledged and lost.

Pools of connections notice late that their connections are gone (docs/adr/0016).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice

import httpx
import pytest
from pydicom.uid import generate_uid

from settings import ArchiveKind
from tests.e2e import archive
from tests.e2e.harness import ARCHIVE, Stack, wait_until
from tools import sample
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in, store

INDEX = {ArchiveKind.ORTHANC: "orthanc-db", ArchiveKind.DCM4CHEE: "dcm4chee-db"}[ARCHIVE]
BEFORE, READS, STORES = 1.5, 60, 10
"""Seconds of requests before the restart, and how many there have to be after it."""
READERS = 4
CONNECTIONS = 25
"""More than the archive's pool has."""


def reads() -> dict[str, dict[str, str]]:
    """Requests for the sample, as the viewer makes them, with their headers."""
    study, series, instance = (str(uid) for uid in (sample.study_uid(), sample.uid("series", sample.SLICES), _first()))
    root = f"/pacs/studies/{study}"
    return {
        f"/pacs/studies?StudyInstanceUID={study}": {},
        f"{root}/series": {},
        f"{root}/series/{series}/metadata": {},
        f"{root}/series/{series}/instances/{instance}/metadata": {},
        f"{root}/series/{series}/instances/{instance}/frames/1": {
            "Accept": 'multipart/related; type="application/octet-stream"'
        },
    }


def _first() -> str:
    return str(sample.uid("instance", sample.SLICES, 0))


def small_instances(study: str) -> Iterator[tuple[str, bytes]]:
    """UIDs and files of small instances of a study, without end."""
    made = sample.instance(0)
    made.Rows = made.Columns = 16
    made.PixelData = bytes(512)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.PatientID = study, generate_uid(), "RESTART"
    while True:
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        file = BytesIO()
        made.save_as(file, enforce_file_format=True)
        yield str(made.SOPInstanceUID), file.getvalue()


@dataclass
class Traffic:
    """What was answered."""

    wrong: list[str] = field(default_factory=list)
    good: int = 0
    slowest: float = 0
    acknowledged: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def go_on(self, stores: int = 0) -> None:
        """Waits until there were enough requests since now."""
        reads, acknowledged = self.good + READS, len(self.acknowledged) + stores
        wait_until(lambda: self.good >= reads and len(self.acknowledged) >= acknowledged, "further traffic", 180)


def _said(answer: httpx.Response) -> bytes:
    """The answer without the boundary, which is another each time."""
    boundary = answer.headers.get("content-type", "").partition("boundary=")[2].strip('"')
    return answer.content.replace(boundary.encode(), b"") if boundary else answer.content


@contextmanager
def reading(stack: Stack, outputs: StackOutputs, traffic: Traffic) -> Iterator[None]:
    """Readers that go on all the while; each answer must be the first one again."""
    over = threading.Event()
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as first:
        expected: dict[str, bytes] = {}
        for path, headers in reads().items():
            answer = first.get(path, headers=headers)
            assert answer.status_code == 200, path
            expected[path] = _said(answer)
        cookies = {cookie.name: cookie.value or "" for cookie in first.cookies.jar}

        def read() -> None:
            with httpx.Client(base_url=stack.url, cookies=cookies, timeout=60) as session:
                while not over.is_set():
                    for path, headers in reads().items():
                        started = time.monotonic()
                        try:
                            answer = session.get(path, headers=headers)
                            same = answer.status_code == 200 and _said(answer) == expected[path]
                            result = f"{answer.status_code} {_said(answer)[:60]!r}"
                        except httpx.HTTPError as error:
                            same, result = False, repr(error)
                        traffic.slowest = max(traffic.slowest, time.monotonic() - started)
                        if same:
                            traffic.good += 1
                        else:
                            traffic.wrong.append(f"{result} {path}")

        threads = [threading.Thread(target=read) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@contextmanager
def storing(stack: Stack, outputs: StackOutputs, traffic: Traffic, study: str) -> Iterator[None]:
    """One instance after the other, each with a name of its own."""
    over = threading.Event()

    def send() -> None:
        with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
            for uid, file in small_instances(study):
                if over.is_set():
                    return
                try:
                    store(session, [file])
                    traffic.acknowledged.append(uid)
                except GatewayClientError as refusal:
                    traffic.refused[str(refusal)[:120]] += 1
                time.sleep(0.1)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_no_read_fails_and_no_store_is_lost(stack: Stack, outputs: StackOutputs, end: str) -> None:
    traffic, study, database = Traffic(), str(generate_uid()), stack.container(INDEX)
    try:
        with reading(stack, outputs, traffic), storing(stack, outputs, traffic, study):
            time.sleep(BEFORE)
            if end == "restart":
                database.restart(timeout=10)
            else:
                database.kill()
                time.sleep(2)
                database.start()
            traffic.go_on(stores=STORES)
        print(
            f"{end}: {traffic.good} reads, slowest {traffic.slowest:.1f} s; {len(traffic.acknowledged)} stores "
            f"acknowledged, refused: {dict(traffic.refused)}"
        )
        assert Counter(traffic.wrong) == {}
        with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
            found = admin.get(f"/pacs/studies/{study}/instances")
            assert found.status_code == 200
            kept = {it["00080018"]["Value"][0] for it in found.json()}
        assert set(traffic.acknowledged) <= kept
    finally:
        wait_until(lambda: _deleted(stack, outputs, study), "clean archive", 60)


def test_read_after_a_quiet_restart_works_at_once(stack: Stack, outputs: StackOutputs) -> None:
    """Nobody was there to use up the dead connections."""
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        stack.container(INDEX).restart(timeout=10)
        answers = [session.get(path, headers=headers).status_code for path, headers in reads().items()]
        answers += [session.get("/pacs/studies").status_code for _ in range(CONNECTIONS)]
    assert set(answers) == {200}


def test_first_login_after_a_restart_works(stack: Stack, outputs: StackOutputs) -> None:
    # Several connections are in the pool.
    for _ in range(3):
        sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
    stack.container("keycloak-db").restart(timeout=10)
    _ready(stack, "keycloak-db")
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        assert session.get("/pacs/studies").status_code == 200


def test_up_is_done_only_when_everything_works(stack: Stack, outputs: StackOutputs) -> None:
    for database in (INDEX, "keycloak-db"):
        stack.container(database).kill()
    stack.up()
    study = str(generate_uid())
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
        try:
            for _, file in islice(small_instances(study), CONNECTIONS):
                if ARCHIVE is ArchiveKind.ORTHANC:
                    # What DCM4chee's pool does is not known here.
                    store(admin, [file])
                assert admin.get("/pacs/studies").status_code == 200
        finally:
            archive.delete(admin, "Study", StudyInstanceUID=study)


def _deleted(stack: Stack, outputs: StackOutputs, study: str) -> bool:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
        archive.delete(admin, "Study", StudyInstanceUID=study)
    return True


def _ready(stack: Stack, thing: str) -> None:
    """Waits until a database takes connections."""
    deadline = time.monotonic() + 30
    while stack.container(thing).exec_run(["pg_isready", "--quiet", "--host=127.0.0.1"]).exit_code:
        assert time.monotonic() < deadline
        time.sleep(0.1)
