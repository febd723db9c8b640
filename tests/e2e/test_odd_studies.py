"""Studies that lack attributes, or contain characters with a meaning in a query: listed, opened and never mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE
from tests.e2e.objects import found, picture, stow
from tools.dicomweb import StackOutputs
from tools.sample import PATIENT_ID, STUDY_DESCRIPTION

LACKING: Mapping[str, Mapping[str, object]] = {
    "no modality": {"Modality": None},
    "empty modality": {"Modality": ""},
    "no date": {"StudyDate": None, "StudyTime": None},
    "no name": {"PatientName": None},
    "empty name": {"PatientName": ""},
    "no ID": {"PatientID": None},
    "no accession number": {"AccessionNumber": None},
    "nothing": dict.fromkeys(("Modality", "StudyDate", "StudyTime", "PatientName", "AccessionNumber", "StudyID")),
}
ODD_IDS = [
    *("SYN12,OTHER12", "SYN*12", "SYN?12", "SYN&12=3", "SYN%12", "SYN%2C12", "SYN+12", 'SYN"12', "SYN<b>12", "SYN#12;"),
    *("*", "Ünïçode Ø", "患者-12", "שלום"),
]
STRANGERS = ["OTHER12", "SYN12", "SYN", "SYNx12", "SYN,12", "SYN 12", "syn*12", "unicode o"]


@pytest.fixture(scope="module")
def studies(session: Sessions) -> Iterator[dict[str, Dataset]]:
    """One study of each kind, described by its kind, with the strangers' next to them."""
    made = {kind: picture(StudyDescription=f"Lacking {kind}", **attributes) for kind, attributes in LACKING.items()}
    for patient in (*ODD_IDS, *STRANGERS):
        made[patient] = picture(PatientID=patient, PatientName=f"ODD^{patient}", StudyDescription=f"Study of {patient}")
    admin = session("pacsadmin")
    answer = stow(admin, *made.values())
    assert answer.status_code == 200, answer.text
    yield made
    for it in made.values():
        delete(admin, "Study", StudyInstanceUID=str(it.StudyInstanceUID))


@pytest.fixture
def viewer(session: Sessions) -> httpx.Client:
    return session("viewer")


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="how DCM4chee reads a comma is not the stand-in's to show")
@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize("key", ["PatientID", "00100020"])
@pytest.mark.parametrize("patient", [it for it in ODD_IDS if not set(it) & {"*", "?"}])
def test_a_search_for_one_id_finds_that_patient_only(viewer: httpx.Client, key: str, patient: str) -> None:
    if "%2C" in patient or "&" in patient:
        # Orthanc would find another's.
        assert viewer.get(f"/pacs/studies?{key}={quote(patient, safe='')}").status_code == 400
        return
    assert found(viewer, f"{key}={quote(patient, safe='')}") == [patient]
    if "," in patient:
        assert found(viewer, f"{key}={patient}") == [patient]


@pytest.mark.usefixtures("studies")
def test_lists_of_codes_and_uids_stay_lists(viewer: httpx.Client, studies: dict[str, Dataset]) -> None:
    pair = [studies["SYN"], studies["SYN12"]]
    uids = ",".join(str(it.StudyInstanceUID) for it in pair)
    assert found(viewer, f"StudyInstanceUID={uids}") == ["SYN", "SYN12"]
    assert PATIENT_ID in found(viewer, "ModalitiesInStudy=CT,MR")


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="DCM4chee reads a backslash itself")
@pytest.mark.parametrize("query", ["PatientID=A%5CB", "PatientID=A\\B", "StudyInstanceUID=1.2%5c1.3"])
def test_a_backslash_is_refused_as_orthanc_would_leave_it_out(viewer: httpx.Client, query: str) -> None:
    assert viewer.get(f"/pacs/studies?{query}").status_code == 400


@pytest.fixture
def signed_in(page: Page, outputs: StackOutputs) -> Page:
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    return page


def test_the_list_is_complete(signed_in: Page, studies: dict[str, Dataset]) -> None:
    signed_in.goto("/ohif-viewer/?resultsPerPage=100")
    expect(signed_in.get_by_text(STUDY_DESCRIPTION)).to_be_visible(timeout=30_000)
    for kind, made in studies.items():
        assert signed_in.get_by_text(made.StudyDescription, exact=True).count() == 1, kind
    screen.keep(signed_in, "odd-studies-list")


@pytest.mark.parametrize("kind", LACKING)
def test_a_study_that_lacks_attributes_opens(signed_in: Page, studies: dict[str, Dataset], kind: str) -> None:
    signed_in.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={studies[kind].StudyInstanceUID}")
    screen.settled_picture(signed_in)
    screen.keep(signed_in, f"odd-study-{kind.replace(' ', '-')}")


@pytest.mark.parametrize("patient", ODD_IDS)
def test_the_viewer_shows_no_strangers_study(signed_in: Page, studies: dict[str, Dataset], patient: str) -> None:
    # OHIF asks for all studies of the patient by the ID, and its panel lists them.
    with signed_in.expect_response(re.compile(r"/pacs/studies\?.*00100020="), timeout=30_000) as search:
        signed_in.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={studies[patient].StudyInstanceUID}")
    assert search.value.status == 200
    screen.settled_picture(signed_in)
    signed_in.wait_for_timeout(1500)
    expect(signed_in.get_by_text(f"Study of {patient}", exact=True).first).to_be_visible()
    for other in (*ODD_IDS, *STRANGERS):
        if other != patient:
            assert signed_in.get_by_text(f"Study of {other}", exact=True).count() == 0, other
    screen.keep(signed_in, f"odd-patient-{ODD_IDS.index(patient)}")
