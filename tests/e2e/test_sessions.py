"""How long a session lasts: while somebody reads, when nobody does, and what its end looks like."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from components.auth_proxy.oauth2_proxy_config import refresh_after
from components.gateway.limits import AUTH_CACHE_SECONDS
from tests.e2e import screen
from tests.e2e.harness import Stack, wait_until
from tests.e2e.realm import Realm
from tools import sample
from tools.container_exec import run
from tools.dicomweb import SESSION_COOKIES, StackOutputs, client, login_form, sign_in

AT_ONCE = 20
VALKEY = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/valkey/valkey.conf) valkey-cli"
LONGEST_TOKEN_LIFE = 30
"""Seconds. The tests wait for several tokens to end, so the stack that they run on must have short ones."""
SHORT_IDLE, SHORT_MAXIMUM = 20, 26
"""Seconds; longer than a token, and than its refresh, the gateway's memory and OHIF's pause together."""

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
DEEP_LINK = f"/ohif-viewer/viewer?StudyInstanceUIDs={sample.study_uid()}"


@pytest.fixture
def realm(stack: Stack, outputs: StackOutputs) -> Realm:
    return Realm(stack, outputs.credentials["admin"])


@pytest.fixture
def refresh_age(realm: Realm) -> int:
    """Seconds after which a session's tokens are refreshed."""
    life = int(realm.ask("GET", "")["accessTokenLifespan"])
    assert life <= LONGEST_TOKEN_LIFE, "give the stack a short accessTokenLife"
    return refresh_after(life)


def frame(slice_number: int) -> str:
    """The path of one picture."""
    one = sample.instance(slice_number)
    series = f"/pacs/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}"
    return f"{series}/instances/{one.SOPInstanceUID}/frames/1"


FRAMES = [frame(slice_number) for slice_number in range(AT_ONCE)]
PIXELS = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}


def read(reader: httpx.Client, path: str = FRAMES[0]) -> int:
    return reader.get(path, headers=PIXELS).status_code


def session_cookie(reader: httpx.Client) -> str:
    """The session's cookie as a browser sends it."""
    (name,) = (name for name in SESSION_COOKIES if reader.cookies.get(name))
    return f"{name}={reader.cookies[name]}"


def all_at_once(stack: Stack, cookie: str, *, tabs: bool) -> tuple[list[int], float]:
    """Asks for all frames at the same time; the answers' status codes, and the seconds of the slowest.

    With `tabs` each request has another cookie next to the session's, so the gateway asks about each: the refresh
    is then up to oauth2-proxy's lock alone, and not to the gateway's memory.
    """
    with httpx.Client(base_url=stack.url, timeout=30, trust_env=False) as sender:

        def one(position: int) -> httpx.Response:
            also = f"; tab={position}" if tabs else ""
            return sender.get(FRAMES[position], headers={**PIXELS, "Cookie": cookie + also})

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(one, range(AT_ONCE)))
    return [answer.status_code for answer in answers], max(answer.elapsed.total_seconds() for answer in answers)


def test_known_problem_02_and_20_reader_stays_and_a_refresh_is_one_call(
    stack: Stack, outputs: StackOutputs, realm: Realm, refresh_age: int
) -> None:
    before = realm.sessions("viewer")
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as reader:
        fresh = time.monotonic()
        (own,) = realm.sessions("viewer") - before
        requests, slowest = 0, []
        for tabs in (True, False, True):
            # oauth2-proxy counts whole seconds.
            due = fresh + refresh_age + 1.2
            # Nothing that the gateway remembers may stand in for the answer when the refresh is due.
            while time.monotonic() < due - AUTH_CACHE_SECONDS - 0.5:
                assert read(reader) == 200
                requests += 1
                time.sleep(0.1)
            time.sleep(due - time.monotonic())
            statuses, seconds = all_at_once(stack, session_cookie(reader), tabs=tabs)
            fresh = time.monotonic()
            assert statuses == [200] * AT_ONCE
            requests += AT_ONCE
            slowest.append(round(seconds, 2))
        assert read(reader) == 200
        wait_until(lambda: realm.refreshes(own) >= len(slowest), "refreshes in Keycloak's log", 5)
        refreshes = realm.refreshes(own)
    print(f"{requests} requests, {refreshes} refreshes; slowest of {AT_ONCE} at the moment of refresh: {slowest} s")
    assert refreshes == len(slowest)


