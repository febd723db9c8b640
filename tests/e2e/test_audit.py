"""What the logs say of people, and what neither logs nor state nor previews say of secrets."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from settings import ArchiveKind
from tests.e2e import raw_http
from tests.e2e.archive import API, delete
from tests.e2e.attacks import SPELLINGS, TOKEN
from tests.e2e.conftest import Sessions
from tests.e2e.harness import (
    ARCHIVE,
    CONFIG_FILE_IN_USE,
    NAME,
    THINGS,
    Stack,
    by_hand,
    run,
    state_environment,
    tool,
    wait_until,
)
from tests.e2e.logs import line_of, lines, log_of
from tests.e2e.objects import picture, stow
from tests.e2e.other_containers import another_gateway, neighbour, network_name
from tests.e2e.realm import Realm
from tools.dicomweb import SESSION_COOKIES, GatewayClientError, StackOutputs, client, login_form, sign_in

FIELDS: dict[str, type | tuple[type, ...]] = {
    "time": str,
    "request_id": str,
    "address": str,
    "user": str,
    "method": str,
    "route": str,
    "path": str,
    "query": str,
    "status": int,
    "bytes_sent": int,
    "bytes_received": int,
    "seconds": (int, float),
    "upstream": str,
    "agent": str,
}
"""Of each line of the gateway's log."""
GENERATED = "random:index/randomPassword:RandomPassword"
FLOOD = 100


# --- The gateway's log ---


def test_every_line_is_an_object_with_the_same_fields(stack: Stack) -> None:
    """Whatever was sent before: the attacks of the table have been through here."""
    with closing(client(stack.url)) as anybody:
        anybody.get('/pacs/studies?a="}', headers={"User-Agent": '"}\\ \t{"user":"pacsadmin"}', "Referer": "\x7f"})
    for line in lines(stack):
        assert line.keys() == FIELDS.keys()
        for field, kind in FIELDS.items():
            assert isinstance(line[field], kind), field


@pytest.mark.parametrize("user", ["viewer", "reporter", "pacsadmin"])
def test_a_read_is_logged_with_who_did_what(stack: Stack, session: Sessions, user: str) -> None:
    line, answer = line_of(stack, session(user), "GET", "/pacs/studies", params={"PatientID": "X"})
    assert line["user"] == user
    assert (line["method"], line["path"], line["query"]) == ("GET", "/pacs/studies", "PatientID=X")
    assert (line["status"], line["bytes_sent"]) == (answer.status_code, len(answer.content))
    assert 0 <= line["seconds"] < 60
    assert re.fullmatch(r"[0-9a-f]{32}", str(line["request_id"]))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", str(line["time"]))


@pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="patients are looked up in Orthanc")
def test_who_read_a_patients_study_is_one_command(stack: Stack, session: Sessions) -> None:
    admin, reader = session("pacsadmin"), session("reporter")
    made = picture(PatientID=f"AUDITED-{secrets.token_hex(4)}")
    assert stow(admin, made).status_code == 200
    study = f"/pacs/studies/{made.StudyInstanceUID}"
    (identifier,) = admin.post(
        f"{API}/tools/find", json={"Level": "Study", "Query": {"PatientID": made.PatientID}}
    ).json()
    try:
        frame = f"{study}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}/frames/1"
        for path in (f"{study}/metadata", frame, frame, f"/pacs/studies?PatientID={made.PatientID}"):
            assert reader.get(path).status_code == 200
        assert session("viewer").delete(study).status_code == 403
        assert admin.get(f"{API}/studies/{identifier}/archive").status_code == 200
        answered = tool("audit", "--patient", made.PatientID, "--since", "90m", "--json")
        assert answered.returncode == 0, answered.stdout
        found = json.loads(answered.stdout)
        by_user = {it["user"]: it for it in found["accesses"]}
        assert set(by_user) == {"reporter", "pacsadmin"}
        assert (by_user["reporter"]["images"], by_user["reporter"]["metadata"]) == (2, 1)
        assert by_user["pacsadmin"]["images"] == 1
        assert [(user, query) for _, user, query in found["searches"]] == [("reporter", f"PatientID={made.PatientID}")]
        shown = tool("audit", "--study", str(made.StudyInstanceUID)).stdout
        assert f"reporter  patient {made.PatientID}  study {made.StudyInstanceUID}" in shown
    finally:
        delete(admin, "Study", PatientID=str(made.PatientID))
    gone = tool("audit", "--study", str(made.StudyInstanceUID)).stdout
    assert f"reporter  patient not in the archive  study {made.StudyInstanceUID}" in gone


