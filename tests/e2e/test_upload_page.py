"""OHIF's upload takes a whole folder, counts right, and says why it refused a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE
from tests.e2e.objects import file_of, picture, stow
from tools.dicomweb import StackOutputs

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the page is the same")

INSTANCES = 1500
REFUSED = {
    "DICOMDIR": "Refused: a DICOMDIR or damaged, not an object that can be stored.",
    "another patient's.dcm": "Refused: its identifiers belong to another patient or study.",
    "empty.dcm": "Not a valid DICOM file.",
    "readme.txt": "Not a valid DICOM file.",
}


@pytest.fixture
def folder(session: Sessions, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder as a CD has it, and the UID of its study."""
    made = picture(PatientName="SYNTHETIC^FOLDER")
    for number in range(INSTANCES):
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
        made.InstanceNumber = number + 1
        (tmp_path / f"IM{number:05}").write_bytes(file_of(made))
    (tmp_path / "DICOMDIR").write_bytes(Path(str(get_testdata_file("DICOMDIR"))).read_bytes())
    (tmp_path / "readme.txt").write_text("Open index.htm to see the images.")
    (tmp_path / "empty.dcm").write_bytes(b"")
    admin, stored = session("pacsadmin"), picture()
    assert stow(admin, stored).status_code == 200
    (tmp_path / "another patient's.dcm").write_bytes(
        file_of(picture(StudyInstanceUID=str(stored.StudyInstanceUID), PatientID="SOMEBODY-ELSE"))
    )
    yield tmp_path, str(made.StudyInstanceUID)
    for study in (made, stored):
        delete(admin, "Study", StudyInstanceUID=str(study.StudyInstanceUID))


def test_a_folder_of_1500_files(page: Page, outputs: StackOutputs, session: Sessions, folder: tuple[Path, str]) -> None:
    files, study = folder
    page.goto("/")
    screen.log_in(page, "reporter", outputs.credentials["reporter"])
    page.get_by_role("button", name="Upload").click()
    page.locator('input[type="file"]:not([webkitdirectory])').set_input_files(sorted(files.iterdir()))
    upload = page.get_by_role("dialog")
    expect(upload.get_by_text(f"{INSTANCES + len(REFUSED)} files completed.", exact=True)).to_be_visible(
        timeout=300_000
    )
    screen.keep(page, "upload-of-a-folder")
    expect(upload.get_by_text(f"Completed with {len(REFUSED)} errors!")).to_be_visible()
    lines = [line for line in upload.inner_text().splitlines() if line.strip()]
    assert {name: lines[lines.index(name) + 1] for name in REFUSED} == REFUSED
    found = session("viewer").get("/pacs/studies", params={"StudyInstanceUID": study, "includefield": "00201208"})
    assert found.json()[0]["00201208"]["Value"] == [INSTANCES]
