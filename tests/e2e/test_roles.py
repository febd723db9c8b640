"""What each role may do where a person notices it: storing, from a program and in OHIF, and losing a role."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO

import httpx
import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedSRStorage

from components.gateway.limits import AUTH_CACHE_SECONDS
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.harness import Stack
from tests.e2e.measuring import MEASURED, measure_and_report, save_report
from tests.e2e.realm import Realm
from tools import sample
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in, store
from tools.sample import study_uid


@pytest.fixture
def admin(stack: Stack, outputs: StackOutputs) -> Iterator[httpx.Client]:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as client:
        yield client


@pytest.fixture
def without_reports(admin: httpx.Client) -> Iterator[None]:
    """The sample has no reports before and after."""
    reports = {"StudyInstanceUID": str(study_uid()), "Modality": "SR"}
    delete(admin, "Series", **reports)
    yield
    delete(admin, "Series", **reports)


@pytest.mark.parametrize(("user", "may"), [("viewer", False), ("reporter", True), ("pacsadmin", True)])
def test_known_problem_17_who_may_store(
    stack: Stack, outputs: StackOutputs, admin: httpx.Client, user: str, may: bool
) -> None:
    slice_ = sample.instance(0)
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = sample.uid("roles study"), sample.uid("roles series")
    slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = sample.uid("roles instance")
    file = BytesIO()
    slice_.save_as(file, enforce_file_format=True)
    with closing(sign_in(stack.url, user, outputs.credentials[user])) as person:
        if may:
            store(person, [file.getvalue()])
        else:
            with pytest.raises(GatewayClientError, match="403"):
                store(person, [file.getvalue()])
    assert delete(admin, "Study", StudyInstanceUID=str(slice_.StudyInstanceUID)) == int(may)


def reports(person: httpx.Client) -> list[dict[str, dict[str, list[str]]]]:
    answer = person.get(f"/pacs/studies/{study_uid()}/series", params={"Modality": "SR"})
    listed: list[dict[str, dict[str, list[str]]]] = answer.json() if answer.status_code == 200 else []
    return listed


@pytest.mark.usefixtures("without_reports")
def test_reporter_saves_a_measurement_and_reads_it_back(
    page: Page, stack: Stack, outputs: StackOutputs, admin: httpx.Client
) -> None:
    measure_and_report(page, stack.url, "reporter", outputs.credentials["reporter"])
    save_report(page)
    screen.keep(page, "report-saved")

    (series,) = reports(admin)
    (metadata,) = admin.get(f"/pacs/studies/{study_uid()}/series/{series['0020000E']['Value'][0]}/metadata").json()
    report = Dataset.from_json(metadata)
    assert report.SOPClassUID == EnhancedSRStorage
    lengths = [float(element.value) for element in report.iterall() if element.keyword == "NumericValue"]
    assert lengths

    page.reload()
    screen.settled_picture(page)
    page.locator("[data-cy=study-browser-thumbnail-no-image]").dblclick()
    page.get_by_role("button", name="Yes").click()
    panel = page.locator("[data-cy=trackedMeasurements-btn]")
    if not page.get_by_text("Create SR").is_visible():
        panel.click()
    shown = page.get_by_text(MEASURED).first
    expect(shown).to_be_visible()
    screen.keep(page, "report-read-back")
    length = float((shown.text_content() or "").split()[0])
    print(f"measured {length} mm, stored {lengths}")
    assert any(abs(length - stored) < 0.1 for stored in lengths)


@pytest.mark.usefixtures("without_reports")
def test_known_problem_17_viewer_shows_that_nothing_can_be_saved(
    page: Page, stack: Stack, outputs: StackOutputs, admin: httpx.Client
) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    measure_and_report(page, stack.url, "viewer", outputs.credentials["viewer"])
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("not store")
    expect(dialog).to_contain_text("reporter")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    screen.keep(page, "viewer-cannot-save")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".dcm")
    assert not [request for request in sent if request.startswith("POST") and "/pacs/" in request]
    assert reports(admin) == []


def test_lost_role_and_disabled_person_are_out_soon(stack: Stack, outputs: StackOutputs) -> None:
    realm = Realm(stack, outputs.credentials["admin"])
    life = int(realm.ask("GET", "")["accessTokenLifespan"])
    latest = life + AUTH_CACHE_SECONDS + 1

    def seconds_until(person: httpx.Client, status: int) -> float:
        began = time.monotonic()
        while (seen := person.get("/pacs/studies").status_code) != status:
            assert seen == 200
            assert time.monotonic() - began < latest, f"still there after {latest} s"
            time.sleep(0.1)
        return time.monotonic() - began

    password = secrets.token_urlsafe(18)
    with (
        realm.person("loses-role", password, "viewer"),
        realm.person("is-disabled", password, "viewer"),
        closing(sign_in(stack.url, "loses-role", password)) as loser,
        closing(sign_in(stack.url, "is-disabled", password)) as disabled,
        ThreadPoolExecutor(2) as pool,
    ):
        assert loser.get("/pacs/studies").status_code == disabled.get("/pacs/studies").status_code == 200
        realm.take_role("loses-role", "viewer")
        lost = pool.submit(seconds_until, loser, 403)
        realm.disable("is-disabled")
        gone = pool.submit(seconds_until, disabled, 401)
        print(f"out after: role taken {lost.result():.1f} s, disabled {gone.result():.1f} s (tokens live {life} s)")
        with pytest.raises(GatewayClientError, match="refused"):
            sign_in(stack.url, "is-disabled", password)
