"""One study of each kind of object that OHIF has a viewport or a mode for, made by libraries where one makes it.

The segmentation, the key objects and the presentation state are highdicom's, the video is FFmpeg's; pydicom alone holds
the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import av
import highdicom
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid

from tests.e2e.objects import picture

SIDE = 96
SLICES = 6
SPACING = 4.0
TILE = 256
MAKER: Any = {
    "manufacturer": "Synthetic",
    "manufacturer_model_name": "Synthetic",
    "device_serial_number": "1",
    "software_versions": "1",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A study, and where it is opened."""

    objects: Sequence[Dataset]
    mode: str = "viewer"
    """OHIF's mode, a part of the path."""
    overlay: bool = False
    """Whether the colour appears only after the object's series is chosen from the study's list."""


def _set(made: Dataset, **attributes: object) -> Dataset:
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def item(**attributes: object) -> Dataset:
    """An item of a sequence."""
    return _set(Dataset(), **attributes)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3, 8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def volume(sop_class: UID = uid.CTImageStorage, modality: str = "CT", **attributes: object) -> list[Dataset]:
    """A series of slices with a bright ball in it. Attributes are added, such as those of the patient and the study."""
    y, x, z = np.mgrid[0:SIDE, 0:SIDE, 0:SLICES]
    distance = np.hypot((x - SIDE / 2) / SIDE, (y - SIDE / 2) / SIDE) + abs(z - SLICES / 2) / SLICES / 8
    shades: NDArray[np.int16] = np.where(distance < 0.3, 1500 - distance * 2000, 50).astype("<i2")
    series, frame_of_reference = generate_uid(None), generate_uid(None)
    slices = []
    for number in range(SLICES):
        made = picture(
            SOPClassUID=sop_class,
            Modality=modality,
            SeriesInstanceUID=series,
            SeriesDescription=f"Synthetic {modality}",
            ConversionType=None,
            InstanceNumber=number + 1,
            PixelData=shades[:, :, number].tobytes(),
        )
        _set(made, Rows=SIDE, Columns=SIDE, PixelRepresentation=1, WindowCenter=700, WindowWidth=1500)
        _set(made, RescaleIntercept=0, RescaleSlope=1, SliceThickness=SPACING, PixelSpacing=[2, 2])
        _set(made, ImagePositionPatient=[-SIDE, -SIDE, number * SPACING], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        _set(made, FrameOfReferenceUID=frame_of_reference, PositionReferenceIndicator="")
        _set(made, PatientBirthDate="", PatientSex="O", ReferringPhysicianName="", ImageType=["ORIGINAL", "PRIMARY"])
        slices.append(_set(made, **attributes))
    return _of_one_study(slices)


def _of_one_study(objects: Sequence[Dataset]) -> list[Dataset]:
    """The objects, in the study and of the patient of the first."""
    first = objects[0]
    for made in objects:
        for name in ("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyTime", "StudyDescription"):
            if name in first:
                setattr(made, name, first[name].value)
    return list(objects)


def segmentation() -> Kind:
    """A SEG of the ball, with its CT."""
    images = volume()
    mask = np.stack([it.pixel_array > 500 for it in images])
    described = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Synthetic ball",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Lung,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    made = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=mask.astype("u1")[..., None],
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[described],
        series_instance_uid=generate_uid(None),
        series_number=2,
        sop_instance_uid=generate_uid(None),
        instance_number=1,
        **MAKER,
    )
    return Kind(objects=[*images, made], overlay=True)


def structure_set() -> Kind:
    """An RTSTRUCT around the ball, with its CT."""
    images = volume()
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    references = [
        item(ReferencedSOPClassUID=it.SOPClassUID, ReferencedSOPInstanceUID=it.SOPInstanceUID) for it in images
    ]
    contours = [
        item(
            ContourImageSequence=[reference],
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=len(angles),
            ContourData=[
                f"{value:.2f}"
                for angle in angles
                for value in (60 * np.cos(angle), 60 * np.sin(angle), image.ImagePositionPatient[2])
            ],
        )
        for image, reference in zip(images, references, strict=True)
    ]
    frame = images[0].FrameOfReferenceUID
    study = item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=images[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[
            item(SeriesInstanceUID=images[0].SeriesInstanceUID, ContourImageSequence=references)
        ],
    )
    region = item(ROINumber=1, ReferencedFrameOfReferenceUID=frame, ROIName="Ball", ROIGenerationAlgorithm="MANUAL")
    made = without_pixels(uid.RTStructureSetStorage, "RTSTRUCT")
    _set(made, StructureSetLabel="SYNTHETIC", StructureSetDate="20240301", StructureSetTime="101500")
    made.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])]
    made.StructureSetROISequence = [region]
    made.ROIContourSequence = [item(ROIDisplayColor=[255, 0, 0], ReferencedROINumber=1, ContourSequence=contours)]
    observed = item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="", ROIInterpreter="")
    made.RTROIObservationsSequence = [observed]
    return Kind(objects=_of_one_study([*images, made]), overlay=True)


