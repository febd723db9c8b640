"""Every attack of the table, the attacks that need more than one request, and what all of them left behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e import raw_http
from tests.e2e.archive import API, PEERS
from tests.e2e.attacks import ANONYMOUS, ATTACKS, EVIL, INJECTED, PACSADMIN, REPORTER, VIEWER, WITHOUT_ROLE, Attack
from tests.e2e.conftest import Sessions
from tests.e2e.harness import wait_until
from tools import sample
from tools.dicomweb import SESSION_COOKIES, StackOutputs, client, login_form, sign_in

FEWEST = 200
SLOW_CONNECTIONS = 20
OWN_ACCORD = "Stable"
"""Kind of change that the archive makes by itself, some time after the last instance of a study."""
STABLE_SECONDS = 60
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}

PATIENT_DATA = (str(sample.instance(0).PatientName).encode(), str(sample.instance(0).PatientID).encode())
OWN_API = (b"ApiVersion", b"OrthancError", b"DicomAet", b"MainDicomTags", b"TotalDiskSize")
VIEWER_FILES = (b"window.config", b"app-config.js", b"webpackChunk")
FORBIDDEN = {
    ANONYMOUS: (*PATIENT_DATA, *OWN_API, *VIEWER_FILES),
    WITHOUT_ROLE: (*PATIENT_DATA, *OWN_API, *VIEWER_FILES),
    VIEWER: OWN_API,
    REPORTER: OWN_API,
    PACSADMIN: (),
}
"""What an answer to each sender may never hold."""
NOBODYS_BUSINESS = (b"Traceback (most recent", b"at org.keycloak.", b"goroutine ", b"root:x:0:", b"Basic Z2F0ZXdh")


def archive_state(admin: httpx.Client) -> dict[str, object]:
    """All of the archive that an attack could change."""

    def asked(path: str) -> object:
        answer = admin.get(f"{API}/{path}")
        assert answer.status_code == 200, path
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    changes: list[dict[str, object]] = []
    while True:
        since = changes[-1]["Seq"] if changes else 0
        page = admin.get(f"{API}/changes", params={"since": str(since), "limit": "1000"}).json()
        changes += page["Changes"]
        if page["Done"]:
            break
    return {
        "changes": [change for change in changes if not str(change["ChangeType"]).startswith(OWN_ACCORD)],
        **{
            path: asked(path)
            for path in (
                "statistics",
                "patients",
                "studies",
                "modalities",
                "peers",
                "jobs",
                PEERS,
                "tools/log-level",
            )
        },
    }


@pytest.fixture(scope="module")
def before(session: Sessions) -> dict[str, object]:
    """The archive before the first attack, once it has done by itself what it does with new studies."""
    admin = session(PACSADMIN)

    def at_rest() -> bool:
        return all(admin.get(f"{API}/studies/{study}").json()["IsStable"] for study in studies)

    studies = admin.get(f"{API}/studies").json()
    assert studies
    wait_until(at_rest, "rest in the archive", STABLE_SECONDS)
    return archive_state(admin)


@pytest.fixture(scope="module", autouse=True)
def slow(origin: str, before: dict[str, object]) -> Iterator[list[socket.socket]]:
    """Connections that have begun a request and do not go on, from before the first attack on."""
    connections = [raw_http.connect(origin, 1) for _ in range(SLOW_CONNECTIONS)]
    for connection in connections:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
    yield connections
    for connection in connections:
        connection.close()


@pytest.fixture(scope="module")
def known(origin: str, before: dict[str, object]) -> dict[str, str]:
    """What the words in braces stand for."""
    first = sample.instance(0)
    patients = before["patients"]
    assert isinstance(patients, list)
    return {
        "authority": urlsplit(origin).netloc,
        "admin": API,
        "origin": origin,
        "other_scheme": "http" if origin.startswith("https:") else "https",
        "study": str(first.StudyInstanceUID),
        "series": str(first.SeriesInstanceUID),
        "instance": str(first.SOPInstanceUID),
        "patient": str(patients[0]),
    }


Cookies = Callable[[Attack], Mapping[str, str]]


@pytest.fixture(scope="module")
def cookies(session: Sessions) -> Cookies:
    """The session cookie of an attack's sender, changed as the attack wants it."""

    def of(attack: Attack) -> Mapping[str, str]:
        if attack.identity == ANONYMOUS:
            return {}
        (name, value) = next(
            (cookie.name, cookie.value or "")
            for cookie in session(attack.identity).cookies.jar
            if cookie.name in SESSION_COOKIES
        )
        return {"cookie": f"{name}={attack.cookie(value)}"}

    return of


