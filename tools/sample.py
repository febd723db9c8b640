"""Stores a synthetic chest CT through the gateway, so that there is a study to open (`make sample`).

The patient does not exist: the picture is computed from ellipsoids in millimetres and Hounsfield units.
UIDs and pixels are the same at each run, so storing twice leaves one study.
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

from tools.dicomweb import FrontDoorError, origin, sign_in, stack_outputs, store

PATIENT_NAME = "SYNTHETIC^CHEST PHANTOM"
PATIENT_ID = "SYNTHETIC-0001"
STUDY_DESCRIPTION = "Synthetic chest CT (no real patient)"
SLICES = 120
SIZE = 512
PIXEL_MM = 0.75
SLICE_MM = 2.5
INTERCEPT = -1024
NOISE_HU = 14.0
SLICES_PER_REQUEST = 30
# Raised whenever the picture changes: other pixels must not travel under the UIDs of an older picture.
PICTURE = 1
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "2.25 synthetic chest phantom")

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]


def uid(*parts: object) -> UID:
    """A UID below 2.25 (a UUID as a number, DICOM PS3.5 B.2) that is the same for the same `parts`."""
    return UID(f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(map(str, (PICTURE, *parts)))).int}")


def study_uid(slices: int = SLICES) -> UID:
    """The study that a sample of `slices` slices is stored as."""
    return uid("study", slices)


def _ellipse(x: Field, y: Field, centre: tuple[float, float], half: tuple[float, float]) -> Field:
    """Below 1 inside the ellipse: a squared radius, so that shells are ranges of it."""
    return ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2


def _ellipsoid(
    x: Field, y: Field, z: float, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> Mask:
    height = ((z - centre[2]) / half[2]) ** 2
    inside: Mask = _ellipse(x, y, centre[:2], half[:2]) + height < 1
    return inside


def hounsfield(z: float) -> NDArray[np.float32]:
    """One axial slice of the phantom in Hounsfield units, without noise, at height `z` in mm (0 = mid-chest).

    Axes are the patient's: x grows to the left, y to the back, z to the head.
    """
    axis = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) * PIXEL_MM
    x, y = np.meshgrid(axis, axis)
    picture = np.full((SIZE, SIZE), -1000, np.float32)

    def fill(where: Mask, value: float) -> None:
        picture[where] = value

    table = _ellipse(x, y, (0, -240), (370, 370))
    fill((table > 1) & (table < 1.025) & (np.abs(x) < 170), -350)

    # The trunk narrows to the shoulders above and the waist below.
    scale = 1 - 0.10 * (z / 150) ** 2
    trunk = _ellipse(x, y, (0, 0), (168 * scale, 112 * scale))
    fill(trunk < 1, -95)
    fill(trunk < 0.985, 55)
    fill((trunk < 0.975) & (trunk > 0.86), -95)

    cage = _ellipse(x, y, (0, 0), (150 * scale, 97 * scale))
    fill((cage > 0.84) & (cage < 1), 50)
    fill(cage < 0.84, -70)

    for side in (-1, 1):
        lung = _ellipsoid(x, y, z, (side * 76, -4, 10), (57, 82, 132))
        dome = _ellipsoid(x, y, z, (side * 70, -5, -125), (75, 90, 75 if side < 0 else 65))
        fill(lung & ~dome, -860)
        texture = np.sin(x / 6.1 + z / 9) * np.sin(y / 7.3 - z / 11) * np.sin((x + side * y) / 9.7 + z / 7)
        fill(lung & ~dome & (texture > 0.62), -250)
        fill(dome & (cage < 0.82), 95 if side < 0 else 60)

    fill(_ellipsoid(x, y, z, (22, -28, -35), (52, 42, 55)), 45)
    fill(_ellipsoid(x, y, z, (30, -22, -40), (24, 20, 30)), 160)
    fill(_ellipse(x, y, (24, 46), (12, 12)) < 1, 170)
    fill(_ellipsoid(x, y, z, (5, 8, 55), (22, 34, 20)), 170)
    if z > 20:
        fill(_ellipse(x, y, (0, 14), (11, 11)) < 1, 60)
        fill(_ellipse(x, y, (0, 14), (9, 9)) < 1, -1000)
    else:
        for side in (-1, 1):
            fill(_ellipse(x, y, (side * (20 - z) * 0.6, 14), (6, 6)) < (1 if z > -40 else 0), -1000)

    ribs = (z - 0.45 * y + 400) % 26 < 9
    fill((cage > 0.86) & (cage < 0.975) & ribs & (np.abs(x) > 16), 480)
    fill((cage > 0.89) & (cage < 0.95) & ribs & (np.abs(x) > 18), 220)
    fill((np.abs(x) < 17) & (np.abs(y + 91 * scale) < 6) & (z > -70), 330)

    disc = (z + 400) % 30 < 6
    fill(_ellipse(x, y, (0, 66), (22, 16)) < 1, 90 if disc else 520)
    fill(_ellipse(x, y, (0, 66), (19, 13)) < 1, 90 if disc else 210)
    fill(_ellipse(x, y, (0, 90), (14, 12)) < 1, 420)
    fill(_ellipse(x, y, (0, 90), (8, 8)) < 1, 25)
    fill((np.abs(x) < 3.5) & (y > 99) & (y < 108) & ~np.bool_(disc), 400)

    lesion = _ellipsoid(x, y, z, (-84, -26, 32), (11, 10, 11))
    fill(lesion, 40)

    # Edges as a scanner draws them: each sample is a mean over its neighbours.
    for direction in (0, 1):
        picture += (np.roll(picture, 1, direction) - 2 * picture + np.roll(picture, -1, direction)) / 4
    return picture


def stored_values(index: int, slices: int = SLICES) -> NDArray[np.int16]:
    """Stored pixel values (HU minus intercept) of slice `index`; the noise is the same at each run."""
    noise = np.random.default_rng((PICTURE, slices, index)).normal(0, NOISE_HU, (SIZE, SIZE))
    values = np.rint(hounsfield(position_mm(index, slices)) + noise) - INTERCEPT
    stored: NDArray[np.int16] = np.clip(values, 0, 4095).astype(np.int16)
    return stored


def position_mm(index: int, slices: int = SLICES) -> float:
    """Height of slice `index` in mm, from the feet's end; the series is centred on 0."""
    return (index - (slices - 1) / 2) * SLICE_MM