def without_pixels(sop_class: UID, modality: str) -> Dataset:
    """An object that is no image."""
    attributes = (
        *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "BitsAllocated"),
        *("BitsStored", "HighBit", "WindowCenter", "WindowWidth", "PixelData", "ConversionType"),
    )
    return picture(SOPClassUID=sop_class, Modality=modality, **dict.fromkeys(attributes))


def key_objects() -> Kind:
    """A key object selection with its images."""
    images = volume()
    content = highdicom.ko.KeyObjectSelection(codes.DCM.OfInterest, images[2:3])
    made = highdicom.ko.KeyObjectSelectionDocument(
        evidence=images,
        content=content,
        series_instance_uid=generate_uid(None),
        series_number=3,
        sop_instance_uid=generate_uid(None),
        instance_number=1,
        manufacturer=MAKER["manufacturer"],
    )
    return Kind(objects=[*images, made])


def presentation_state() -> Kind:
    """A greyscale softcopy presentation state with its images."""
    images = volume()
    made = highdicom.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=images,
        series_instance_uid=generate_uid(None),
        series_number=4,
        sop_instance_uid=generate_uid(None),
        instance_number=1,
        content_label="SYNTHETIC",
        **MAKER,
    )
    return Kind(objects=[*images, made])


def multi_frame() -> Kind:
    """An ultrasound of several frames."""
    frames = np.stack([np.roll(np.tile(np.linspace(0, 255, 128, dtype="u1"), (128, 1)), 16 * it, 1) for it in range(8)])
    made = picture(SOPClassUID=uid.UltrasoundMultiFrameImageStorage, Modality="US", PixelData=frames.tobytes())
    _set(made, NumberOfFrames=8, FrameTime=100, BitsAllocated=8, BitsStored=8, HighBit=7)
    made.FrameIncrementPointer = 0x00181063
    return Kind(objects=[_set(made, WindowCenter=128, WindowWidth=256)])


def single(sop_class: UID, modality: str) -> Kind:
    """An image of a modality that differs for the viewer by its names only."""
    return Kind(objects=[picture(SOPClassUID=sop_class, Modality=modality)])


def fusion() -> Kind:
    """A PET on its CT."""
    images = volume()
    pet = volume(uid.PositronEmissionTomographyImageStorage, "PT", FrameOfReferenceUID=images[0].FrameOfReferenceUID)
    for made in pet:
        _set(made, SeriesNumber=2, Units="BQML", DecayCorrection="START", CorrectedImage=["ATTN", "DECY"])
        _set(made, SeriesDate="20240301", SeriesTime="101500", AcquisitionDate="20240301", AcquisitionTime="101500")
        _set(made, PatientWeight=70, PatientSize="1.8", RescaleType="BQML", FrameReferenceTime=0, DecayFactor="1")
        dose = item(RadiopharmaceuticalStartTime="093000", RadionuclideTotalDose=3e8, RadionuclideHalfLife=6586)
        dose.RadiopharmaceuticalStartDateTime = "20240301093000"
        made.RadiopharmaceuticalInformationSequence = [dose]
    return Kind(objects=_of_one_study([*images, *pet]), mode="tmtv")


