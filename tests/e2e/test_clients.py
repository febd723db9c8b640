"""Requests of other DICOMweb clients, and objects other than images: answered as PS3.18 allows, and shown."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, generate_uid

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import API, delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, wait_until
from tests.e2e.objects import SIZE, file_of, picture, stow
from tools import sample
from tools.dicomweb import StackOutputs

RED = (255, 0, 0)
IMAGE_ATTRIBUTES = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "HighBit", "WindowCenter", "WindowWidth", "PixelData"),
)


def pdf_file() -> bytes:
    """A page that is red, as large as its viewer shows it."""
    page = BytesIO()
    Image.new("RGB", (400, 300), RED).save(page, "PDF")
    return page.getvalue()


@pytest.fixture(scope="module")
def stored(session: Sessions) -> Iterator[dict[str, Dataset]]:
    """An image, and a PDF report."""
    image = picture(StudyDescription="Image for clients")
    report = picture(StudyDescription="Report", Modality="DOC", **dict.fromkeys(IMAGE_ATTRIBUTES))
    content = pdf_file()
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    report.BurnedInAnnotation, report.DocumentTitle = "NO", "Synthetic report"
    report.MIMETypeOfEncapsulatedDocument = "application/pdf"
    report.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    admin = session("pacsadmin")
    answer = stow(admin, image, report)
    assert answer.status_code == 200, answer.text
    yield {"image": image, "report": report}
    for it in (image, report):
        delete(admin, "Study", StudyInstanceUID=str(it.StudyInstanceUID))


@pytest.fixture
def viewer(session: Sessions) -> httpx.Client:
    return session("viewer")


def instance(made: Dataset) -> str:
    return f"/pacs/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"


@pytest.mark.parametrize("image", ["rendered", "frames/1/rendered"])
def test_an_image_is_rendered_as_requested(viewer: httpx.Client, stored: dict[str, Dataset], image: str) -> None:
    url = f"{instance(stored['image'])}/{image}"
    sizes = {}
    for query in ("", "?viewport=64,64", "?window=2000,4000,linear", "?quality=50", "?viewport=64,64&quality=90"):
        answer = viewer.get(f"{url}{query}", headers={"Accept": "image/jpeg"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg"), query
        sizes[query] = Image.open(BytesIO(answer.content)).size
    assert sizes[""] == sizes["?quality=50"] == (SIZE, SIZE)
    assert sizes["?viewport=64,64"] == sizes["?viewport=64,64&quality=90"] == (64, 64)


def test_frames_of_any_type_are_uncompressed(viewer: httpx.Client, stored: dict[str, Dataset]) -> None:
    """Python's dicomweb-client asks so."""
    made = stored["image"]
    answer = viewer.get(f"{instance(made)}/frames/1", headers={"Accept": 'multipart/related; type="*/*"'})
    assert answer.status_code == 200
    assert made.PixelData in answer.content


def test_an_instance_of_any_type_is_a_dicom_file(viewer: httpx.Client, stored: dict[str, Dataset]) -> None:
    answer = viewer.get(instance(stored["image"]), headers={"Accept": 'multipart/related; type="*/*"'})
    assert answer.status_code == 200
    assert b"DICM" in answer.content[:1000]


def test_a_name_without_a_character_set_is_read_in_the_configured_one(session: Sessions, viewer: httpx.Client) -> None:
    placeholder, name = "PLACEHOLDER^OF^TWENTY^FOUR", "Синтетика^Имя"
    made = picture(SpecificCharacterSet=None, PatientName=placeholder)
    # pydicom itself would encode the name.
    content = file_of(made).replace(placeholder.encode(), name.encode().ljust(len(placeholder)))
    assert stow(session("pacsadmin"), content).status_code == 200
    try:
        (found,) = viewer.get(f"/pacs/studies?StudyInstanceUID={made.StudyInstanceUID}").json()
        assert found["00100010"]["Value"] == [{"Alphabetic": name}]
    finally:
        delete(session("pacsadmin"), "Study", StudyInstanceUID=str(made.StudyInstanceUID))


def test_study_metadata_hold_all_attributes(viewer: httpx.Client, stored: dict[str, Dataset]) -> None:
    made, json = stored["image"], {"Accept": "application/dicom+json"}
    (of_study,) = viewer.get(f"/pacs/studies/{made.StudyInstanceUID}/metadata", headers=json).json()
    (of_instance,) = viewer.get(f"{instance(made)}/metadata", headers=json).json()
    assert set(of_study) == set(of_instance)
    assert of_study["00280010"]["Value"] == [SIZE]