def test_idle_session_ends_and_a_busy_one_at_its_maximum(
    stack: Stack, outputs: StackOutputs, realm: Realm, refresh_age: int
) -> None:
    with (
        realm.changed(ssoSessionIdleTimeout=SHORT_IDLE, ssoSessionMaxLifespan=SHORT_MAXIMUM),
        closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"], at=DEEP_LINK)) as idle,
        closing(sign_in(stack.url, "reporter", outputs.credentials["reporter"])) as busy,
    ):
        began = time.monotonic()
        assert read(idle) == 200
        while read(busy) == 200:
            # oauth2-proxy asks Keycloak when a refresh is due, and the gateway remembers its answer.
            latest = SHORT_MAXIMUM + refresh_age + AUTH_CACHE_SECONDS + 2
            assert time.monotonic() - began < latest, "it outlives its maximum"
            time.sleep(0.3)
        lasted = time.monotonic() - began
        assert lasted > SHORT_IDLE, "a busy session ended as an idle one"
        print(f"busy session ended after {lasted:.1f} s of at most {SHORT_MAXIMUM} s")

        for reader in (idle, busy):
            for path, headers in ((FRAMES[0], PIXELS), ("/pacs/studies", {}), ("/app-config.js", SCRIPT)):
                over = reader.get(path, headers=headers)
                assert over.status_code == 401
                assert "location" not in over.headers
                assert login_form(over.text) is None
            again = reader.get(DEEP_LINK, headers=PAGE, follow_redirects=True)
            assert login_form(again.text), "no password is asked"


def in_store(stack: Stack, script: str) -> list[str]:
    """The words that a script prints in the session store's container."""
    return run(stack.container("sessions"), ["sh", "-c", script]).output.split()


def wait_until_saved(stack: Stack) -> None:
    """Until the store has written all sessions to its disk, about ten seconds after the last change."""
    state = (
        f"{VALKEY} info persistence | tr -d '\\r' | grep -xE 'rdb_changes_since_last_save:0|rdb_bgsave_in_progress:0'"
    )
    wait_until(lambda: len(in_store(stack, state)) == 2, "snapshot of the sessions", 30)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGKILL"])
def test_session_store_that_starts_again_fails_no_request(stack: Stack, outputs: StackOutputs, signal: str) -> None:
    store = stack.container("sessions")

    def start_again() -> None:
        store.kill(signal=signal)
        store.wait()
        time.sleep(1)
        store.start()

    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as reader:
        if signal == "SIGKILL":
            # A crash loses what is younger.
            wait_until_saved(stack)
        pages, programs = set(), set()
        with ThreadPoolExecutor(1) as aside:
            restart = aside.submit(start_again)
            while not restart.done():
                pages.add(reader.get(DEEP_LINK, headers=PAGE).status_code)
                programs.add(read(reader))
            restart.result()
        time.sleep(AUTH_CACHE_SECONDS + 1)
        programs.add(read(reader))
    assert (pages, programs) == ({200}, {200})


def test_store_without_the_session_asks_for_no_password(stack: Stack, outputs: StackOutputs) -> None:
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as reader:
        assert in_store(stack, f"{VALKEY} flushall") == ["OK"]

        def signed_in_again() -> bool:
            shown = reader.get(DEEP_LINK, headers=PAGE, follow_redirects=True)
            assert shown.status_code < 500
            return shown.status_code == 200 and str(shown.url).endswith(DEEP_LINK)

        wait_until(lambda: read(reader) == 401, "end of the session", AUTH_CACHE_SECONDS + 5)
        # Keycloak's own session goes on.
        wait_until(signed_in_again, "new session", 15)
        assert read(reader) == 200


def test_session_on_the_disk_is_of_no_use_without_the_cookie(stack: Stack, outputs: StackOutputs) -> None:
    """The disk has no token of Keycloak, which are JSON Web Tokens ("eyJ")."""
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])):
        wait_until_saved(stack)
    size, tokens = in_store(stack, "wc -c < /data/dump.rdb; grep -ac 'eyJ' /data/dump.rdb")
    assert int(size) > 1000
    assert int(tokens) == 0


@pytest.fixture
def callback(stack: Stack, outputs: StackOutputs) -> Iterator[tuple[httpx.Client, str]]:
    """A client at the end of a login, and the address with the code that Keycloak sends it to."""
    with closing(client(stack.url)) as person:
        page = person.get("/oauth2/start?rd=/ohif-viewer/", headers=PAGE, follow_redirects=True)
        action = login_form(page.text)
        assert action
        credentials = {"username": "viewer", "password": outputs.credentials["viewer"], "credentialId": ""}
        answer = person.post(action, data=credentials)
        assert answer.status_code == 302
        yield person, answer.headers["location"]


def starts_again(answer: httpx.Response) -> bool:
    """Whether this is the page of a failed login, with a link to start again."""
    return answer.status_code == 400 and 'href="/"' in answer.text


@pytest.mark.parametrize(
    "forged",
    ["", "?code=x&state=y", "?error=access_denied&state=y", "?code=x&state=AAAA:https%3A%2F%2Fevil.example%2F"],
)
def test_forged_callback_gets_a_page_to_start_again(stack: Stack, forged: str) -> None:
    with closing(client(stack.url)) as person:
        answer = person.get(f"/oauth2/callback{forged}", headers=PAGE)
    assert starts_again(answer)