def test_what_an_administrator_does_in_the_archive_is_logged(stack: Stack, session: Sessions) -> None:
    nobody = "/pacs-admin/patients/00000000-00000000-00000000-00000000-00000000"
    line, _ = line_of(stack, session("pacsadmin"), "DELETE", nobody)
    assert (line["user"], line["method"], line["path"], line["status"]) == ("pacsadmin", "DELETE", nobody, 404)


@pytest.mark.parametrize("path", [path for path in SPELLINGS if not path.startswith("http")])
def test_another_spelling_of_a_search_is_no_search(stack: Stack, session: Sessions, path: str) -> None:
    """And it is logged with its route and its query as any other refusal."""
    agent = f"spelt-{secrets.token_hex(8)}"
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in session("viewer").cookies.jar)
    lines_sent = (
        f"GET {path}?PatientName=DOE HTTP/1.1",
        f"Host: {urlsplit(stack.url).netloc}",
        f"User-Agent: {agent}",
        f"Cookie: {cookies}",
        "Connection: close",
    )
    (answer,) = raw_http.send(stack.url, ("\r\n".join(lines_sent) + "\r\n\r\n").encode())
    assert answer.status == 400
    wait_until(lambda: any(line["agent"] == agent for line in lines(stack)), "line in the gateway's log", 10)
    (line,) = (line for line in lines(stack) if line["agent"] == agent)
    assert (line["route"], line["status"]) == ("dicomweb-store", 400)
    assert "#" in path or line["query"] == "PatientName=DOE"


@pytest.mark.parametrize("path", [f"{API}/studies", f"{API}/tools/lookup", "/pacs/series"])
def test_every_query_to_the_archive_is_logged(stack: Stack, session: Sessions, path: str) -> None:
    line, _ = line_of(stack, session("pacsadmin"), "GET", f"{path}?PatientName=DOE%20J")
    assert (line["user"], line["path"], line["query"]) == ("pacsadmin", path, "PatientName=DOE%20J")
    assert line["route"] in ("archive-admin", "archive-api", "dicomweb")


@pytest.mark.parametrize(
    ("user", "method", "path", "headers"),
    [
        ("viewer", "POST", "/pacs/studies", {}),
        ("norole", "GET", "/pacs/studies", {}),
        ("reporter", "GET", f"{API}/system", {}),
        ("pacsadmin", "DELETE", "/pacs/studies/1.2", {"Origin": "https://elsewhere.example"}),
        ("", "POST", "/pacs/studies", {"Origin": "https://elsewhere.example"}),
    ],
)
def test_a_refused_request_is_logged_with_its_user(
    stack: Stack, session: Sessions, user: str, method: str, path: str, headers: dict[str, str]
) -> None:
    with closing(client(stack.url)) as anonymous:
        line, answer = line_of(stack, session(user) if user else anonymous, method, path, headers=headers)
    assert (answer.status_code, line["status"], line["user"]) == (403, 403, user)
    assert "You have no access to this page" in answer.text


def test_a_request_whose_client_goes_away_is_logged_as_such(stack: Stack) -> None:
    """nginx has no status for it while oauth2-proxy is asked, and wrote 000, which is no number in JSON."""
    agent, cookie = f"gone-{secrets.token_hex(8)}", SESSION_COOKIES[0]
    since = int(time.time()) - 2

    def seen() -> bool:
        """Whether one of forty more clients went while it was asked."""
        for _ in range(40):
            with closing(raw_http.connect(stack.url, 5)) as connection:
                lines_sent = (
                    "GET /app-config.js HTTP/1.1",
                    f"Host: {urlsplit(stack.url).netloc}",
                    # Another one each time: answers for the same cookie are kept for seconds.
                    f"Cookie: {cookie}={secrets.token_hex(8)}",
                    f"User-Agent: {agent}",
                )
                connection.sendall(("\r\n".join(lines_sent) + "\r\n\r\n").encode())
        return 499 in [line["status"] for line in lines(stack, since) if line["agent"] == agent]

    wait_until(seen, "line about a request whose client has gone", 20)


LONGEST = {False: 7_000, True: 25_000}
"""Bytes on the disk about one request, without and with a session (tests/components/gateway/test_gateway_file.py)."""


