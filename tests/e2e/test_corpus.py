"""Objects of others and of every kind: stored, opened in the browser, and answered by the gateway as by the archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as NotThere
from pydicom import dcmread

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import AE_TITLE, ARCHIVE, Stack
from tests.e2e.kinds import Kind, kinds
from tests.e2e.objects import stow
from tests.e2e.public_files import FOLDER, PublicFile, broken_files, public_files
from tools.dicomweb import StackOutputs
from tools.sample import study_uid

of_orthanc = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the stand-in's objects are Orthanc's")

ROOT = Path(__file__).resolve().parents[2]
FILES = public_files()
KINDS = kinds()
SECONDS = 20

NOT_STORED = {
    "MR_truncated.dcm": "shorter than its own lengths say",
    "SC_rgb_jpeg.dcm": "a sequence that DCMTK cannot parse",
    "rtplan_truncated.dcm": "shorter than its own lengths say",
    "rtdose_rle.dcm": "a sequence that DCMTK cannot parse",
    "rtdose_rle_1frame.dcm": "a sequence that DCMTK cannot parse",
}
"""Refused when stored."""
WITHOUT_A_VIEWPORT = {
    "rtplan.dcm": "an RT plan",
    "liver_1frame.dcm": "a segmentation whose images are not stored",
    "liver_expb_1frame.dcm": "a segmentation whose images are not stored",
}
NOT_DRAWN = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "a damaged JPEG 2000 stream",
    "SC_rgb_rle_32bit.dcm": "RLE with 32 bits per sample",
    "SC_rgb_rle_32bit_2frame.dcm": "RLE with 32 bits per sample",
    "SC_ybr_full_422_uncompressed.dcm": "uncompressed YBR_FULL_422",
    "badVR.dcm": "a number of frames that is no number",
    "test-SR.dcm": "a report with an item without a concept name",
}
"""By what in docs/reference/dicomweb.md says so."""
REPORTS = {"reportsi.dcm": "Document Title", "reportsi_with_empty_number_tags.dcm": "Document Title"}
"""A text on the page."""
CANVASES = """() => [...document.querySelectorAll("canvas")].map(it => it.getBoundingClientRect())
    .filter(it => Math.min(it.width, it.height) > 100)
    .map(it => [it.left, it.top, it.right, it.bottom].map(Math.round))"""
SHOWN = [name for name in FILES if name not in {*NOT_STORED, *WITHOUT_A_VIEWPORT, *NOT_DRAWN}]


@dataclass
class Reader:
    """A page whose failures are collected."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("response", lambda it: self.refused.append(f"{it.status} {it.url}") if it.status >= 400 else None)
        self.page.on("console", lambda it: self.errors.append(it.text) if it.type == "error" else None)
        self.page.on("pageerror", lambda it: self.errors.append(str(it)))

    def open(self, study: str, mode: str = "viewer") -> None:
        """Open a study in a mode of OHIF."""
        self.refused.clear()
        self.errors.clear()
        self.page.goto(f"/ohif-viewer/{mode}?StudyInstanceUIDs={study}")
        self.page.locator("canvas, [data-cy=viewport-pane], [data-viewportid]").first.wait_for(timeout=SECONDS * 1000)

    def shades(self) -> list[NDArray[np.int64]]:
        """What is drawn on each canvas, in 8 bits for each of the three colours."""
        boxes = self.page.evaluate(CANVASES)
        page = np.asarray(Image.open(BytesIO(self.page.screenshot())).convert("RGB")).astype(int)
        return [page[top:bottom, left:right] for left, top, right, bottom in boxes]

    def lit(self) -> float:
        """Share of the points of the fullest canvas that are not black; the texts in its corners are about 0.01."""
        return max((float((it.max(axis=2) > 25).mean()) for it in self.shades()), default=0.0)

    def coloured(self) -> float:
        """Share of the points of the fullest canvas that are of a colour."""
        return max((float((np.ptp(it, axis=2) > 60).mean()) for it in self.shades()), default=0.0)


