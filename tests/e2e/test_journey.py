"""What users do in the browser: sign in, find the study, read it; administer; be refused in plain words."""

from __future__ import annotations

import re

from playwright.sync_api import ConsoleMessage, Page, expect

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import API
from tests.e2e.harness import AE_TITLE, ARCHIVE, Stack
from tools.dicomweb import StackOutputs
from tools.sample import PATIENT_ID, SLICES, STUDY_DESCRIPTION, study_link, study_uid

OWN_PAGES = {ArchiveKind.ORTHANC: ["Orthanc"], ArchiveKind.DCM4CHEE: ["DCM4CHEE", AE_TITLE]}
"""What the archive's own pages say, and what they say once they have asked its API."""


def test_viewer_signs_in_and_reads_the_study(page: Page, outputs: StackOutputs) -> None:
    broken_policies: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            broken_policies.append(message.text)

    page.on("console", listen)
    page.goto("/")
    expect(page.locator("#kc-form-login")).to_be_visible()
    rules = page.evaluate(
        "Array.from(document.styleSheets).filter(sheet => (sheet.href || '').includes('/login/ohif/'))"
        ".map(sheet => sheet.cssRules.length)"
    )
    assert rules, "no style sheet of the theme ohif"
    assert max(rules) > 0, "the theme's style sheet is empty"
    screen.keep(page, "login")

    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)
    screen.keep(page, "study-list")

    screen.open_sample_from_study_list(page)
    first = screen.settled_picture(page)
    screen.keep(page, "first-slice")

    page.locator(screen.CANVAS).first.hover()
    page.mouse.wheel(0, 120)
    second = screen.changed_picture(page, first)
    screen.keep(page, "next-slice-by-wheel")

    page.keyboard.press("ArrowDown")
    screen.changed_picture(page, second)
    screen.keep(page, "next-slice-by-key")
    assert not broken_policies


def test_study_list_names_the_study(page: Page, outputs: StackOutputs) -> None:
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    study = page.get_by_role("row").filter(has_text="SYNTHETIC")
    expect(study).to_be_visible(timeout=30_000)
    for actual in ("29-Feb-2024", "CT", str(SLICES), STUDY_DESCRIPTION):
        expect(study).to_contain_text(actual)


def test_deep_link_survives_login(page: Page, stack: Stack, outputs: StackOutputs) -> None:
    page.goto(study_link(stack.url))
    expect(page.locator("#kc-form-login")).to_be_visible()
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(study_link(stack.url))
    screen.settled_picture(page)
    screen.keep(page, "deep-link")


def test_sample_reconstructs_in_three_planes(page: Page, stack: Stack, outputs: StackOutputs) -> None:
    page.goto(study_link(stack.url))
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    screen.settled_picture(page)
    page.locator("[data-cy=Layout]").click()
    page.get_by_text("MPR", exact=True).first.click()
    expect(page.locator(screen.CANVAS)).to_have_count(3)
    screen.settled_picture(page)
    screen.keep(page, "three-planes")


def test_pacsadmin_reaches_the_archive(page: Page, outputs: StackOutputs) -> None:
    page.goto("/pacs-admin/")
    screen.log_in(page, "pacsadmin", outputs.credentials["pacsadmin"])
    page.wait_for_url(re.compile(r"/pacs-admin/"))
    for actual in OWN_PAGES[ARCHIVE]:
        expect(page.get_by_text(re.compile(actual)).first).to_be_attached(timeout=15_000)
    page.wait_for_load_state("networkidle")
    screen.keep(page, "archive")
    studies = page.evaluate(f"fetch('{API}/studies?expand').then(answer => answer.json())")
    assert [study["MainDicomTags"]["StudyInstanceUID"] for study in studies].count(study_uid()) == 1
    assert PATIENT_ID in {study["PatientMainDicomTags"]["PatientID"] for study in studies}


def test_viewer_is_refused_at_the_archive(page: Page, outputs: StackOutputs) -> None:
    page.goto("/pacs-admin/")
    with page.expect_response(lambda answer: answer.status == 403) as refused:
        screen.log_in(page, "viewer", outputs.credentials["viewer"])
    assert "/pacs-admin" in refused.value.url
    expect(page.locator("h1")).to_be_visible()
    screen.keep(page, "refused-at-archive")


def test_person_without_role_is_refused_in_plain_words(page: Page, outputs: StackOutputs) -> None:
    page.goto("/")
    with page.expect_response(lambda answer: answer.status == 403) as refused:
        screen.log_in(page, "norole", outputs.credentials["norole"])
    assert "/ohif-viewer" in refused.value.url
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("a[href='/logout']")).to_be_visible()
    screen.keep(page, "refused-without-role")
