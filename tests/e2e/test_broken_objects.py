"""Damaged objects, through every entrance, cost no stored study, and the archive goes on answering.

The damage is random with a fixed seed: pydicom's test files with bytes changed, wrong lengths, parts left out or sent
twice. `BROKEN_OBJECTS` in the environment says how many.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from settings import ArchiveKind
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack
from tests.e2e.modality import Modality
from tests.e2e.objects import stow
from tests.e2e.public_files import public_files
from tools import debian_tools
from tools.sample import study_uid

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the stand-in's parser is Orthanc's")

COUNT = int(os.environ.get("BROKEN_OBJECTS", "150"))
LARGEST = 200_000
RETURN_SECONDS = 10
META = 132
"""Where the elements of a file begin (PS3.10, 7.1)."""
UNDEFINED = b"\xff\xff\xff\xff"


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The file with one to three kinds of damage."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(META, len(changed))
        match chance.randrange(7):
            case 0:
                del changed[at:]
            case 1:
                for _ in range(chance.randint(1, 20)):
                    changed[chance.randrange(META, len(changed))] = chance.randrange(256)
            case 2:
                # Where a length of 32 bits may be.
                changed[at : at + 4] = chance.choice([UNDEFINED, b"\xfe\xff\xff\x7f", bytes(4), b"\xff\xff\x00\x00"])
            case 3:
                changed[at : at + 2] = chance.choice([b"\xff\xff", b"SQ", b"UN", b"OB", b"\x00\x00"])
            case 4:
                changed[at:at] = changed[max(META, at - 2000) : at]
            case 5:
                # An item that begins a sequence in a sequence, hundreds of times.
                changed[at:at] = b"\x08\x00\x15\x11SQ\0\0" + (UNDEFINED + b"\xfe\xff\x00\xe0") * chance.randint(1, 500)
            case _:
                del changed[at : at + chance.randint(1, 300)]
        if len(changed) <= META + 1:
            break
    return bytes(changed)


def corpus() -> Iterator[bytes]:
    """`COUNT` damaged files, the same in each run."""
    chance = random.Random(20261128)
    files = [it.content for _, it in sorted(public_files().items()) if len(it.content) < LARGEST]
    for _ in range(COUNT):
        yield damaged(chance.choice(files), chance)


class Archive:
    """What was there before, to be there afterwards."""

    def __init__(self, stack: Stack, admin: httpx.Client) -> None:
        self.admin, self.stack = admin, stack
        self.studies = set(self._studies())
        self.sample = self._sample()

    def _studies(self) -> list[str]:
        found: list[str] = self.admin.get("/pacs-admin/studies").raise_for_status().json()
        return found

    def _sample(self) -> list[dict[str, object]]:
        found = self.admin.get(f"/pacs/studies/{study_uid()}/metadata").raise_for_status().json()
        return sorted(found, key=lambda it: str(it["00080018"]))

    def check(self) -> None:
        """Wait for an answer, then compare."""
        until = time.monotonic() + RETURN_SECONDS
        while True:
            try:
                listed = self.admin.get("/pacs/studies?includefield=all")
                if listed.status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            assert time.monotonic() < until, f"no answer after {RETURN_SECONDS} seconds"
            time.sleep(0.3)
        assert json.loads(listed.content)
        assert self.studies <= set(self._studies())
        assert self._sample() == self.sample

    def clean(self) -> int:
        """Delete what was stored of the damaged files; returns how many studies that were."""
        new = set(self._studies()) - self.studies
        for study in new:
            self.admin.delete(f"/pacs-admin/studies/{study}").raise_for_status()
        return len(new)


@pytest.fixture
def archive(stack: Stack, session: Sessions) -> Iterator[Archive]:
    made = Archive(stack, session("pacsadmin"))
    yield made
    made.clean()


@pytest.mark.parametrize("entrance", ["STOW-RS", "upload"])
def test_damaged_objects_cost_nothing(archive: Archive, entrance: str) -> None:
    statuses: dict[int | str, int] = {}
    for content in corpus():
        try:
            if entrance == "STOW-RS":
                status: int | str = stow(archive.admin, content).status_code
            else:
                status = archive.admin.post("/pacs-admin/instances", content=content).status_code
        except httpx.HTTPError as error:
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1
        if status not in (200, 400, 409):
            archive.check()
    archive.check()
    print(f"{entrance}: {statuses}, {archive.clean()} studies of them")
    # Some are whole enough to be stored, and most are not.
    assert statuses.get(200, 0) > 0
    assert statuses.get(400, 0) > 0


def test_damaged_objects_of_a_modality_cost_nothing(archive: Archive, tmp_path: Path) -> None:
    debian_tools.ensure("dcmtk")
    modality = Modality()
    stored = 0
    for number, content in enumerate(corpus()):
        if number % 5 == 0:
            file = tmp_path / f"{number}.dcm"
            file.write_bytes(content)
            stored += modality.stores(file)
    archive.check()
    assert modality.verifies()
    print(f"C-STORE: {stored} stored")
