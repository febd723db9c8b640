"""OHIF with a hospital's name, logo and settings, and in a frame of the origins that are named."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, Stack
from tools.dicomweb import StackOutputs, sign_in
from tools.sample import study_uid

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the viewer does not ask which archive it is")

NAME = "St. Mary's Hospital"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#0a0"/></svg>'
LOGO = f"data:image/svg+xml;base64,{base64.b64encode(SVG).decode()}"
FRIEND, STRANGER = 9471, 9472
"""Ports of two other web servers of this machine: other origins, of the same site."""
HIDDEN = "@ohif/mode-tmtv"
OPTIONS = {"investigationalUseDialog": {"option": "always"}}


@pytest.fixture(scope="module")
def changed(up_with: UpWith) -> None:
    """The stack with the settings."""
    frame = [f"http://127.0.0.1:{FRIEND}"]
    up_with(viewer={"name": NAME, "logo": LOGO, "hiddenModes": [HIDDEN], "options": OPTIONS, "frameAncestors": frame})


@pytest.fixture
def signed_in(changed: None, stack: Stack, outputs: StackOutputs, page: Page) -> Page:
    page.goto("/")
    page.fill("#username", "viewer")
    page.fill("#password", outputs.credentials["viewer"])
    page.click("#kc-login")
    page.wait_for_url(f"{stack.url}/**")
    return page


@contextmanager
def framing(url: str, port: int) -> Iterator[str]:
    """A page of another origin that shows `url` in a frame."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{url}" width="1200" height="700"></iframe>'.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_name_logo_and_options_are_seen(signed_in: Page) -> None:
    expect(signed_in.get_by_text(NAME)).to_be_visible(timeout=30_000)
    expect(signed_in.locator(f'img[src="{LOGO}"]')).to_be_visible()
    expect(signed_in).to_have_title(NAME)
    expect(signed_in.get_by_text("investigational use only", exact=False).first).to_be_visible()
    screen.keep(signed_in, "viewer-with-a-name")


def test_a_mode_can_be_hidden(signed_in: Page) -> None:
    signed_in.get_by_text("SYNTHETIC", exact=False).first.click()
    expect(signed_in.get_by_text("Basic Viewer").first).to_be_visible(timeout=30_000)
    expect(signed_in.get_by_text("Total Metabolic Tumor Volume")).to_have_count(0)


def test_a_named_origin_shows_a_study_in_a_frame(signed_in: Page, stack: Stack) -> None:
    with framing(f"{stack.url}/ohif-viewer/viewer?StudyInstanceUIDs={study_uid()}", FRIEND) as url:
        signed_in.goto(url)
        viewer = signed_in.frame_locator("iframe")
        expect(viewer.locator("canvas").first).to_be_visible(timeout=60_000)
        screen.keep(signed_in, "viewer-in-a-frame")


def test_another_origin_shows_nothing(signed_in: Page, stack: Stack) -> None:
    with framing(f"{stack.url}/ohif-viewer/", STRANGER) as url:
        refused = []
        signed_in.on("console", lambda message: refused.append(message.text))
        signed_in.goto(url)
        signed_in.wait_for_timeout(2000)
        assert any("frame-ancestors" in text for text in refused), refused
        assert signed_in.frame_locator("iframe").locator("canvas, #root").count() == 0


@pytest.mark.parametrize(
    ("path", "framed"),
    [("/ohif-viewer/", True), ("/app-config.js", False), ("/pacs/studies", False), ("/pacs-admin/", False)],
)
def test_only_the_viewers_page_may_be_framed(
    changed: None, stack: Stack, outputs: StackOutputs, path: str, framed: bool
) -> None:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
        answer: httpx.Response = session.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert (f"frame-ancestors http://127.0.0.1:{FRIEND}" in policy) is framed
    assert ("X-Frame-Options" in answer.headers) is not framed


def test_the_login_page_is_not_framed(changed: None, stack: Stack, browser: Browser) -> None:
    with httpx.Client(base_url=stack.url, follow_redirects=True, trust_env=False) as client:
        page = client.get("/", headers={"Accept": "text/html"})
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
