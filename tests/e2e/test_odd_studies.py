"""Studies that lack attributes, or contain characters with a meaning in a query: listed, opened and never mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack
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


NAMES = ("Müller^Jürgen", "山田^太郎", "Иванов^Пётр", "O'Brien^Siobhán", "김^희중=金^喜中", "ŁUKASZ^Żółć")
MODALITIES = ("CT", "MR", "US", "CR", "CT", "MR")


@pytest.fixture(scope="module")
def patients(session: Sessions) -> Iterator[list[Dataset]]:
    """A study for each of `NAMES`, of 1 to 6 January 2023, with the patient IDs NAME-0 to NAME-5."""
    made = [
        picture(PatientName=name, PatientID=f"NAME-{number}", StudyDate=f"2023010{number + 1}", Modality=modality)
        for number, (name, modality) in enumerate(zip(NAMES, MODALITIES, strict=True))
    ]
    admin = session("pacsadmin")
    assert stow(admin, *made).status_code == 200
    yield made
    for it in made:
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


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="what DCM4chee does with it is not the stand-in's to show")
@pytest.mark.parametrize("query", ["StudyInstanceUID=1.2*", "StudyInstanceUID=*", "0020000D=1.%3f", "0020000e=%2A"])
def test_a_wildcard_in_a_uid_is_refused_as_orthanc_has_no_answer(viewer: httpx.Client, query: str) -> None:
    assert viewer.get(f"/pacs/studies?{query}").status_code == 400
    assert viewer.get("/pacs/studies?PatientID=SYN*").status_code == 200


@pytest.fixture(scope="module")
def signed_in(stack: Stack, browser: Browser, outputs: StackOutputs) -> Iterator[Page]:
    """A page in which `viewer` opens one study after another."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    yield page
    context.close()


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


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the stand-in's search is Orthanc's")
@pytest.mark.usefixtures("patients")
@pytest.mark.parametrize(
    ("name", "number"),
    [
        *(("Müller*", 0), ("müller*", 0), ("*ürgen*", 0), ("山田*", 1), ("*太郎*", 1), ("Иванов*", 2), ("иванов*", 2)),
        *(("O'Brien*", 3), ("*siobhán", 3), ("김*", 4), ("*金*", 4), ("łukasz*", 5), ("*żółć*", 5)),
    ],
)
def test_a_name_is_found_in_any_alphabet_and_by_part(viewer: httpx.Client, name: str, number: int) -> None:
    assert found(viewer, f"PatientName={quote(name)}&limit=101") == [f"NAME-{number}"]


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the stand-in's search is Orthanc's")
@pytest.mark.usefixtures("patients")
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("StudyDate=20230102-20230104", [1, 2, 3]),
        ("StudyDate=-20230102", [0, 1]),
        ("StudyDate=20230105-20230106", [4, 5]),
        ("ModalitiesInStudy=CT,MR&StudyDate=20230101-20230106", [0, 1, 4, 5]),
        ("ModalitiesInStudy=CT%2CMR&StudyDate=20230101-20230106", [0, 1, 4, 5]),
        ("ModalitiesInStudy=US&StudyDate=20230101-20230106", [2]),
    ],
)
def test_dates_and_modalities_are_found(viewer: httpx.Client, query: str, numbers: list[int]) -> None:
    assert sorted(found(viewer, f"{query}&limit=101")) == [f"NAME-{number}" for number in numbers]


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="DCM4chee has rules of its own")
@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("uid", [f"1.2.{'3' * 61}", f"1.2.{'3' * 80}", "1.2.abc", "1.2.", ".1.2", "1..2", "1.2/3", "*"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_uid_is_refused_when_it_is_stored(session: Sessions, level: str, uid: str) -> None:
    answer = stow(session("pacsadmin"), picture(PatientID="NO-UID", **{level: uid}))
    assert answer.status_code == 400
    assert found(session("viewer"), "PatientID=NO-UID") == []