@pytest.fixture(scope="module")
def stored(session: Sessions) -> Iterator[dict[str, int]]:
    """Status of the answer to each object that was stored, by its name."""
    admin = session("pacsadmin")
    statuses = {name: stow(admin, file.content).status_code for name, file in FILES.items()}
    if ARCHIVE is ArchiveKind.ORTHANC:
        statuses |= {name: stow(admin, *kind.objects).status_code for name, kind in KINDS.items()}
    yield statuses
    studies = [file.uids["StudyInstanceUID"] for file in FILES.values()]
    studies += [str(kind.objects[0].StudyInstanceUID) for kind in KINDS.values()]
    for study in studies:
        delete(admin, "Study", StudyInstanceUID=study)


@pytest.fixture(scope="module")
def reader(stack: Stack, browser: Browser, outputs: StackOutputs) -> Iterator[Reader]:
    """A browser in which `viewer` is signed in, for all objects."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    # Its tour would cover what is drawn; it is shown at the first study only.
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={study_uid()}")
    screen.settled_picture(page)
    yield Reader(page)
    context.close()


def wait_for(reader: Reader, name: str, least: float, share: str = "lit") -> None:
    """Wait until so much is drawn."""
    seen = 0.0
    for _ in range(SECONDS * 4):
        seen = getattr(reader, share)()
        if seen > least:
            break
        reader.page.wait_for_timeout(250)
    screen.keep(reader.page, f"corpus-{re.sub(r'[^A-Za-z0-9]+', '-', name)}")
    assert seen > least, (name, seen, reader.refused, reader.errors)


@of_orthanc
@pytest.mark.parametrize("name", SHOWN)
def test_a_public_file_is_shown(reader: Reader, stored: dict[str, int], name: str) -> None:
    assert stored[name] == 200
    reader.open(FILES[name].uids["StudyInstanceUID"])
    if name in REPORTS:
        reader.page.get_by_text(REPORTS[name]).first.wait_for(timeout=SECONDS * 1000)
    else:
        wait_for(reader, name, 0.015)
    assert reader.refused == reader.errors == []


@of_orthanc
@pytest.mark.parametrize("name", NOT_STORED)
def test_a_damaged_file_is_refused(stored: dict[str, int], name: str) -> None:
    assert stored[name] == 400


@of_orthanc
def test_a_file_without_a_study_is_refused(session: Sessions) -> None:
    admin, accepted = session("pacsadmin"), []
    for name, content in broken_files().items():
        if stow(admin, content).status_code < 400:
            accepted.append(name)
            assert (
                delete(admin, "Study", StudyInstanceUID=str(dcmread(FOLDER / name, force=True).StudyInstanceUID)) == 1
            )
    # These lack the preamble only.
    assert accepted == ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"]


@of_orthanc
@pytest.mark.parametrize("name", [*WITHOUT_A_VIEWPORT, *NOT_DRAWN])
def test_what_cannot_be_shown_is_said(reader: Reader, stored: dict[str, int], name: str) -> None:
    assert stored[name] == 200
    reason = (WITHOUT_A_VIEWPORT | NOT_DRAWN)[name]
    assert reason in (ROOT / "docs/reference/dicomweb.md").read_text()
    with suppress(NotThere):
        reader.open(FILES[name].uids["StudyInstanceUID"])
    # The study's panel with the way back, or OHIF's sentence.
    said = re.compile("Studies.*Sign out|Sign out.*Studies|something went wrong", re.DOTALL)
    expect(reader.page.locator("body")).to_have_text(said, use_inner_text=True, timeout=SECONDS * 1000)


@of_orthanc
@pytest.mark.parametrize("name", KINDS)
def test_a_kind_of_object_is_shown(reader: Reader, stored: dict[str, int], name: str) -> None:
    assert stored[name] == 200
    kind: Kind = KINDS[name]
    reader.open(str(kind.objects[0].StudyInstanceUID), kind.mode)
    wait_for(reader, name, 0.05)
    if kind.overlay:
        before = reader.coloured()
        reader.page.locator('[data-cy="study-browser-thumbnail-no-image"]').first.dblclick(timeout=15_000)
        for answer in ("Yes", "Load"):
            with suppress(NotThere):
                reader.page.get_by_role("button", name=answer, exact=True).first.click(timeout=3000)
                break
        wait_for(reader, name, before + 0.002, "coloured")
    assert reader.refused == reader.errors == []


def normal(answer: httpx.Response) -> tuple[int, str, bytes]:
    """An answer without what differs: the boundary of its parts, and the links, which are the gateway's there."""
    kind, content = answer.headers.get("Content-Type", ""), answer.content
    content = content.replace(f"{SERVICES[ARCHIVE][2]}/studies".encode(), b"/pacs/studies")
    for boundary in re.findall(r'boundary="?([^";]+)', kind):
        kind, content = kind.replace(boundary, "X"), content.replace(boundary.encode(), b"X")
    return answer.status_code, kind, content


