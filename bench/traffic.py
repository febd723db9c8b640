"""Readers and a modality at work, and what they are answered: for measurements and tests of faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import httpx
from pydicom.uid import generate_uid

from bench.meanwhile import Over, meanwhile
from tools import sample
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in, store

READS, READERS = 60, 4
TIMEOUT_SECONDS = 180
PAUSE_SECONDS = 0.1
"""After an answer that was none: a viewer does not ask a thousand times a second."""


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
    wrong_at: list[float] = field(default_factory=list)
    """When, by time.monotonic()."""
    good: int = 0
    slowest: float = 0
    acknowledged: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Reads that failed, and stores that were refused."""
        return len(self.wrong) + self.refused.total()

    @property
    def outage(self) -> float:
        """Seconds between the first read that failed and the last."""
        return max(self.wrong_at) - min(self.wrong_at) if self.wrong_at else 0

    def go_on(self, stores: int = 0, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until there were enough good answers since now. Raises TimeoutError if they do not come."""
        reads, acknowledged = self.good + READS, len(self.acknowledged) + stores
        deadline = time.monotonic() + seconds
        while self.good < reads or len(self.acknowledged) < acknowledged:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.good} reads and {len(self.acknowledged)} stores after {seconds} seconds")
            time.sleep(0.1)


def _said(answer: httpx.Response) -> bytes:
    """The answer without the boundary, which is another each time."""
    boundary = answer.headers.get("content-type", "").partition("boundary=")[2].strip('"')
    return answer.content.replace(boundary.encode(), b"") if boundary else answer.content


@contextmanager
def reading(outputs: StackOutputs, traffic: Traffic) -> Iterator[None]:
    """Readers that go on all the while; each answer must be the first one again."""
    with closing(sign_in(outputs.base_url, "viewer", outputs.credentials["viewer"])) as first:
        expected: dict[str, bytes] = {}
        for path, headers in reads().items():
            answer = first.get(path, headers=headers)
            if answer.status_code != 200:
                raise GatewayClientError(f"{path} answers {answer.status_code}: is the sample stored? `make sample`")
            expected[path] = _said(answer)
        cookies = {cookie.name: cookie.value or "" for cookie in first.cookies.jar}

        def read(over: Over) -> None:
            with httpx.Client(base_url=outputs.base_url, cookies=cookies, timeout=60) as session:
                while not over():
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
                            traffic.wrong_at.append(started)
                            time.sleep(PAUSE_SECONDS)

        with meanwhile(*[read] * READERS):
            yield


@contextmanager
def storing(outputs: StackOutputs, traffic: Traffic, study: str) -> Iterator[None]:
    """One instance after the other, each with a name of its own."""

    def send(over: Over) -> None:
        with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
            for uid, file in small_instances(study):
                if over():
                    return
                try:
                    store(session, [file])
                    traffic.acknowledged.append(uid)
                except GatewayClientError as refusal:
                    traffic.refused[str(refusal)[:120]] += 1
                time.sleep(0.1)

    with meanwhile(send):
        yield
