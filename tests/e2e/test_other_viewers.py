"""Weasis and 3D Slicer ask in their own ways, with a program's token; what their sources send is sent here.

Weasis: nroduit/Weasis, RsQueryResult.java. 3D Slicer: lassoan/SlicerDICOMwebBrowser, DICOMwebBrowser.py.
"""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote_plus

import httpx
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from settings import ArchiveKind
from tests.e2e.harness import ARCHIVE, Stack
from tests.e2e.tokens import bearer, service_token
from tools import sample
from tools.dicomweb import StackOutputs

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="its stack has no programs")

OF_STUDIES = (
    "00080020,00080030,00080050,00080061,00080090,00081030,00100010,00100020,00100021,00100030,00100040,"
    "0020000D,00200010"
)
OF_SERIES = "0008103E,00080060,0020000E,00200011,00081190"
OF_INSTANCES = "00080018,00200013,00081190"
STORED_SYNTAX = 'multipart/related;type="application/dicom";transfer-syntax=*'
STUDY, SERIES = str(sample.study_uid()), str(sample.uid("series", sample.SLICES))


@pytest.fixture
def headers(stack: Stack, outputs: StackOutputs) -> dict[str, str]:
    return bearer(service_token(stack, outputs, "triage"))


def file_in(answer: httpx.Response) -> pydicom.Dataset:
    """The DICOM file in a multipart answer."""
    boundary = answer.content[: answer.content.index(b"\r\n")]
    start = answer.content.index(b"\r\n\r\n") + 4
    return pydicom.dcmread(BytesIO(answer.content[start : answer.content.rindex(b"\r\n" + boundary)]))


@pytest.mark.parametrize(
    "search",
    [
        f"studies?00100020={quote_plus(sample.PATIENT_ID)}&includefield={OF_STUDIES}",
        f"studies?0020000D={STUDY}&includefield={OF_STUDIES}",
        f"series?0020000E={SERIES}&includefield={OF_STUDIES},0008103E,00080060,00081190,00200011",
        f"instances?00080018={sample.uid('instance', sample.SLICES, 0)}&includefield={OF_STUDIES},"
        "0008103E,00080060,0020000E,00200011,00200013,00081190",
    ],
    ids=["patient", "study", "series", "instance"],
)
def test_weasis_finds_the_study(stack: Stack, headers: dict[str, str], search: str) -> None:
    answer = httpx.get(f"{stack.url}/pacs/{search}", headers={**headers, "Accept": "application/dicom+json"})
    assert answer.status_code == 200
    assert {it["0020000D"]["Value"][0] for it in answer.json()} == {STUDY}
    assert {it["00100020"]["Value"][0] for it in answer.json()} == {sample.PATIENT_ID}


def test_weasis_reads_every_instance_where_the_archive_says_it_is(stack: Stack, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=stack.url, headers={**headers, "Accept": "application/dicom+json"}) as client:
        (series,) = client.get(f"/pacs/studies/{STUDY}/series?includefield={OF_SERIES}").json()
        assert series["00081190"]["Value"] == [f"{stack.url}/pacs/studies/{STUDY}/series/{SERIES}"]
        instances = client.get(f"/pacs/studies/{STUDY}/series/{SERIES}/instances?includefield={OF_INSTANCES}").json()
        assert len(instances) == sample.SLICES
        for instance in instances[:3]:
            (address,) = instance["00081190"]["Value"]
            read = file_in(client.get(address, headers={"Accept": STORED_SYNTAX}))
            assert read.SOPInstanceUID == instance["00080018"]["Value"][0]
            assert read.PixelData


def test_slicer_lists_all_studies_and_reads_a_series(stack: Stack, headers: dict[str, str]) -> None:
    client = DICOMwebClient(url=f"{stack.url}/pacs", session=None, headers=headers)
    studies: list[object] = []
    # Until a page is empty.
    while page := client.search_for_studies(offset=len(studies)):
        assert page[0] not in studies
        studies += page
    assert STUDY in {it["0020000D"]["Value"][0] for it in studies}  # type: ignore[index]
    assert [it["0020000E"]["Value"][0] for it in client.search_for_series(STUDY)] == [SERIES]
    instances = client.search_for_instances(study_instance_uid=STUDY, series_instance_uid=SERIES)
    assert len(instances) == sample.SLICES
    name = instances[0]["00080018"]["Value"][0]
    read = client.retrieve_instance(study_instance_uid=STUDY, series_instance_uid=SERIES, sop_instance_uid=name)
    assert name == read.SOPInstanceUID