def test_bulk_data_is_the_value_itself_as_a_single_part(viewer: httpx.Client, stored: dict[str, Dataset]) -> None:
    made = stored["report"]
    url = f"{instance(made)}/bulk/00420011"
    answer = viewer.get(url, headers={"Accept": "application/octet-stream"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    assert answer.content == made.EncapsulatedDocument
    absent = viewer.get(f"{instance(made)}/bulk/54001010", headers={"Accept": "application/octet-stream"})
    assert absent.status_code == viewer.get(f"{instance(made)}/bulk/54001010").status_code >= 400


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="Orthanc's own attachment")
def test_metadata_lack_no_instance_that_the_archive_forgot(session: Sessions) -> None:
    """Its plugin keeps a list that is short for a moment, for instance while the database restarts."""
    admin, study = session("pacsadmin"), str(sample.study_uid())
    (series,) = admin.post(f"{API}/tools/find", json={"Level": "Series", "Query": {"StudyInstanceUID": study}}).json()
    url = f"/pacs/studies/{study}/series/{sample.uid('series', sample.SLICES)}/metadata"
    every = admin.get(url).json()
    kept = f"{API}/series/{series}/attachments/4301"
    version, identifiers, compressed = admin.get(f"{kept}/data").content.split(b";", 2)
    short = json.dumps(json.loads(gzip.decompress(compressed))[1:]).encode()
    admin.put(kept, content=b";".join((version, identifiers, gzip.compress(short)))).raise_for_status()
    # What the program's own script keeps in memory would be right: it forgets all at a deletion.
    other = picture()
    assert stow(admin, other).status_code == 200
    delete(admin, "Study", StudyInstanceUID=str(other.StudyInstanceUID))
    for path in (url, f"/pacs/studies/{study}/metadata"):
        assert sorted(map(sop_instance_uid, admin.get(path).json())) == sorted(map(sop_instance_uid, every))
    assert len(every) == sample.SLICES


def test_metadata_follow_what_is_stored_and_deleted(session: Sessions) -> None:
    """Though they are kept in memory once they were read."""
    admin = session("pacsadmin")
    first = picture(PatientID="GROWS")
    series = f"/pacs/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    for number in (1, 2, 3):
        first.InstanceNumber = number
        first.SOPInstanceUID = first.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
        assert stow(admin, first).status_code == 200
        one = f"{series}/instances/{first.SOPInstanceUID}/metadata"
        for _ in range(2):
            wait_until(lambda: len(admin.get(f"{series}/metadata").json()) == number, f"{number} instances", 2)  # noqa: B023
            assert admin.get(one).json()[0]["00080018"]["Value"] == [first.SOPInstanceUID]
    delete(admin, "Study", StudyInstanceUID=str(first.StudyInstanceUID))
    wait_until(lambda: admin.get(one).status_code == 404, "the end of its metadata", 2)
    assert admin.get(f"{series}/metadata").status_code == 404


def sop_instance_uid(metadata: dict[str, dict[str, list[str]]]) -> str:
    return metadata["00080018"]["Value"][0]


FUNCTIONS_FROM_TEXT = {
    "return 1+1": False,
    "return fetch(1)": False,
    "return function construct_View1dint8(a){return new View1dint8(a)}": True,
}
"""Text, and whether a script of the page gets a function for it (assets/viewer/ndarray.js)."""
ATTEMPTS = """
window.admitted = Object.fromEntries(TEXTS.map((text) => {
  try { new Function(text); return [text, true]; } catch (error) { return [text, false]; }
}));
"""


def test_the_page_makes_no_functions_from_text(page: Page, outputs: StackOutputs) -> None:
    def with_attempts(route: Route) -> None:
        """The attempts belong to a script of the page: what a debugger evaluates is exempt from its policy."""
        answer = route.fetch()
        attempts = ATTEMPTS.replace("TEXTS", json.dumps(list(FUNCTIONS_FROM_TEXT)))
        route.fulfill(response=answer, body=answer.text() + attempts)

    page.route("**/app-config.js", with_attempts)
    page.goto("/ohif-viewer/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    page.wait_for_function("window.admitted")
    assert page.evaluate("window.admitted") == FUNCTIONS_FROM_TEXT


def test_a_pdf_report_is_shown(page: Page, outputs: StackOutputs, stored: dict[str, Dataset]) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={stored['report'].StudyInstanceUID}")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    page.locator('object[type="application/pdf"]').first.wait_for(timeout=60_000)
    screen.close_first_visit_hints(page)
    for _ in range(40):
        shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB")).astype(int)
        red = int(((shot[..., 0] > 220) & (shot[..., 1] < 40) & (shot[..., 2] < 40)).sum())
        if red > 2000:
            break
        page.wait_for_timeout(500)
    screen.keep(page, "pdf-report")
    assert red > 2000
    assert refused == []
