"""The DICOM files of pydicom's own test set: data of others, read from the package, each as a study of its own."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FOLDERS_BELOW = ("dicomdirtests/77654033/CR1", "dicomdirtests/77654033/CT2", "dicomdirtests/98892003/MR1")
"""The rest below `dicomdirtests` repeats these."""

UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """A file, with UIDs of its own."""

    name: str
    content: bytes
    uids: Mapping[str, str]
    """By the keywords in `UIDS`."""

    @property
    def instance(self) -> str:
        """Its path at the gateway."""
        study, series, instance = (self.uids[name] for name in reversed(UIDS))
        return f"/pacs/studies/{study}/series/{series}/instances/{instance}"


def _other_uid(old: str, name: str) -> str:
    """A UID of the same length, as explicit lengths around it have to stay true."""
    digits = str(int(hashlib.sha256(f"{name} {old}".encode()).hexdigest(), 16))
    return f"1.2.{digits}"[: len(old)]


def _read(path: Path) -> PublicFile | None:
    """The file; `None` if it is no DICOM file, or belongs to no study."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            return None
        old = {name: str(found.get(name, "")) for name in UIDS}
        syntax = found.file_meta.get("TransferSyntaxUID")
    if not all(old.values()):
        return None
    content = path.read_bytes()
    if syntax == DeflatedExplicitVRLittleEndian:
        return PublicFile(name=path.name, content=content, uids=old)
    new = {name: _other_uid(uid, path.name + name) for name, uid in old.items()}
    for name in sorted(UIDS, key=lambda it: -len(old[it])):
        content = content.replace(old[name].encode(), new[name].encode())
    return PublicFile(name=path.name, content=content, uids=new)


def public_files() -> Mapping[str, PublicFile]:
    """By their names."""
    paths = [*FOLDER.glob("*.dcm"), *(sorted((FOLDER / it).iterdir())[0] for it in FOLDERS_BELOW)]
    return {found.name: found for path in sorted(paths) if (found := _read(path))}


def broken_files() -> Mapping[str, bytes]:
    """Files that are no DICOM file, or name no study."""
    return {it.name: it.read_bytes() for it in sorted(FOLDER.iterdir()) if it.is_file() and _read(it) is None}