def size_of_log(stack: Stack) -> int:
    """Bytes of the gateway's log on this machine's disk, all its files together."""
    path = Path(stack.container("gateway").attrs["LogPath"])
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("user", ["", "viewer"])
@pytest.mark.parametrize(
    "path", ["/nowhere", "/", "/healthz", "/pacs/studies", "/pacs-admin/tools", "/ohif-viewer/", TOKEN]
)
def test_one_request_takes_little_of_the_log(stack: Stack, session: Sessions, user: str, path: str) -> None:
    """A line could be 113 kB, of characters that are written as many; so could nginx's own messages."""
    requests = 20
    authority = urlsplit(stack.url).netloc
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in session(user).cookies.jar) if user else "a=b"
    before = size_of_log(stack)
    for fill in ("\x01", "<", '"', "\xff"):
        for _ in range(requests // 4):
            in_path = "" if path in ("/", "/healthz", TOKEN) else "/" + ("<" if fill == "\x01" else fill) * 3_000
            raw = (
                f"BREW {path}{in_path}?x={'<' * 2_000} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n"
                f"Cookie: {cookies}\r\nUser-Agent: {fill * 6_000}\r\nReferer: {fill * 6_000}\r\n"
                "Content-Length: 0\r\n\r\n"
            )
            (answer,) = raw_http.send(stack.url, raw.encode("latin-1"))
            assert answer.status < 500 or answer.status == 501
    # Others may ask meanwhile.
    assert size_of_log(stack) - before < requests * LONGEST[bool(user)]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/pacs/studies/1.2", 401), ("POST", "/ohif-viewer/", 405), ("PUT", "/nowhere", 404)],
)
def test_a_refused_write_is_logged_as_what_it_was(stack: Stack, method: str, path: str, status: int) -> None:
    """Not as the GET of the page that refuses it."""
    with closing(client(stack.url)) as anybody:
        line, answer = line_of(stack, anybody, method, path)
    assert answer.status_code == status
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


def test_a_name_that_a_client_claims_is_not_logged(stack: Stack, session: Sessions) -> None:
    claimed = {"X-Forwarded-User": "claimed", "X-Auth-Request-Preferred-Username": "claimed"}
    with closing(client(stack.url)) as anybody:
        line, refused = line_of(stack, anybody, "GET", "/pacs/studies", headers=claimed)
    assert (refused.status_code, line["user"]) == (401, "")
    assert line_of(stack, session("viewer"), "GET", "/pacs/studies", headers=claimed)[0]["user"] == "viewer"


def test_a_login_is_logged_without_code_and_state(stack: Stack, outputs: StackOutputs) -> None:
    with closing(client(stack.url)) as browser:
        action = login_form(browser.get("/oauth2/start", follow_redirects=True).text)
        assert action
        form = {"username": "viewer", "password": outputs.credentials["viewer"], "credentialId": ""}
        address = browser.post(action, data=form).headers["location"]
        line, _ = line_of(stack, browser, "GET", address)
    assert (line["path"], line["query"], line["status"]) == ("/oauth2/callback", "", 302)
    log = log_of(stack, "gateway")
    for values in parse_qs(urlsplit(address).query).values():
        assert values[0] not in log


# --- Keycloak's log ---


@pytest.fixture(scope="module")
def events(stack: Stack, outputs: StackOutputs) -> list[str]:
    """Keycloak's login events, one right and one wrong among them."""
    sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
    with closing(client(stack.url)) as guesser:
        guesser.headers["X-Forwarded-For"] = "203.0.113.66"
        action = login_form(guesser.get("/oauth2/start", follow_redirects=True).text)
        assert action
        action = login_form(
            guesser.post(action, data={"username": "someone-else", "password": "wrong", "credentialId": ""}).text
        )
        assert action
        guesser.post(action, data={"username": "reporter", "password": "wrong", "credentialId": ""})
    logged = [json.loads(line) for line in log_of(stack, "keycloak").splitlines() if line.startswith("{")]
    return [entry["message"] for entry in logged if entry.get("loggerName") == "org.keycloak.events"]