SERVICES = {
    ArchiveKind.ORTHANC: ("orthanc", 8042, "/dicom-web"),
    ArchiveKind.DCM4CHEE: ("dcm4chee", 8080, f"/dcm4chee-arc/aets/{AE_TITLE}/rs"),
}
"""Container, port and DICOMweb root."""


@pytest.fixture(scope="module")
def archive(stack: Stack) -> Iterator[httpx.Client]:
    """The archive itself, from this machine."""
    name, port, root = SERVICES[ARCHIVE]
    container = stack.container(name)
    (address,) = {
        it["IPAddress"]
        for network, it in container.attrs["NetworkSettings"]["Networks"].items()
        if network.endswith("archive")
    }
    host = stack.url.split("//")[1]
    headers = {"Host": host, "Forwarded": f"host={host};proto=http", "X-Forwarded-Proto": "http"}
    if ARCHIVE is ArchiveKind.ORTHANC:
        authorization = container.exec_run(["cat", "/etc/orthanc-health"], user="root").output
        assert isinstance(authorization, bytes)
        headers["Authorization"] = authorization.decode().strip()
    with httpx.Client(base_url=f"http://{address}:{port}{root}", headers=headers, timeout=60) as client:
        yield client


REQUESTS = (
    ("{study}/series", "application/dicom+json"),
    ("{series}/instances?includefield=all", "application/dicom+json"),
    ("{study}/metadata", "application/dicom+json"),
    ("{series}/metadata", "application/dicom+json"),
    ("{instance}/metadata", "application/dicom+json"),
    ("{instance}", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
    ("{instance}/frames/1", 'multipart/related; type="application/octet-stream"; transfer-syntax=*'),
    ("{instance}/frames/1", 'multipart/related; type="application/octet-stream"'),
    ("{instance}/rendered", "image/jpeg"),
    ("{instance}/thumbnail", "image/jpeg"),
)


@pytest.mark.parametrize("name", [name for name in FILES if name not in NOT_STORED])
def test_the_gateway_answers_as_the_archive(
    session: Sessions, archive: httpx.Client, stored: dict[str, int], name: str
) -> None:
    file: PublicFile = FILES[name]
    study, series = f"/studies/{file.uids['StudyInstanceUID']}", f"/series/{file.uids['SeriesInstanceUID']}"
    paths = {"study": study, "series": study + series, "instance": file.instance.removeprefix("/pacs")}
    requests = [
        (f"/studies?StudyInstanceUID={file.uids['StudyInstanceUID']}&includefield=all", "application/dicom+json")
    ]
    requests += [(path.format(**paths), accept) for path, accept in REQUESTS]
    _, _, metadata = normal(archive.get(f"{paths['instance']}/metadata"))
    bulk = re.findall(rb'BulkDataURI" ?: ?"[^"]*?/pacs(/[^"]+)"', metadata)
    requests += [(path.decode(), "multipart/related; type=application/octet-stream") for path in bulk[:3]]
    viewer = session("viewer")
    for path, accept in requests:
        gate = normal(viewer.get(f"/pacs{path}", headers={"Accept": accept}))
        itself = normal(archive.get(path, headers={"Accept": accept}))
        if itself[0] >= 400:
            # The gateway has its own pages for errors.
            assert gate[0] == itself[0], (path, accept)
        else:
            assert gate == itself, (path, accept)
