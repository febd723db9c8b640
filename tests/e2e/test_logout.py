"""The end of a session that a person asks for: here, at Keycloak, in every tab, and for good."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from components.gateway.limits import AUTH_CACHE_SECONDS
from tests.chromium import launch
from tests.e2e import screen
from tests.e2e.harness import Stack
from tests.e2e.realm import Realm
from tools.dicomweb import SESSION_COOKIES, StackOutputs, client, login_form, sign_in
from tools.sample import study_link

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
MOST_REDIRECTS = 8


@pytest.fixture
def realm(stack: Stack, outputs: StackOutputs) -> Realm:
    return Realm(stack, outputs.credentials["admin"])


def leave(person: httpx.Client) -> httpx.Response:
    """Follows /logout to where it ends."""
    shown = person.get("/logout", headers=PAGE, follow_redirects=True)
    assert len(shown.history) <= MOST_REDIRECTS
    assert shown.status_code == 200
    return shown


def test_known_problem_10_and_21_logout_ends_the_session_here_and_at_keycloak(
    stack: Stack, outputs: StackOutputs, realm: Realm
) -> None:
    before = realm.sessions("viewer")
    with (
        closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as person,
        closing(client(stack.url)) as thief,
    ):
        (own,) = realm.sessions("viewer") - before
        thief.cookies.update(person.cookies)
        assert thief.get("/pacs/studies").status_code == 200

        shown = leave(person)
        left = time.monotonic()
        assert login_form(shown.text), "no password is asked"
        assert not any(person.cookies.get(name) for name in SESSION_COOKIES)
        assert own not in realm.sessions("viewer")

        while thief.get("/pacs/studies").status_code == 200:
            # nginx counts whole seconds.
            assert time.monotonic() - left < AUTH_CACHE_SECONDS + 1.5
            time.sleep(0.1)
        print(f"old cookie refused {time.monotonic() - left:.1f} s after logout")
        assert thief.get("/pacs/studies").status_code == 401
        assert login_form(thief.get("/ohif-viewer/", headers=PAGE, follow_redirects=True).text)


def test_known_problem_03_logout_without_a_session_leads_to_the_login(stack: Stack) -> None:
    with closing(client(stack.url)) as nobody:
        assert login_form(leave(nobody).text)


def signed_in(page: Page, outputs: StackOutputs) -> None:
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)


def shows_no_patient(page: Page) -> None:
    """The page is settled at the login form, or shows that the session is over; nothing of a study is to be seen."""
    login = page.locator("#kc-form-login")
    expect(login.or_(page.get_by_text("session has ended"))).to_be_visible(timeout=15_000)
    expect(page.get_by_text("SYNTHETIC")).to_have_count(0)
    expect(page.locator(screen.CANVAS)).to_have_count(0)


def test_logout_of_a_session_that_only_keycloak_knows(page: Page, outputs: StackOutputs, realm: Realm) -> None:
    before = realm.sessions("viewer")
    signed_in(page, outputs)
    assert realm.sessions("viewer") - before
    page.context.clear_cookies(name=re.compile("ohif_session"))
    page.goto("/logout")
    # Keycloak cannot know who asks, so it wants a click.
    page.locator("#kc-logout").click()
    expect(page.locator("#kc-form-login")).to_be_visible()
    assert not realm.sessions("viewer") - before


@pytest.fixture(params=["requested again", "from the browser's memory"])
def page_with_history(stack: Stack, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in a browser that does, or does not, keep left pages alive for its "back" button."""
    if request.param == "requested again":
        launched = browser
    else:
        launched = launch(browser.browser_type, ignore_default_args=["--disable-back-forward-cache"])
    context = launched.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()
    if launched is not browser:
        launched.close()


def test_person_signs_out_by_the_link_and_back_shows_nothing(
    page_with_history: Page, stack: Stack, outputs: StackOutputs
) -> None:
    page = page_with_history
    signed_in(page, outputs)
    page.goto(study_link(stack.url))
    screen.settled_picture(page)
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator("#kc-form-login")).to_be_visible()
    for _ in range(2):
        page.go_back(wait_until="commit")
        shows_no_patient(page)
    screen.keep(page, "back-after-sign-out")


def test_signing_out_in_one_tab_ends_the_others(page: Page, stack: Stack, outputs: StackOutputs) -> None:
    signed_in(page, outputs)
    other = page.context.new_page()
    other.goto(study_link(stack.url))
    screen.settled_picture(other)
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator("#kc-form-login")).to_be_visible()

    page.wait_for_timeout(AUTH_CACHE_SECONDS * 1000)
    # The other tab wants a picture that it has not kept.
    other.evaluate("cornerstone.cache.purgeCache()")
    other.locator(screen.CANVAS).first.hover()
    other.mouse.wheel(0, 120)
    notice = other.get_by_role("alert").filter(has_text="session has ended")
    expect(notice).to_be_visible()
    screen.keep(other, "signed-out-in-another-tab")

    # Signed in again in the first tab, the second one goes on: what was drawn there is not lost.
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(notice).to_have_count(0)
    other.close()


# --- A page of somebody else's ---


@pytest.fixture
def foreign_page(stack: Stack) -> Iterator[str]:
    """The address of a page of another site, with a link to everything that could end a session, and an image of it."""
    links = {
        "here": f"{stack.url}/logout",
        "proxy": f"{stack.url}/oauth2/sign_out?rd=/",
        "keycloak": f"{stack.url}/keycloak/realms/ohif/protocol/openid-connect/logout?client_id=ohif_viewer",
    }
    anchors = "".join(
        f'<p><a id="{name}" href="{link}">{name}</a><img src="{link}"></p>' for name, link in links.items()
    )

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(anchors.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Another site than 127.0.0.1, as browsers see it.
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("link", ["here", "proxy", "keycloak"])
def test_a_foreign_link_asks_before_it_ends_a_session(
    page: Page, stack: Stack, outputs: StackOutputs, realm: Realm, foreign_page: str, link: str
) -> None:
    before = realm.sessions("viewer")
    signed_in(page, outputs)
    (own,) = realm.sessions("viewer") - before
    page.goto(foreign_page)
    page.wait_for_load_state("networkidle")
    page.locator(f"#{link}").click()
    asks = page.locator("#kc-logout") if link == "keycloak" else page.get_by_text("Do you want to sign out?")
    expect(asks.first).to_be_visible()
    assert own in realm.sessions("viewer")
    page.wait_for_timeout(AUTH_CACHE_SECONDS * 1000 + 1000)
    assert page.request.get("/pacs/studies").status == 200
    if link == "keycloak":
        return
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator("#kc-form-login")).to_be_visible()
    assert own not in realm.sessions("viewer")