def test_logins_are_in_keycloaks_log(stack: Stack, events: list[str]) -> None:
    assert [event for event in events if event.startswith('type="LOGIN"') and 'realmName="ohif"' in event]
    failed = [event for event in events if event.startswith('type="LOGIN_ERROR"')]
    # A known user by name and id; of an unknown name only that there was one.
    refused = [event for event in failed if 'username="reporter"' in event]
    assert refused
    assert 'userId="null"' not in refused[-1]
    unknown = [event for event in failed if 'error="user_not_found"' in event]
    assert unknown
    for event in (refused[-1], unknown[-1]):
        assert 'ipAddress="' in event
    assert "someone-else" not in "".join(events)
    assert "203.0.113.66" not in "".join(events), "an address that the client made up"


def test_keycloaks_log_is_json(stack: Stack) -> None:
    """But for what its start script says before the server does."""
    said = log_of(stack, "keycloak").splitlines()
    first = next(number for number, line in enumerate(said) if line.startswith("{"))
    assert first < 20
    for line in said[first:]:
        assert {"timestamp", "level", "message"} <= json.loads(line).keys()


# --- Secrets ---


@pytest.fixture(scope="module")
def generated(stack: Stack) -> Mapping[str, str]:
    """Every generated secret of the stack, and the header that is made of one, by name."""
    exported = json.loads(
        run("pulumi", "stack", "export", "--show-secrets", "--stack", NAME, env=state_environment()).stdout
    )
    values = {
        resource["urn"].rpartition("::")[2]: str(json.loads(resource["outputs"]["result"]["plaintext"]))
        for resource in exported["deployment"]["resources"]
        if resource["type"] == GENERATED
    }
    assert len(values) >= 10
    header = base64.b64encode(f"gateway:{values['secrets-archive']}".encode()).decode()
    return {**values, "the gateway's credential": header}


def search(text: str, values: Mapping[str, str]) -> list[str]:
    """Names of the values that the text has."""
    return [name for name, value in values.items() if value in text]


def typed_as_name(stack: Stack) -> dict[str, str]:
    """Passwords that were typed into the field of the user name, in every spelling that a log could trip over."""
    typed = {}
    for kind, spelling in {
        "sentence": "{} is my Password!",
        "quotes": '{}" user="x\\"',
        "backslash at the end": "{}\\",
        "another detail": '{}, userId="1", error=x',
        "umlauts": "Straße {} ü",
        "very long": "{}" + "x" * 3000,
    }.items():
        secret = f"typed-{secrets.token_hex(12)}"
        with pytest.raises(GatewayClientError):
            sign_in(stack.url, spelling.format(secret), "")
        typed[f"a password as user name, {kind}"] = secret
    return typed


@pytest.fixture(scope="module")
def used(stack: Stack, session: Sessions, outputs: StackOutputs) -> Mapping[str, str]:
    """What the browsers of these tests hold and typed: cookies, tickets, tokens, passwords right and wrong."""
    wrong = f"typed-{secrets.token_hex(12)}"
    with pytest.raises(GatewayClientError):
        sign_in(stack.url, "norole", wrong)
    values = {"a wrong password": wrong, **typed_as_name(stack)}
    for user in ("viewer", "reporter", "pacsadmin"):
        for cookie in session(user).cookies.jar:
            if cookie.value and len(cookie.value) > 20:
                values[f"{user}'s {cookie.name}"] = cookie.value
        ticket = next(value for name, value in values.items() if name.startswith(user) and "session=" in f"{name}=")
        values[f"{user}'s ticket"] = ticket.split("|")[0]
        values[f"{user}'s signature"] = ticket.split("|")[-1]
    # A session that is longer than any is, as a browser sends it that was given two in one cookie.
    values["a long session"] = f"{ticket}{ticket}"
    for name in SESSION_COOKIES:
        assert httpx.get(f"{stack.url}/pacs/studies", cookies={name: values["a long session"]}).status_code == 401
    with closing(client(stack.url)) as admin:
        answer = admin.post(
            "/keycloak/realms/master/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": "admin",
                "password": outputs.credentials["admin"],
            },
        ).json()
        values["an access token"], values["a refresh token"] = answer["access_token"], answer["refresh_token"]
        admin.get("/pacs/studies", headers={"Authorization": f"Bearer {values['an access token']}"})
        # A caller that puts it where it does not belong.
        admin.get("/oauth2/userinfo", params={"access_token": values["an access token"]})
    return values


def test_a_search_finds_what_is_there(stack: Stack, generated: Mapping[str, str]) -> None:
    """A container's environment does hold secrets; see docs/explanation/security.md; else this proves nothing."""
    environment = json.dumps(stack.container("auth-proxy").attrs["Config"]["Env"])
    assert set(search(environment, generated)) == {"secrets-client", "secrets-cookie", "secrets-session-store"}


