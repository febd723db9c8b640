"""What is to be seen in the browser: the steps of a person, and whether pixels of a study were drawn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as NotThere

from tests.e2e.harness import SCREENSHOTS

CANVAS = "canvas.cornerstone-canvas"
FIRST_PICTURE_SECONDS = 60
# A blank or evenly coloured viewport has a deviation of 0 and one grey level; the phantom about 70 and 200.
DEVIATION_OF_A_PICTURE = 15.0
GREY_LEVELS_OF_A_PICTURE = 30


@dataclass(frozen=True)
class Picture:
    """The middle of the viewport, where OHIF writes no text, in grey levels."""

    grey: NDArray[np.uint8]

    @property
    def drawn(self) -> bool:
        """Whether this is a picture and not a blank viewport."""
        levels = len(np.unique(self.grey))
        return float(self.grey.std()) > DEVIATION_OF_A_PICTURE and levels > GREY_LEVELS_OF_A_PICTURE

    def differs_from(self, other: Picture) -> bool:
        """Whether more changed than a blinking pixel."""
        changed = np.abs(self.grey.astype(int) - other.grey.astype(int)) > 2
        return bool(changed.mean() > 0.01)


def keep(page: Page, name: str) -> None:
    """Writes a screenshot for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def log_in(page: Page, user: str, password: str) -> None:
    """Fills in the login form that the page shows."""
    page.locator("#username").fill(user)
    page.locator("#password").fill(password)
    page.locator("#kc-form-login [type=submit]").click()


def open_sample_from_study_list(page: Page) -> None:
    """Chooses the sample in OHIF's study list and opens the basic viewer."""
    page.get_by_text("SYNTHETIC").first.click()
    page.get_by_role("button", name="Basic Viewer").click()


def picture(page: Page) -> Picture:
    """The middle half of the first viewport, as it is now."""
    shot = Image.open(BytesIO(page.locator(CANVAS).first.screenshot())).convert("L")
    width, height = shot.size
    middle = shot.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    return Picture(np.asarray(middle, dtype=np.uint8))


def settled_picture(page: Page) -> Picture:
    """Waits until the viewport shows a picture that does not change by itself."""
    page.locator(CANVAS).first.wait_for(timeout=FIRST_PICTURE_SECONDS * 1000)
    close_first_visit_hints(page)
    deadline = time.monotonic() + FIRST_PICTURE_SECONDS
    before = picture(page)
    while time.monotonic() < deadline:
        page.wait_for_timeout(300)
        now = picture(page)
        if now.drawn and not now.differs_from(before):
            return now
        before = now
    keep(page, "no-picture")
    raise AssertionError(f"no picture drawn: deviation {before.grey.std():.1f}, levels {len(np.unique(before.grey))}")


def changed_picture(page: Page, before: Picture) -> Picture:
    """Waits until the viewport shows another picture than `before`."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        now = picture(page)
        if now.drawn and now.differs_from(before):
            return now
        page.wait_for_timeout(200)
    keep(page, "unchanged-picture")
    raise AssertionError("the viewport still shows the same picture")


def close_first_visit_hints(page: Page) -> None:
    """Closes OHIF's tour, which covers the viewport at a first visit (a stack may switch it off)."""
    hint = page.get_by_text("Skip all")
    try:
        hint.click(timeout=4000)
    except NotThere:
        # On a busy machine it comes later, over what is clicked next.
        page.add_locator_handler(hint, lambda it: it.click())
        return
    expect(hint).to_be_hidden()
