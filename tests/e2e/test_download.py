"""A study as a ZIP file: for the roles that the configuration names."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pydicom import dcmread

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack
from tests.e2e.logs import line_of
from tools import sample
from tools.dicomweb import StackOutputs

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="DCM4chee's ZIP is not the stand-in's")

STUDY = sample.study_uid()
URL = f"/download/{STUDY}.zip"
INSTANCES = {str(sample.uid("instance", sample.SLICES, slice_)) for slice_ in range(sample.SLICES)}


def instances(content: bytes | Path) -> set[str]:
    """SOPInstanceUIDs of the DICOM files in a ZIP file."""
    with zipfile.ZipFile(BytesIO(content) if isinstance(content, bytes) else content) as file:
        return {str(dcmread(BytesIO(file.read(name))).SOPInstanceUID) for name in file.namelist()}


def test_it_holds_every_instance_and_is_in_the_log(stack: Stack, session: Sessions) -> None:
    line, answer = line_of(stack, session("reporter"), "GET", URL)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert instances(answer.content) == INSTANCES
    assert (line["route"], line["user"], line["path"], line["status"]) == ("download", "reporter", URL, 200)


def test_only_the_configured_roles_get_it(session: Sessions) -> None:
    statuses = {user: session(user).head(URL).status_code for user in ("norole", "viewer", "reporter", "pacsadmin")}
    assert statuses == {"norole": 403, "viewer": 403, "reporter": 200, "pacsadmin": 200}


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/download/1.2.3.zip", 404),
        (f"{URL}?accept=x", 400),
        ("/_archive/studies/0aa3b3d9-fc7b3c4d-ee4cfc08-c2a45aaf-09fd0f8b/archive", 404),
        ("/scripted/studies/1.2/archive", 404),
    ],
)
def test_nothing_else_is_behind_it(session: Sessions, url: str, status: int) -> None:
    assert session("reporter").get(url).status_code == status


def test_the_viewer_offers_it_to_those_who_may(page: Page, outputs: StackOutputs, tmp_path: Path) -> None:
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={STUDY}")
    screen.log_in(page, "reporter", outputs.credentials["reporter"])
    screen.settled_picture(page)
    screen.keep(page, "download")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename == f"{STUDY}.zip"
    started.value.save_as(tmp_path / "study.zip")
    assert instances(tmp_path / "study.zip") == INSTANCES
    # The page is still the study's.
    assert str(STUDY) in page.url


def test_the_viewer_does_not_offer_it_to_others(page: Page, outputs: StackOutputs) -> None:
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={STUDY}")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    screen.settled_picture(page)
    assert page.get_by_role("link", name="Sign out").is_visible()
    assert not page.get_by_role("link", name="Download").count()