@pytest.mark.parametrize("thing", THINGS)
def test_no_log_has_a_secret(stack: Stack, generated: Mapping[str, str], used: Mapping[str, str], thing: str) -> None:
    log = log_of(stack, thing)
    assert search(log, generated) == []
    assert search(log, used) == []


def test_no_stored_event_has_a_typed_name(stack: Stack, used: Mapping[str, str], outputs: StackOutputs) -> None:
    """Keycloak stores events for months, and shows them in its console."""
    realm = Realm(stack, outputs.credentials["admin"])
    stored = json.dumps(realm.ask("GET", "/events?max=1000"))
    assert '"type": "LOGIN"' in stored
    assert search(stored, used) == []
    dump = stack.container("keycloak-db").exec_run(["sh", "-c", "pg_dump -U keycloak -t 'event_entity' keycloak"])
    assert dump.exit_code == 0, dump.output
    assert isinstance(dump.output, bytes)
    assert search(dump.output.decode(), used) == []


def test_the_gateways_complaints_have_no_code(stack: Stack) -> None:
    """nginx writes the whole request next to its complaint: of too many sign-ins, of a server that is not there."""
    code = f"code-{secrets.token_hex(12)}"
    attempt = (
        f"POST /keycloak/realms/ohif/login-actions/authenticate?session_code={code} HTTP/1.1\\r\\n"
        f"Host: {urlsplit(stack.url).netloc}\\r\\nContent-Length: 0\\r\\n\\r\\n"
    )
    script = f"exec 3<>/dev/tcp/gateway/8080; for i in $(seq {FLOOD}); do printf '{attempt}'; done >&3 & sleep 5"
    neighbour(stack, network_name("edge"), script)
    assert [line for line in lines(stack) if line["status"] == 429]
    assert code not in log_of(stack, "gateway")
    with another_gateway(stack, admin_networks=["0.0.0.0/0"], networks=[]) as (alone, log):
        for path in ("/oauth2/callback", "/keycloak/realms/ohif/login-actions/authenticate", "/oauth2/start"):
            answer = alone.get(path, params={"code": code, "state": code}, headers={"Referer": f"{stack.url}/?{code}"})
            assert answer.status_code == 503
        assert code not in log()


def test_no_command_line_has_a_secret(stack: Stack, generated: Mapping[str, str]) -> None:
    """Every user of the machine reads those."""
    for thing in THINGS:
        processes = stack.container(thing).top(ps_args="-eo pid,args")["Processes"]
        assert search(json.dumps(processes), generated) == []
        configured = stack.container(thing).attrs["Config"]
        actual = [configured["Cmd"], configured["Entrypoint"], configured["Healthcheck"], configured["Labels"]]
        assert search(json.dumps(actual), generated) == []


@pytest.fixture(scope="module")
def actual(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What Pulumi writes and prints about the stack, by how it comes about."""
    events = tmp_path_factory.mktemp("events") / "events.json"
    said = {
        "state": run("pulumi", "stack", "export", "--stack", NAME, env=state_environment()).stdout,
        "outputs": run("pulumi", "stack", "output", "--json", "--stack", NAME, env=state_environment()).stdout,
        "preview": by_hand("pulumi preview --diff --json").stdout,
        "up": by_hand(f"PULUMI_DEBUG_COMMANDS=true pulumi up --yes --skip-preview --diff --event-log {events}").stdout,
        "configuration": CONFIG_FILE_IN_USE.read_text(),
    }
    yield {**said, "event log": events.read_text()}


@pytest.mark.parametrize("where", ["state", "outputs", "preview", "up", "event log", "configuration"])
def test_pulumi_shows_no_secret(actual: Mapping[str, str], generated: Mapping[str, str], where: str) -> None:
    assert actual[where]
    assert search(actual[where], generated) == []


def test_no_file_of_the_state_has_a_secret(stack: Stack, generated: Mapping[str, str]) -> None:
    """Backups, history and locks too."""
    backend = urlsplit(state_environment()["PULUMI_BACKEND_URL"])
    if backend.scheme != "file":
        pytest.skip("the state is not on this machine")
    files = [file for file in Path(backend.path).rglob("*") if file.is_file() and NAME in file.as_posix()]
    assert files
    for file in files:
        assert search(file.read_text(errors="replace"), generated) == [], file
