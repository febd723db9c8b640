"""A length measured in the sample with OHIF's tool, and a report of it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e import screen
from tools.sample import study_link

MEASURED = re.compile(r"^\d+(\.\d+)? mm$")


def measure_and_report(page: Page, url: str, user: str, password: str) -> None:
    """Measures a length in the sample, and asks OHIF for a report of it."""
    page.goto(study_link(url))
    screen.log_in(page, user, password)
    screen.settled_picture(page)
    page.locator("[data-cy=MeasurementTools-split-button-primary]").click()
    box = page.locator(screen.CANVAS).first.bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - 80, middle[1] - 60)
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] - 20, steps=5)
    page.mouse.move(middle[0] + 80, middle[1] + 20, steps=5)
    page.mouse.up()
    # OHIF asks whether to track measurements; only those make a report.
    page.get_by_text("Yes", exact=True).click()
    page.locator("[data-cy=trackedMeasurements-btn]").click()
    expect(page.get_by_text(MEASURED).first).to_be_visible()
    page.get_by_text("Create SR").click()


def save_report(page: Page) -> None:
    """Save the report that was asked for."""
    page.get_by_placeholder("Report name").fill("Length")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("saved successfully").first).to_be_visible(timeout=15_000)
