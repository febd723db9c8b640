"""On a phone and a tablet: from the login to an image and out again, by touch."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import screen
from tests.e2e.harness import Stack
from tools.dicomweb import StackOutputs

SCREENS = {"phone": (360, 740), "tablet": (1024, 768)}
WITHIN = "it => { const b = it.getBoundingClientRect(); return b.left >= 0 && b.right <= innerWidth && b.width > 0; }"
ON_TOP = """it => {
    const b = it.getBoundingClientRect();
    return it.contains(document.elementFromPoint(b.left + b.width / 2, b.top + b.height / 2));
}"""


@pytest.fixture(params=SCREENS)
def screen_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def touch(stack: Stack, browser: Browser, screen_name: str) -> Iterator[Page]:
    width, height = SCREENS[screen_name]
    context = browser.new_context(
        base_url=stack.url, viewport={"width": width, "height": height}, has_touch=True, is_mobile=True
    )
    yield context.new_page()
    context.close()


def test_everything_can_be_reached(touch: Page, outputs: StackOutputs, screen_name: str) -> None:
    def seen(step: str) -> None:
        """A screenshot, of a page that need not be moved sideways."""
        screen.keep(touch, f"{screen_name}-{step}")
        assert touch.evaluate("document.documentElement.scrollWidth <= innerWidth"), step

    touch.goto("/")
    expect(touch.locator("#username")).to_be_visible()
    seen("login")
    screen.log_in(touch, "viewer", outputs.credentials["viewer"])
    touch.wait_for_url(re.compile("/ohif-viewer/"))
    entry = touch.get_by_text("SYNTHETIC").first
    expect(entry).to_be_visible()
    sign_out = touch.get_by_role("link", name="Sign out")
    assert sign_out.evaluate(WITHIN)
    assert sign_out.evaluate(ON_TOP)
    seen("list")
    entry.tap()
    start = touch.get_by_role("button", name="Basic Viewer")
    expect(start).to_be_visible()
    assert start.evaluate(WITHIN)
    start.tap()
    screen.settled_picture(touch)
    seen("study")
    box = touch.locator(screen.CANVAS).first.bounding_box()
    assert box
    assert box["width"] > SCREENS[screen_name][0] * 0.6
    assert box["height"] > SCREENS[screen_name][1] * 0.5
    assert sign_out.evaluate(WITHIN)
    assert sign_out.evaluate(ON_TOP)
    sign_out.tap()
    expect(touch.locator("#username")).to_be_visible()