def test_the_table_is_long_and_has_no_row_twice() -> None:
    assert len({(attack.identity, attack.name) for attack in ATTACKS}) == len(ATTACKS) >= FEWEST


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.identity} {attack.name[:90]}")
def test_attack(origin: str, known: Mapping[str, str], cookies: Cookies, attack: Attack) -> None:
    answers = raw_http.send(origin, attack.request({**known, **cookies(attack)}), ends=attack.ends)
    if origin.startswith("https:") and attack.expect == {400} and not answers:
        # Closed while more was being sent: a load balancer drops the answer then.
        return
    assert len(answers) == attack.answers
    for answer in answers:
        assert answer.status < 500
        assert answer.status in attack.expect
        everything = answer.everything
        for what in NOBODYS_BUSINESS if attack.reaches else (*FORBIDDEN[attack.identity], *NOBODYS_BUSINESS):
            assert what not in everything
        assert EVIL.encode() not in everything
        names = {name for name, _ in answer.headers}
        assert INJECTED.lower() not in names
        assert not {name for name in names if name.startswith("access-control-")}
        assert answer.header("server") in ("nginx", "")


# --- More than one request ---


def begin_login(url: str, at: str = "/ohif-viewer/") -> tuple[httpx.Client, str]:
    """A browser at the login form; returns it, and the address that the form posts to."""
    browser = client(url)
    page = browser.get(at, headers=PAGE, follow_redirects=True)
    action = login_form(page.text)
    assert action, page.status_code
    return browser, action


def callback_of(browser: httpx.Client, action: str, user: str, password: str) -> str:
    """Signs in at Keycloak and stops there: the address with the code, which nobody has opened yet."""
    answer = browser.post(action, data={"username": user, "password": password, "credentialId": ""})
    assert answer.status_code == 302
    assert "/oauth2/callback?" in answer.headers["location"]
    return str(answer.headers["location"])


def has_session(browser: httpx.Client) -> bool:
    return any(browser.cookies.get(name) for name in SESSION_COOKIES)


def test_a_stolen_or_planted_answer_of_the_login_is_useless(origin: str, outputs: StackOutputs) -> None:
    """Login CSRF: the attacker's code and state in the victim's browser; and what a thief could do with them."""
    attacker, action = begin_login(origin)
    planted = callback_of(attacker, action, VIEWER, outputs.credentials[VIEWER])
    other_client = client(origin)
    victim, _ = begin_login(origin)
    own_state = next(
        parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]
        for answer in [victim.get("/oauth2/start", headers=PAGE)]
    )
    with closing(attacker), closing(other_client), closing(victim):
        code = parse_qs(urlsplit(planted).query)["code"][0]
        for browser, address in (
            (other_client, planted),
            (victim, planted),
            # The victim's own state does not help: the code belongs to another PKCE verifier.
            (victim, f"/oauth2/callback?code={code}&state={own_state}"),
        ):
            answer = browser.get(address, headers=PAGE)
            assert answer.status_code == 400
            assert not has_session(browser)
        assert attacker.get(planted, headers=PAGE).status_code == 400, "a code that others tried is spent"


def test_a_code_works_once(origin: str, outputs: StackOutputs) -> None:
    browser, action = begin_login(origin)
    with closing(browser):
        address = callback_of(browser, action, VIEWER, outputs.credentials[VIEWER])
        jar = dict(browser.cookies)
        assert browser.get(address, headers=PAGE).status_code == 302
        assert has_session(browser)
        with closing(client(origin)) as thief:
            # All the cookies that the browser had before.
            thief.cookies.update(jar)
            assert thief.get(address, headers=PAGE).status_code == 400
            assert not has_session(thief)
        assert browser.get(address, headers=PAGE).status_code == 400
        assert browser.get("/oauth2/userinfo").status_code in (200, 401), "Keycloak may end a session whose code leaked"


@pytest.mark.parametrize("elsewhere", [f"https://{EVIL}/", f"//{EVIL}/", f"/\\{EVIL}/"])
def test_a_state_with_another_address_does_not_lead_there(origin: str, outputs: StackOutputs, elsewhere: str) -> None:
    browser, action = begin_login(origin)
    with closing(browser):
        address = callback_of(browser, action, VIEWER, outputs.credentials[VIEWER])
        query = parse_qs(urlsplit(address).query)
        nonce = query["state"][0].partition(":")[0]
        answer = browser.get(
            "/oauth2/callback", params={"code": query["code"][0], "state": f"{nonce}:{elsewhere}"}, headers=PAGE
        )
        assert answer.status_code in (302, 400)
        assert EVIL not in answer.headers.get("location", "")


