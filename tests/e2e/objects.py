"""DICOM objects that the end-to-end tests make, and STOW-RS as a program sends it."""

from __future__ import annotations

import secrets
from io import BytesIO
from typing import Any

import httpx
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

SIZE = 128


def picture(**attributes: object) -> Dataset:
    """A small secondary capture of a study of its own. Attributes are added or, with `None`, left out."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID, made.SeriesInstanceUID, made.StudyInstanceUID = (generate_uid(None) for _ in range(3))
    made.PatientName, made.PatientID = "SYNTHETIC^OBJECT", f"SYN-{secrets.token_hex(4)}"
    made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20240301", "101500", "", "1"
    made.Modality, made.ConversionType, made.SeriesNumber, made.InstanceNumber = "OT", "WSD", 1, 1
    made.Rows = made.Columns = SIZE
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.WindowCenter, made.WindowWidth = 15, 2000, 4000
    # Bands, so that a drawn image differs from an empty one.
    made.PixelData = np.tile(np.linspace(0, 4000, SIZE, dtype="<u2"), (SIZE, 1)).tobytes()
    for name, value in attributes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = UID(str(made.SOPInstanceUID))
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def file_of(made: Dataset) -> bytes:
    """The object as a DICOM file."""
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def stow(session: httpx.Client, *objects: Dataset | bytes) -> httpx.Response:
    """One STOW-RS request, whatever comes of it."""
    boundary = f"test-{secrets.token_hex(12)}"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    files = (made if isinstance(made, bytes) else file_of(made) for made in objects)
    return session.post(
        "/pacs/studies",
        content=b"".join(head + file + b"\r\n" for file in files) + f"--{boundary}--\r\n".encode(),
        headers={
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        },
    )


def refused(answer: httpx.Response) -> list[str]:
    """SOP instance UIDs that a STOW-RS answer says were not stored."""
    failed: list[dict[str, Any]] = answer.json().get("00081198", {}).get("Value", [])
    return [it["00081155"]["Value"][0] for it in failed]


def found(session: httpx.Client, query: str) -> list[str]:
    """Patient IDs of the studies that a search finds; the query is sent as it is."""
    answer = session.get(f"/pacs/studies?{query}", headers={"Accept": "application/dicom+json"})
    assert answer.status_code in (200, 204), answer.text
    studies = answer.json() if answer.status_code == 200 else []
    return sorted("\\".join(it.get("00100020", {}).get("Value", [])) for it in studies)