def video() -> Kind:
    """A video in MPEG-4 AVC/H.264."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as movie:
        stream = movie.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"profile": "high", "level": "4.1"}
        for number in range(50):
            frame = np.full((240, 320, 3), (200, 0, 0), np.uint8)
            frame[60:180, 20 + 4 * number : 80 + 4 * number] = (0, 255, 0)
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        movie.mux(stream.encode())
    made = picture(SOPClassUID=uid.VideoPhotographicImageStorage, Modality="XC", WindowCenter=None, WindowWidth=None)
    _set(made, Rows=240, Columns=320, NumberOfFrames=50, FrameTime=40, CineRate=25, LossyImageCompression="01")
    _colours(made, "YBR_PARTIAL_420")
    return Kind(objects=[_compressed(made, [file.getvalue()], uid.MPEG4HP41)])


def _colours(made: Dataset, interpretation: str) -> None:
    _set(made, SamplesPerPixel=3, PhotometricInterpretation=interpretation, PlanarConfiguration=0)
    _set(made, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)


def _compressed(made: Dataset, frames: Sequence[bytes], syntax: UID) -> Dataset:
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.file_meta.TransferSyntaxUID = syntax
    return made


def high_throughput() -> Kind:
    """An image in High-Throughput JPEG 2000, of which pydicom has no file."""
    made = picture()
    frame = imagecodecs.htj2k_encode(made.pixel_array)
    return Kind(objects=[_compressed(made, [bytes(frame)], uid.HTJ2KLossless)])


def slide(syntax: UID) -> Kind:
    """A whole slide in two resolutions, in tiles."""
    series, frame_of_reference = generate_uid(None), generate_uid(None)
    levels = []
    for number, tiles in enumerate((4, 1), 1):
        size = tiles * TILE
        y, x = np.mgrid[0:size, 0:size]
        shades = np.stack([x * 255 // size, y * 255 // size, (x // 64 + y // 64) % 2 * 255], -1).astype("u1")
        made = picture(
            SOPClassUID=uid.VLWholeSlideMicroscopyImageStorage,
            Modality="SM",
            SeriesInstanceUID=series,
            InstanceNumber=number,
            ConversionType=None,
            WindowCenter=None,
            WindowWidth=None,
        )
        _colours(made, "YBR_FULL_422" if syntax == uid.JPEGBaseline8Bit else "YBR_RCT")
        _set(made, Rows=TILE, Columns=TILE, NumberOfFrames=tiles * tiles, DimensionOrganizationType="TILED_FULL")
        _set(made, TotalPixelMatrixRows=size, TotalPixelMatrixColumns=size, TotalPixelMatrixFocalPlanes=1)
        _set(made, ImagedVolumeWidth=10.0, ImagedVolumeHeight=10.0, ImagedVolumeDepth=0.001, NumberOfOpticalPaths=1)
        _set(made, ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], ImageOrientationSlide=[0, -1, 0, -1, 0, 0])
        _set(made, FrameOfReferenceUID=frame_of_reference, PositionReferenceIndicator="SLIDE_CORNER")
        _set(
            made, VolumetricProperties="VOLUME", FocusMethod="AUTO", SpecimenLabelInImage="NO", BurnedInAnnotation="NO"
        )
        made.TotalPixelMatrixOriginSequence = [item(XOffsetInSlideCoordinateSystem=0, YOffsetInSlideCoordinateSystem=0)]
        light = code("R-102C0", "SRT", "Full Spectrum")
        way = code("111744", "DCM", "Brightfield illumination")
        made.OpticalPathSequence = [
            item(OpticalPathIdentifier="1", IlluminationTypeCodeSequence=[way], IlluminationColorCodeSequence=[light])
        ]
        measures = item(PixelSpacing=[10.0 / size, 10.0 / size], SliceThickness=0.001)
        frame_type = item(FrameType=made.ImageType)
        made.SharedFunctionalGroupsSequence = [
            item(PixelMeasuresSequence=[measures], WholeSlideMicroscopyImageFrameTypeSequence=[frame_type])
        ]
        _set(made, ContainerIdentifier="SLIDE", AcquisitionDateTime="20240301101500", AcquisitionContextSequence=[])
        specimen = item(SpecimenIdentifier="S1", SpecimenUID=generate_uid(None), SpecimenPreparationSequence=[])
        made.SpecimenDescriptionSequence = [specimen]
        levels.append(_compressed(made, list(_tiles(shades, syntax)), syntax))
    return Kind(objects=_of_one_study(levels), mode="microscopy")


def _tiles(shades: NDArray[np.uint8], syntax: UID) -> list[bytes]:
    files = []
    for row, column in itertools.product(range(0, len(shades), TILE), repeat=2):
        file = BytesIO()
        tile = Image.fromarray(shades[row : row + TILE, column : column + TILE])
        if syntax == uid.JPEGBaseline8Bit:
            tile.save(file, "JPEG", quality=90, subsampling=0)
        else:
            tile.save(file, "JPEG2000", no_jp2=True, irreversible=False)
        files.append(file.getvalue())
    return files


def kinds() -> Mapping[str, Kind]:
    """By a name for people."""
    return {
        "CT": Kind(objects=volume()),
        "MR": Kind(objects=volume(uid.MRImageStorage, "MR")),
        "SEG": segmentation(),
        "RTSTRUCT": structure_set(),
        "KO": key_objects(),
        "PR": presentation_state(),
        "US multi-frame": multi_frame(),
        "DX": single(uid.DigitalXRayImageStorageForPresentation, "DX"),
        "MG": single(uid.DigitalMammographyXRayImageStorageForPresentation, "MG"),
        "NM": Kind(objects=volume(uid.NuclearMedicineImageStorage, "NM")),
        "PET with CT": fusion(),
        "HTJ2K": high_throughput(),
        "video": video(),
        "slide, JPEG": slide(uid.JPEGBaseline8Bit),
        "slide, JPEG 2000": slide(uid.JPEG2000Lossless),
    }
