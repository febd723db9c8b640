"""An object that expands to more than the archive's memory is refused, and costs no one else anything."""

from __future__ import annotations

import zlib

import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from settings import ArchiveKind
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack
from tests.e2e.objects import file_of, picture, stow

MIB = 1024**2
pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="Java bounds its own memory")


def deflated(mib: int) -> tuple[bytes, str]:
    """A deflated object (PS3.5, A.5) with so much pixel data, all zero, never whole in memory; and its study's UID."""
    made = picture()
    del made.PixelData
    plain = file_of(made)
    meta_length = int.from_bytes(plain[140:144], "little")
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    meta = DicomBytesIO()
    write_file_meta_info(meta, made.file_meta)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [bytes(128) + b"DICM", meta.getvalue(), packer.compress(plain[144 + meta_length :])]
    parts.append(packer.compress(b"\xe0\x7f\x10\x00OW\x00\x00" + (mib * MIB).to_bytes(4, "little")))
    parts += [packer.compress(bytes(MIB)) for _ in range(mib)]
    return b"".join([*parts, packer.flush()]), str(made.StudyInstanceUID)


def test_an_object_that_expands_beyond_the_memory_is_refused(stack: Stack, session: Sessions) -> None:
    admin = session("pacsadmin")
    bomb, study = deflated(2200)
    assert len(bomb) < 3 * MIB
    before = stack.container("orthanc").attrs["State"]["StartedAt"]
    for entrance in ("STOW", "upload"):
        answer = stow(admin, bomb) if entrance == "STOW" else admin.post("/pacs-admin/instances", content=bomb)
        assert answer.status_code in (400, 500), entrance
    assert admin.get(f"/pacs/studies/{study}/metadata").status_code == 404
    assert stack.container("orthanc").attrs["State"]["StartedAt"] == before


def test_a_deflated_object_of_ordinary_size_is_stored(session: Sessions) -> None:
    admin = session("pacsadmin")
    file, study = deflated(8)
    assert stow(admin, file).status_code == 200
    assert delete(admin, "Study", StudyInstanceUID=study) == 1