def test_callback_counts_once_and_only_for_who_began(
    stack: Stack, outputs: StackOutputs, callback: tuple[httpx.Client, str]
) -> None:
    person, address = callback
    with closing(client(stack.url)) as thief:
        assert starts_again(thief.get(address, headers=PAGE))
        assert thief.get("/pacs/studies").status_code == 401
    began = dict(person.cookies)
    assert person.get(address, headers=PAGE).status_code == 302
    assert person.get("/pacs/studies").status_code == 200
    assert starts_again(person.get(address, headers=PAGE))
    with closing(client(stack.url)) as replayed:
        replayed.cookies.update(began)
        assert starts_again(replayed.get(address, headers=PAGE))


def test_known_problem_08_two_tabs_at_the_login_page(page: Page, stack: Stack, outputs: StackOutputs) -> None:
    other = page.context.new_page()
    page.goto("/")
    other.goto(DEEP_LINK)
    for tab in (page, other):
        expect(tab.locator("#kc-form-login")).to_be_visible()
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)
    # Keycloak's page in the other tab sees that the person has signed in, and goes on.
    other.wait_for_url(f"{stack.url}{DEEP_LINK}", timeout=30_000)
    other.close()


def test_known_problem_08_two_tabs_signed_in_one_after_the_other(stack: Stack, outputs: StackOutputs) -> None:
    """The same without scripts: the second form is sent although the first has signed in."""
    credentials = {"username": "viewer", "password": outputs.credentials["viewer"], "credentialId": ""}
    with closing(client(stack.url)) as person:
        forms = [
            login_form(person.get(path, headers=PAGE, follow_redirects=True).text)
            for path in ("/ohif-viewer/", DEEP_LINK)
        ]
        for form, path in zip(forms, ("/ohif-viewer/", DEEP_LINK), strict=True):
            assert form
            shown = person.post(form, data=credentials, headers=PAGE, follow_redirects=True)
            assert shown.status_code == 200, shown.url
            assert str(shown.url) == f"{stack.url}{path}"


def until_quiet(page: Page, traffic: list[str]) -> None:
    """Waits until the page has asked the archive for nothing more for two seconds."""
    seen, since = len(traffic), time.monotonic()
    while time.monotonic() - since < 2:
        page.wait_for_timeout(200)
        if len(traffic) != seen:
            seen, since = len(traffic), time.monotonic()


def test_reader_at_work_keeps_the_session_and_the_end_is_seen(
    page: Page, stack: Stack, outputs: StackOutputs, realm: Realm
) -> None:
    asked: list[str] = []
    shortened: list[int] = []

    def short_idle(route: Route) -> None:
        if route.request.method == "HEAD":
            asked.append(route.request.url)
            route.continue_()
            return
        answer = route.fetch()
        body, count = re.subn(r'("sessionIdleSeconds": )\d+', rf"\g<1>{SHORT_IDLE}", answer.text())
        # What is raised here would leave the page waiting for ever.
        shortened.append(count)
        route.fulfill(response=answer, body=body)

    # The realm's idle time is shortened for this test, so OHIF must be configured the same.
    page.route("**/app-config.js", short_idle)
    traffic: list[str] = []
    page.on("request", lambda request: traffic.append(request.url))
    with realm.changed(ssoSessionIdleTimeout=SHORT_IDLE):
        page.goto(DEEP_LINK)
        screen.log_in(page, "viewer", outputs.credentials["viewer"])
        screen.settled_picture(page)
        until_quiet(page, traffic)
        assert shortened and set(shortened) == {1}
        traffic.clear()
        until = time.monotonic() + SHORT_IDLE + 4
        while time.monotonic() < until:
            page.mouse.move(600 + len(asked) % 2 * 40, 400 + time.monotonic() % 7)
            page.wait_for_timeout(500)
        assert not [url for url in traffic if "/pacs/" in url], "the reader made requests all the same"
        assert asked
        assert page.evaluate("fetch('/app-config.js').then(answer => answer.status)") == 200

        left = time.monotonic()
        notice = page.get_by_role("alert").filter(has_text="session has ended")
        expect(notice).to_be_visible(timeout=3 * SHORT_IDLE * 1000)
        print(f"end of the idle session seen {time.monotonic() - left:.1f} s after the last move ({SHORT_IDLE} s idle)")
        screen.keep(page, "session-ended")
        notice.get_by_role("link").click()
        expect(page.locator("#kc-form-login")).to_be_visible()
        screen.log_in(page, "viewer", outputs.credentials["viewer"])
        page.wait_for_url(f"{stack.url}{DEEP_LINK}")
    screen.settled_picture(page)