def instance(index: int, slices: int = SLICES) -> Dataset:
    """Slice `index` of the series as a CT Image Storage object (DICOM PS3.3 A.3) ready to be written."""
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
    """The series in portions of one request, each with the number of slices made up to its end."""
    for start in range(0, slices, SLICES_PER_REQUEST):
        end = min(start + SLICES_PER_REQUEST, slices)
        yield end, [encoded(index, slices) for index in range(start, end)]


def study_link(base_url: str, slices: int = SLICES) -> str:
    """The address at which the viewer opens the sample."""
    return f"{base_url}/ohif-viewer/viewer?StudyInstanceUIDs={study_uid(slices)}"


def store_sample(base_url: str, user: str, password: str, slices: int = SLICES) -> str:
    """Stores the series as `user`, printing progress, and returns the link to it in the viewer."""
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
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="sample", description="Store a synthetic CT through the gateway.")
    parser.add_argument("--stack", default="dev", help="whose address and password to use (default: dev)")
    parser.add_argument("--url", help="the gateway's address, instead of the stack's")
    parser.add_argument("--user", default="pacsadmin", help="who stores (default: pacsadmin)")
    parser.add_argument("--password-file", type=argparse.FileType(), help="holds the user's password, with --url")
    parser.add_argument("--slices", type=_slices, default=SLICES, help=f"default: {SLICES}")
    given = parser.parse_args(arguments)
    try:
        if bool(given.url) != bool(given.password_file):
            raise FrontDoorError("Give --url and --password-file together, or neither to ask the stack.")
        if given.url:
            base_url, password = origin(given.url), given.password_file.read().strip()
        else:
            outputs = stack_outputs(given.stack)
            if given.user not in outputs.credentials:
                known = ", ".join(sorted(outputs.credentials))
                raise FrontDoorError(f"Stack {given.stack} has no password of {given.user} (it has: {known}).")
            base_url, password = outputs.base_url, outputs.credentials[given.user]
        link = store_sample(base_url, given.user, password, given.slices)
    except FrontDoorError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open it (signed in as viewer or pacsadmin):\n  {link}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
