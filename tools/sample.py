"""Store a synthetic chest CT through the gateway, as a study to open (`make sample`).

The patient does not exist. UIDs and pixels are the same in each run, so storing it twice results in one study.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from public_paths import VIEWER_PATH
from tools.dicomweb import GatewayClientError, origin, sign_in, stack_outputs, store
from tools.phantom import PIXEL_MM, SIZE, hounsfield

PATIENT_NAME = "SYNTHETIC^CHEST PHANTOM"
PATIENT_ID = "SYNTHETIC-0001"
STUDY_DESCRIPTION = "Synthetic chest CT (no real patient)"
SLICES = 120
SLICE_MM = 2.5
INTERCEPT = -1024
NOISE_HU = 14.0
SLICES_PER_REQUEST = 30
# Increased with every change of the pixels, because a UID must not identify different pixels.
VERSION = 1
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "2.25 synthetic chest phantom")


def uid(*parts: object) -> UID:
    """A UID below 2.25 (a UUID as a number, DICOM PS3.5 B.2), determined by `parts`."""
    return UID(f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, (VERSION, *parts)))).int}")


def study_uid(slices: int = SLICES) -> UID:
    """The StudyInstanceUID of a sample with `slices` slices."""
    return uid("study", slices)


def stored_values(index: int, slices: int = SLICES) -> NDArray[np.int16]:
    """Stored pixel values (HU minus intercept) of slice `index`, with the same noise in each run."""
    noise = np.random.default_rng((VERSION, slices, index)).normal(0, NOISE_HU, (SIZE, SIZE))
    values = np.rint(hounsfield(position_mm(index, slices)) + noise) - INTERCEPT
    stored: NDArray[np.int16] = np.clip(values, 0, 4095).astype(np.int16)
    return stored


def position_mm(index: int, slices: int = SLICES) -> float:
    """Position of slice `index` in mm, from feet to head; the series is centred on 0."""
    return (index - (slices - 1) / 2) * SLICE_MM


def instance(index: int, slices: int = SLICES) -> Dataset:
    """Slice `index` of the series as a CT Image Storage object (DICOM PS3.3 A.3)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid("instance", slices, index)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = meta
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240229"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "101500"
    ds.AccessionNumber = "SYN0001"
    ds.Modality = "CT"
    ds.Manufacturer = "Synthetic"
    ds.ManufacturerModelName = "Ellipsoid phantom"
    ds.InstitutionName = "No real patient"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = STUDY_DESCRIPTION
    ds.SeriesDescription = "Chest 2.5 mm"
    ds.PatientName = PATIENT_NAME
    ds.PatientID = PATIENT_ID
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "O"
    ds.BodyPartExamined = "CHEST"
    ds.KVP = "120"
    ds.ConvolutionKernel = "PHANTOM"
    ds.PatientPosition = "HFS"

    ds.StudyInstanceUID = study_uid(slices)
    ds.SeriesInstanceUID = uid("series", slices)
    ds.StudyID = "1"
    ds.SeriesNumber = 2
    ds.AcquisitionNumber = 1
    ds.InstanceNumber = index + 1

    ds.FrameOfReferenceUID = uid("frame of reference", slices)
    ds.PositionReferenceIndicator = ""
    corner = -(SIZE - 1) / 2 * PIXEL_MM
    ds.ImagePositionPatient = [corner, corner, position_mm(index, slices)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceLocation = position_mm(index, slices)
    ds.SliceThickness = SLICE_MM
    ds.SpacingBetweenSlices = SLICE_MM
    ds.PixelSpacing = [PIXEL_MM, PIXEL_MM]

    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = SIZE
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.RescaleIntercept = INTERCEPT
    ds.RescaleSlope = 1
    ds.RescaleType = "HU"
    ds.WindowCenter = [40, -600, 400]
    ds.WindowWidth = [400, 1500, 1800]
    ds.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG", "BONE"]
    ds.PixelData = stored_values(index, slices).tobytes()
    return ds


def encoded(index: int, slices: int = SLICES) -> bytes:
    """Slice `index` as the bytes of a DICOM file."""
    file = BytesIO()
    instance(index, slices).save_as(file, enforce_file_format=True)
    return file.getvalue()


def batches(slices: int) -> Iterator[tuple[int, list[bytes]]]:
    """The files of each request, with the number of slices up to its end."""
    for start in range(0, slices, SLICES_PER_REQUEST):
        end = min(start + SLICES_PER_REQUEST, slices)
        yield end, [encoded(index, slices) for index in range(start, end)]


def study_link(base_url: str, slices: int = SLICES) -> str:
    """URL of the sample in the viewer."""
    return f"{base_url}{VIEWER_PATH}/viewer?StudyInstanceUIDs={study_uid(slices)}"


def store_sample(base_url: str, user: str, password: str, slices: int = SLICES) -> str:
    """Store the series as `user` with progress on the terminal. Returns the link to it in the viewer."""
    with closing(sign_in(base_url, user, password)) as session:
        print(f"Signed in at {base_url} as {user}; storing a synthetic CT of {slices} slices", flush=True)
        for done, files in batches(slices):
            store(session, files)
            print(f"  {done} of {slices}", flush=True)
    return study_link(base_url, slices)


def _slices(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1000:
        raise argparse.ArgumentTypeError("between 1 and 1000")
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="sample", description="Store a synthetic CT through the gateway.")
    parser.add_argument("--stack", default="dev", help="stack with address and password (default: dev)")
    parser.add_argument("--url", help="the gateway's address, instead of the stack's")
    parser.add_argument("--user", default="pacsadmin", help="user that stores (default: pacsadmin)")
    parser.add_argument("--password-file", type=argparse.FileType(), help="file with the user's password, for --url")
    parser.add_argument("--slices", type=_slices, default=SLICES, help=f"default: {SLICES}")
    given = parser.parse_args(arguments)
    try:
        if bool(given.url) != bool(given.password_file):
            raise GatewayClientError("Give --url and --password-file together, or neither to use the stack's.")
        if given.url:
            base_url, password = origin(given.url), given.password_file.read().strip()
        else:
            outputs = stack_outputs(given.stack)
            if given.user not in outputs.credentials:
                known = ", ".join(sorted(outputs.credentials))
                raise GatewayClientError(f"Stack {given.stack} has no password of {given.user} (it has: {known}).")
            base_url, password = outputs.base_url, outputs.credentials[given.user]
        link = store_sample(base_url, given.user, password, given.slices)
    except GatewayClientError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open it (signed in as viewer or pacsadmin):\n  {link}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
