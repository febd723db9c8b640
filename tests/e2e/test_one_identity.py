"""A UID names one thing: what would give it a second meaning is refused at the archive, by every entrance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from bootstrap.console import UserError
from settings import ArchiveKind
from tests.e2e.archive import API, delete
from tests.e2e.conftest import Sessions, cannot
from tests.e2e.harness import ARCHIVE
from tests.e2e.modality import Modality
from tests.e2e.objects import file_of, found, picture, refused, stow
from tools import debian_tools

ORTHANC = ARCHIVE is ArchiveKind.ORTHANC
only_orthanc = pytest.mark.skipif(not ORTHANC, reason="what DCM4chee does here is not the stand-in's to show")


def other(made: Dataset, **changes: object) -> Dataset:
    """Another instance with the same UIDs of study and series but for the changes."""
    copy = deepcopy(made)
    for name, value in {"SOPInstanceUID": generate_uid(None), **changes}.items():
        setattr(copy, name, value)
    copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    return copy


def conflicts() -> dict[str, Callable[[Dataset], Dataset]]:
    return {
        "study under another patient": lambda it: other(it, PatientID="MALLORY", SeriesInstanceUID=generate_uid(None)),
        "study without a patient": lambda it: other(it, PatientID="", SeriesInstanceUID=generate_uid(None)),
        "study in other letters": lambda it: other(it, PatientID=str(it.PatientID).lower()),
        "series in another study": lambda it: other(it, StudyInstanceUID=generate_uid(None)),
        "instance in another series": lambda it: other(
            it, SOPInstanceUID=it.SOPInstanceUID, SeriesInstanceUID=generate_uid(None)
        ),
        "instance in another study": lambda it: other(
            it,
            SOPInstanceUID=it.SOPInstanceUID,
            SeriesInstanceUID=generate_uid(None),
            StudyInstanceUID=generate_uid(None),
        ),
    }


CONFLICTS = conflicts() if ORTHANC else {k: v for k, v in conflicts().items() if k.startswith("study under")}


@pytest.fixture
def admin(session: Sessions) -> httpx.Client:
    return session("pacsadmin")


@pytest.fixture
def stored(admin: httpx.Client) -> Iterator[Dataset]:
    """A study that is there; gone afterwards with all that has its UIDs."""
    made = picture()
    answer = stow(admin, made)
    assert answer.status_code == 200, answer.text
    yield made
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        level = {"StudyInstanceUID": "Study", "SeriesInstanceUID": "Series", "SOPInstanceUID": "Series"}[name]
        delete(admin, level, **{name: str(getattr(made, name))})


def assert_readable(admin: httpx.Client, made: Dataset) -> None:
    """The study is answered: metadata, and the instance as it was stored."""
    study = f"/pacs/studies/{made.StudyInstanceUID}"
    metadata = admin.get(f"{study}/metadata")
    assert metadata.status_code == 200, metadata.text
    assert {it["00100020"]["Value"][0] for it in metadata.json()} == {str(made.PatientID)}
    instance = f"{study}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
    assert admin.get(instance, headers={"Accept": 'multipart/related; type="application/dicom"'}).status_code == 200


@pytest.mark.parametrize("kind", CONFLICTS)
def test_stow_refuses_a_uid_that_is_stored_elsewhere(admin: httpx.Client, stored: Dataset, kind: str) -> None:
    second = CONFLICTS[kind](stored)
    answer = stow(admin, second)
    assert answer.status_code in (400, 409), answer.text
    assert refused(answer) == [str(second.SOPInstanceUID)]
    assert_readable(admin, stored)


def test_valid_instances_are_stored_when_others_are_refused(admin: httpx.Client, stored: Dataset) -> None:
    belongs, foreign = other(stored, InstanceNumber=2), CONFLICTS["study under another patient"](stored)
    answer = stow(admin, belongs, foreign)
    assert answer.status_code in (202, 409)
    assert refused(answer) == [str(foreign.SOPInstanceUID)]
    assert_readable(admin, stored)
    assert_readable(admin, belongs)


def test_the_same_object_again_is_no_conflict(admin: httpx.Client, stored: Dataset) -> None:
    assert stow(admin, stored).status_code == 200
    assert_readable(admin, stored)


@pytest.mark.parametrize("spelling", ["{} ", "{}   ", " {}", "{}\0", "\t{}"])
def test_white_space_around_an_id_makes_no_study_unreadable(
    admin: httpx.Client, stored: Dataset, spelling: str
) -> None:
    """Behind the ID it is padding. What the archive takes for another ID is refused."""
    answer = stow(admin, other(stored, PatientID=spelling.format(stored.PatientID)))
    assert answer.status_code in ((200,) if spelling.startswith("{} ") else (200, 400, 409)), answer.text
    assert_readable(admin, stored)


def test_a_missing_patient_id_is_an_empty_one(admin: httpx.Client) -> None:
    without = picture(PatientID=None)
    try:
        assert stow(admin, without, other(without, PatientID=""), other(without, PatientID=" ")).status_code == 200
        assert admin.get(f"/pacs/studies/{without.StudyInstanceUID}/metadata").status_code == 200
    finally:
        delete(admin, "Study", StudyInstanceUID=str(without.StudyInstanceUID))


@only_orthanc
@pytest.mark.parametrize("kind", CONFLICTS)
def test_the_archives_own_upload_refuses_it_in_words(admin: httpx.Client, stored: Dataset, kind: str) -> None:
    answer = admin.post(f"{API}/instances", content=file_of(CONFLICTS[kind](stored)))
    assert answer.status_code == 500
    words = answer.json()["Details"]
    assert "Refused: " in words
    assert "Delete that first" in words
    assert str(stored.PatientID) not in words
    assert_readable(admin, stored)


@pytest.mark.parametrize("kind", CONFLICTS)
def test_a_modality_gets_an_error(admin: httpx.Client, stored: Dataset, tmp_path: Path, kind: str) -> None:
    try:
        debian_tools.ensure("dcmtk")
    except UserError as problem:
        cannot(f"no DCMTK: {problem.problem}")
    file = tmp_path / "second.dcm"
    file.write_bytes(file_of(CONFLICTS[kind](stored)))
    said = Modality().run("storescu", "-d", file).stdout
    assert ("0xc409" if ORTHANC else "0xa778") in said, said
    assert "DIMSE Status                  : 0x0000" not in said
    assert_readable(admin, stored)


@only_orthanc
@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("uid", ["*", "1.2.3a", "1." + "2" * 63])
def test_what_is_no_uid_is_refused(admin: httpx.Client, name: str, uid: str) -> None:
    made = picture()
    setattr(made, name, uid)
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
    assert admin.post(f"{API}/instances", content=file_of(made)).status_code == 500
    assert found(admin, f"PatientID={made.PatientID}") == []


@only_orthanc
def test_of_two_writers_at_once_one_wins(admin: httpx.Client) -> None:
    """Each round stores one study UID under several patients at the same moment; one of them is kept, whole."""
    patients = [f"RACE-{number}" for number in range(4)]
    for _ in range(8):
        study = generate_uid(None)
        begin = threading.Barrier(len(patients))
        status: dict[str, int] = {}

        def send(
            patient: str, study: str = study, begin: threading.Barrier = begin, status: dict[str, int] = status
        ) -> None:
            file = file_of(picture(PatientID=patient, StudyInstanceUID=study))
            begin.wait()
            status[patient] = admin.post(f"{API}/instances", content=file).status_code

        writers = [threading.Thread(target=send, args=(patient,)) for patient in patients]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        try:
            assert sorted(status.values()) == [200, 500, 500, 500]
            assert admin.get(f"/pacs/studies/{study}/metadata").status_code == 200
        finally:
            delete(admin, "Study", StudyInstanceUID=str(study))


def test_an_honest_correction_is_deleting_and_sending_again(admin: httpx.Client, stored: Dataset) -> None:
    corrected = other(stored, PatientID="CORRECTED", SOPInstanceUID=stored.SOPInstanceUID)
    assert stow(admin, corrected).status_code in (400, 409)
    delete(admin, "Study", StudyInstanceUID=str(stored.StudyInstanceUID))
    for _ in range(20):
        answer = stow(admin, corrected)
        if answer.status_code == 200:
            break
        threading.Event().wait(2)
    assert answer.status_code == 200, answer.text
    assert_readable(admin, corrected)