@pytest.mark.parametrize("first", [True, False], ids=["before its own", "after its own"])
@pytest.mark.parametrize("around", [("", ""), ("", " "), ("", "\t"), ("\t", " \t "), ("", "\x0b")], ids=ascii)
def test_a_session_from_before_the_login_is_not_taken_over(
    origin: str, outputs: StackOutputs, around: tuple[str, str], first: bool
) -> None:
    """Session fixation: a kept copy of a browser's cookie does not become the session of the next user there.

    Go trims some of the blanks around a cookie's name, nginx none. A code works once, so each has a login of its own.
    """
    browser, action = begin_login(origin)
    with closing(sign_in(origin, VIEWER, outputs.credentials[VIEWER])) as attacker, closing(browser):
        name, value = next((c.name, c.value) for c in attacker.cookies.jar if c.name in SESSION_COOKIES)
        planted = f"{around[0]}{name}{around[1]}={value}"
        address = urlsplit(callback_of(browser, action, REPORTER, outputs.credentials[REPORTER]))
        own = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
        request = (
            f"GET {address.path}?{address.query} HTTP/1.1",
            f"Host: {urlsplit(origin).netloc}",
            f"Cookie: {f'{planted};{own}' if first else f'{own};{planted}'}",
            "Connection: close",
        )
        (answer,) = raw_http.send(origin, ("\r\n".join(request) + "\r\n\r\n").encode())
        assert answer.status == 302, "the login itself works"
        assert attacker.get("/oauth2/userinfo").json()["preferredUsername"] == VIEWER


def test_the_answer_for_one_session_is_not_given_to_another(session: Sessions) -> None:
    """Answers of oauth2-proxy are cached for seconds: by whole cookies and by the roles that were asked for."""
    for _ in range(3):
        assert session(PACSADMIN).get(f"{API}/system").status_code == 200
        assert session(VIEWER).get(f"{API}/system").status_code == 403
        assert session(VIEWER).get("/pacs/studies").status_code == 200
        assert session(WITHOUT_ROLE).get("/pacs/studies").status_code == 403


def test_a_body_on_a_read_does_not_shift_the_answers_of_others(
    origin: str, known: Mapping[str, str], cookies: Cookies, session: Sessions
) -> None:
    """If the archive took a body for a request, the next reader on its connection would get that one's answer."""
    smuggled = "GET /dicom-web/nonsense HTTP/1.1\r\nHost: x\r\n\r\n"
    attack = Attack(name="", identity=VIEWER, target="/pacs/studies", body=smuggled, expect=frozenset({200}))
    listed = session(VIEWER).get("/pacs/studies").json()
    for _ in range(20):
        assert [answer.status for answer in raw_http.send(origin, attack.request({**known, **cookies(attack)}))] == [
            200
        ]
        studies = session(VIEWER).get("/pacs/studies")
        assert studies.status_code == 200
        assert studies.json() == listed


def test_callers_without_a_session_do_not_hold_each_other_up(origin: str) -> None:
    """Many at once, as a viewer whose session ended asks: each is refused at once."""
    request = f"GET /pacs/studies HTTP/1.1\r\nHost: {urlsplit(origin).netloc}\r\nConnection: close\r\n\r\n".encode()
    connections = [raw_http.connect(origin, 10) for _ in range(30)]
    started = time.monotonic()
    for connection in connections:
        connection.sendall(request)
    for connection in connections:
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
        connection.close()
    assert time.monotonic() - started < 5


def test_slow_requests_take_nobody_elses_place_and_are_ended(origin: str, slow: list[socket.socket]) -> None:
    with closing(client(origin)) as other:
        started = time.monotonic()
        assert other.get("/healthz").status_code == 200
        assert time.monotonic() - started < 1
    deadline = time.monotonic() + 25
    for connection in slow:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        said = connection.recv(4096)
        assert said == b"" or said.startswith(b"HTTP/1.1 408 ")


def test_nothing_had_an_effect(before: dict[str, object], session: Sessions) -> None:
    assert archive_state(session(PACSADMIN)) == before
