"""Links that show one study to others: made, opened, listed, revoked, ended, and nothing else seen by them."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydicom.dataset import Dataset

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions, UpWith, sessions_at
from tests.e2e.harness import ARCHIVE, Stack, tool, wait_until
from tests.e2e.load_balancer import ORIGIN, behind_load_balancer
from tests.e2e.logs import line_of, log_of
from tests.e2e.objects import picture, stow
from tests.e2e.raw_http import send
from tests.e2e.test_rights import RADIOLOGY, RULES, paths

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="rights are Orthanc's")

USERS = [
    {"name": "pacsadmin", "roles": ["pacsadmin"]},
    {"name": "radiologist", "roles": ["viewer", "sharer", "group:radiology"]},
    {"name": "cardiologist", "roles": ["viewer", "sharer", "group:cardiology"]},
    {"name": "reader", "roles": ["viewer"]},
    {"name": "norole", "roles": []},
]
CARDIOLOGY = {"InstitutionalDepartmentName": "Cardiology"}
ENDED = "This link has ended"
COUNTS = 5
"""Seconds after which the end of a link counts."""
JSON = {"Accept": "application/dicom+json"}

Link = Mapping[str, str]
Studies = Mapping[str, Dataset]
Reader = Callable[[Link], httpx.Client]


@pytest.fixture(scope="module")
def up_with_https(up_with: UpWith, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpWith]:
    """`up_with`, behind a load balancer that ends TLS."""
    proxy: dict[str, object] = {}

    def keep(**settings: object) -> str:
        proxy.update(settings)
        return ""

    with behind_load_balancer(tmp_path_factory.mktemp("share-links"), "xForwardedFor", keep):
        yield partial(up_with, **proxy)


@pytest.fixture(scope="module", params=["link-alone", "login"])
def without_login(request: pytest.FixtureRequest, stack: Stack, up_with_https: UpWith) -> bool:
    """Whether a link is all that its reader needs; the stack with share links."""
    alone = bool(request.param == "link-alone")
    shares = {"maximumDays": 10, "withoutLogin": alone}
    up_with_https(users=USERS, rights={"groups": ["radiology", "cardiology"], "rules": RULES, "shares": shares})
    return alone


@pytest.fixture(scope="module")
def people(stack: Stack, without_login: bool) -> Iterator[Sessions]:
    with sessions_at(ORIGIN, stack.outputs()) as made:
        yield made


@pytest.fixture(scope="module")
def studies(people: Sessions) -> Iterator[Studies]:
    made = {
        "RADIOLOGY": picture(PatientID="RADIOLOGY", PatientName="RADIOLOGY^ANN", **RADIOLOGY),
        "CARDIOLOGY": picture(PatientID="CARDIOLOGY", PatientName="CARDIOLOGY^BEA", **CARDIOLOGY),
    }
    admin = people("pacsadmin")
    assert stow(admin, *made.values()).status_code == 200
    yield made
    for it in made.values():
        delete(admin, "Study", StudyInstanceUID=str(it.StudyInstanceUID))


def make(session: httpx.Client, made: Dataset, **asked: object) -> Link:
    """A new link to a study."""
    answer = session.post(f"/shares/studies/{made.StudyInstanceUID}", json={"days": 7, **asked})
    assert answer.status_code == 200, answer.text
    link: Link = answer.json()
    return link


def revoke(session: httpx.Client, link: Link) -> httpx.Response:
    return session.post(f"/shares/{link['id']}/revoke")


@contextmanager
def fresh(without_login: bool, stack: Stack) -> Iterator[httpx.Client]:
    """Somebody who has never been here; where a login is needed, a user without any group."""
    if without_login:
        with httpx.Client(base_url=ORIGIN, verify=ssl.create_default_context(), timeout=30) as client:
            yield client
    else:
        with sessions_at(ORIGIN, stack.outputs()) as made:
            yield made("reader")


@pytest.fixture
def reader(without_login: bool, stack: Stack) -> Iterator[Reader]:
    """`reader(link)`: somebody who has opened that link."""
    with fresh(without_login, stack) as client:

        def opening(link: Link) -> httpx.Client:
            answer = client.post(f"/shared/{link['id']}/open", headers={"X-Share-Secret": link["secret"]})
            assert answer.status_code == 204
            return client

        yield opening


def below(link: Link, path: str) -> str:
    return f"/shared/{link['id']}{path}"


def test_a_link_shows_its_study_and_no_other(people: Sessions, studies: Studies, reader: Reader) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    client = reader(link)
    answer = client.get(below(link, "/study"))
    assert answer.json() == {"study": str(studies["RADIOLOGY"].StudyInstanceUID), "until": link["until"]}
    absent = picture()
    for kind, path in paths(studies["RADIOLOGY"]).items():
        theirs, nobodys = (client.get(below(link, paths(it)[kind])) for it in (studies["CARDIOLOGY"], absent))
        assert theirs.status_code == nobodys.status_code == (404 if kind == "ZIP file" else 403), kind
        assert client.get(below(link, path)).status_code == (404 if kind == "ZIP file" else 200), kind
        assert client.get(path).status_code in (401, 403, 404), "outside of the link's path"
    found = client.get(below(link, "/pacs/studies"), headers=JSON).json()
    assert [it["00100020"]["Value"][0] for it in found] == ["RADIOLOGY"]
    other = studies["CARDIOLOGY"]
    for query in (f"StudyInstanceUID={other.StudyInstanceUID}", "PatientID=CARDIOLOGY", "PatientName=CARD*"):
        answer = client.get(below(link, f"/pacs/studies?{query}"), headers=JSON)
        assert (answer.status_code, answer.json()) == (200, []), query
    for level in ("series", "instances"):
        assert client.get(below(link, f"/pacs/{level}"), headers=JSON).json() == []
    assert revoke(people("radiologist"), link).status_code == 200


def test_links_in_answers_stay_below_the_share(people: Sessions, studies: Studies, reader: Reader) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    client, study = reader(link), f"/pacs/studies/{studies['RADIOLOGY'].StudyInstanceUID}"
    for path in ("/pacs/studies", f"{study}/series", f"{study}/metadata"):
        text = client.get(below(link, path), headers=JSON).text
        links = re.findall(r'"(https?://[^"]+)"', text)
        assert links, path
        assert [it for it in links if not it.startswith(f"{ORIGIN}/shared/{link['id']}/pacs/")] == []
    for address in links:
        assert client.get(address).status_code == 200
    revoke(people("radiologist"), link)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_link_only_reads(people: Sessions, studies: Studies, reader: Reader, method: str) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    client = reader(link)
    for path in (*paths(studies["RADIOLOGY"]).values(), "/pacs/studies"):
        assert client.request(method, below(link, path)).status_code in (403, 404, 405), path
    assert client.get(below(link, f"/pacs/studies/{studies['RADIOLOGY'].StudyInstanceUID}?_method=DELETE")).is_error
    assert len(client.get(below(link, "/pacs/studies"), headers=JSON).json()) == 1
    revoke(people("radiologist"), link)


def test_a_secret_opens_its_own_link_only(people: Sessions, studies: Studies, reader: Reader) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    other = make(people("cardiologist"), studies["CARDIOLOGY"])
    client = reader(link)
    frame = paths(studies["RADIOLOGY"])["frame"]
    wrong: list[Mapping[str, str]] = [
        {**other, "secret": link["secret"]},
        {**link, "secret": other["secret"]},
        {**link, "secret": "A" * 43},
        {**link, "secret": link["secret"][:-1] + ("A" if link["secret"][-1] != "A" else "B")},
        {**link, "id": "0" * 16},
    ]
    for forged in wrong:
        for path in ("/study", frame, paths(studies["CARDIOLOGY"])["frame"], "/pacs/studies"):
            answer = client.get(below(forged, path), headers={"Cookie": f"__Secure-share={forged['secret']}"})
            assert answer.status_code in (401, 403), (forged, path)
    for secret in ("", "x", "A" * 44, "A" * 42 + "!", link["secret"] + "\n"[:0] + " "):
        assert client.post(below(link, "/open"), headers={"X-Share-Secret": secret.strip() or "-"}).status_code in (
            (204,) if secret.strip() == link["secret"] else (400,)
        )
    for it, owner in ((link, "radiologist"), (other, "cardiologist")):
        revoke(people(owner), it)


def test_a_user_who_opens_a_link_is_restricted_to_it(people: Sessions, studies: Studies) -> None:
    """Whatever else that person may do: the path decides, not the session."""
    link = make(people("radiologist"), studies["RADIOLOGY"])
    admin = people("pacsadmin")
    opening = admin.post(below(link, "/open"), headers={"X-Share-Secret": link["secret"]})
    path = f"Path=/shared/{link['id']}/"
    assert (
        f"__Secure-share={link['secret']}; {path}; Secure; HttpOnly; SameSite=Strict" in opening.headers["Set-Cookie"]
    )
    assert admin.get(below(link, paths(studies["RADIOLOGY"])["frame"])).status_code == 200
    assert admin.get(below(link, paths(studies["CARDIOLOGY"])["frame"])).status_code == 403
    # And the link takes nothing away from what is outside of its path.
    assert admin.get(paths(studies["CARDIOLOGY"])["frame"]).status_code == 200
    revoke(people("radiologist"), link)


@pytest.mark.parametrize(
    "path",
    ["/shared/{id}/../{id}/study", "/shared//{id}/study", "/shared/{id}/%2e%2e/{other}/study", "/shared/{id}\\study"],
)
def test_other_spellings_of_the_path_open_nothing(
    people: Sessions, studies: Studies, reader: Reader, path: str
) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    reader(link)
    host = ORIGIN.partition("//")[2]
    for target, status in ((path, {400, 401, 403, 404}), ("/shared/{id}/study", {200, 401})):
        lines = (
            f"GET {target.format(id=link['id'], other='0' * 16)} HTTP/1.1",
            f"Host: {host}",
            f"Cookie: __Secure-share={link['secret']}",
            "Connection: close",
        )
        (answer,) = send(ORIGIN, "\r\n".join((*lines, "", "")).encode())
        assert answer.status in status, target
    revoke(people("radiologist"), link)


def test_headers_of_a_client_open_nothing(people: Sessions, studies: Studies) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    forged = {"X-Share": f"{link['id']} {link['secret']}"}
    frame = paths(studies["RADIOLOGY"])["frame"]
    assert people("cardiologist").get(frame, headers=forged).status_code == 403
    assert people("reader").get("/pacs/studies", headers={**JSON, **forged}).json() == []
    with httpx.Client(base_url=ORIGIN, verify=ssl.create_default_context()) as nobody:
        assert nobody.get(below(link, frame), headers=forged).status_code in (401, 403)
    revoke(people("radiologist"), link)


def test_a_revoked_link_ends_at_once(people: Sessions, studies: Studies, reader: Reader) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    client, frame = reader(link), below(link, paths(studies["RADIOLOGY"])["frame"])
    assert client.get(frame).status_code == 200
    assert revoke(people("cardiologist"), link).status_code == 404
    assert client.get(frame).status_code == 200
    assert revoke(people("radiologist"), link).status_code == 200
    assert client.get(frame).status_code == 403
    assert client.get(below(link, "/study")).status_code == 403
    assert revoke(people("radiologist"), link).status_code == 404


def test_a_link_ends_with_its_time(people: Sessions, studies: Studies, reader: Reader) -> None:
    admin, study = people("pacsadmin"), str(studies["RADIOLOGY"].StudyInstanceUID)
    link = make(people("radiologist"), studies["RADIOLOGY"], days=1)
    assert abs(int(link["until"]) - time.time() - 86400) < 60
    client, frame = reader(link), below(link, paths(studies["RADIOLOGY"])["frame"])
    assert client.get(frame).status_code == 200
    query = {"Level": "Study", "Query": {"StudyInstanceUID": study}}
    (identifier,) = admin.post("/pacs-admin/tools/find", json=query).json()
    metadata = f"/pacs-admin/studies/{identifier}/metadata/Shares"
    kept = admin.get(metadata).text
    assert link["secret"] not in kept, "only its hash is kept"
    links = {label: {**it, "until": int(time.time()) - 1} for label, it in json.loads(kept).items()}
    assert admin.put(metadata, content=json.dumps(links)).status_code == 200
    wait_until(lambda: client.get(frame).status_code == 403, "end of the link", COUNTS)
    assert [it for it in listed(people("radiologist")) if it["id"] == link["id"]] == []


def listed(session: httpx.Client) -> list[dict[str, str]]:
    links: list[dict[str, str]] = session.get("/shares/list").json()["shares"]
    return links


def test_a_link_ends_with_its_study(people: Sessions, reader: Reader) -> None:
    admin, made = people("pacsadmin"), picture(PatientID="GONE", **RADIOLOGY)
    assert stow(admin, made).status_code == 200
    link = make(people("radiologist"), made)
    client = reader(link)
    assert client.get(below(link, "/study")).status_code == 200
    delete(admin, "Study", StudyInstanceUID=str(made.StudyInstanceUID))
    wait_until(lambda: client.get(below(link, "/study")).status_code == 403, "end of the link", COUNTS)
    # What comes again under the same UID is not what was shared.
    assert stow(admin, made).status_code == 200
    assert client.get(below(link, "/study")).status_code == 403
    delete(admin, "Study", StudyInstanceUID=str(made.StudyInstanceUID))


def test_who_makes_a_link_must_be_able_to_read_the_study(people: Sessions, studies: Studies) -> None:
    asked = {"days": 7}
    foreign, absent = f"/shares/studies/{studies['CARDIOLOGY'].StudyInstanceUID}", "/shares/studies/1.2.3.4"
    answers = [people("radiologist").post(path, json=asked) for path in (foreign, absent)]
    assert [it.status_code for it in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    for name, status in (("reader", 403), ("norole", 403)):
        for method, path in (("POST", foreign), ("GET", "/shares/list"), ("GET", "/shares")):
            assert people(name).request(method, path).status_code == status
    own = f"/shares/studies/{studies['RADIOLOGY'].StudyInstanceUID}"
    for wrong in (
        *({"days": it} for it in (0, 11, -1, 1.5, "7", None, True)),
        {"days": 1, "note": "x" * 201},
        {"days": 1, "note": "a\nb"},
        {"days": 1, "note": 1},
        [],
    ):
        assert people("radiologist").post(own, json=wrong).status_code == 400, wrong
    assert people("radiologist").post(own, content=b"{").status_code == 400
    assert people("radiologist").post(own, content=b"x" * 5000).status_code == 413
    forged = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert people("radiologist").post(own, json=asked, headers=forged).status_code == 403
    assert listed(people("radiologist")) == []


def test_links_are_listed_to_who_made_them_and_to_administrators(people: Sessions, studies: Studies) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"], note="Dr. Jönes <b>")
    (own,) = listed(people("radiologist"))
    assert {name: own[name] for name in ("id", "study", "patient", "by", "note", "until")} == {
        "id": link["id"],
        "study": str(studies["RADIOLOGY"].StudyInstanceUID),
        "patient": "RADIOLOGY^ANN",
        "by": "radiologist",
        "note": "Dr. Jönes <b>",
        "until": link["until"],
    }
    assert "secret" not in own
    assert listed(people("cardiologist")) == []
    assert [it["id"] for it in listed(people("pacsadmin"))] == [link["id"]]
    assert revoke(people("pacsadmin"), link).status_code == 200
    assert listed(people("radiologist")) == []


def test_what_happens_with_links_is_logged(
    stack: Stack, people: Sessions, studies: Studies, reader: Reader, without_login: bool
) -> None:
    study = studies["RADIOLOGY"].StudyInstanceUID
    line, answer = line_of(stack, people("radiologist"), "POST", f"/shares/studies/{study}", json={"days": 2})
    link = answer.json()
    assert (line["user"], line["route"], line["path"]) == ("radiologist", "share-making", f"/shares/studies/{study}")
    assert f"radiologist made link {link['id']} to study {study} for 2 days" in log_of(stack, "orthanc")
    client, frame = reader(link), below(link, paths(studies["RADIOLOGY"])["frame"])
    user = f"share:{link['id']}" if without_login else "reader"
    line, _ = line_of(stack, client, "GET", frame)
    assert (line["user"], line["route"], line["path"], line["status"]) == (user, "shared-dicomweb", frame, 200)
    report = tool("audit", "--study", str(study), "--json")
    assert report.returncode == 0, report.stdout
    accesses = {it["user"]: it for it in json.loads(report.stdout)["accesses"]}
    assert accesses[user if without_login else f"reader by link {link['id']}"]["images"] >= 1
    assert accesses["radiologist"]["links"] >= 1
    line, _ = line_of(stack, people("radiologist"), "POST", f"/shares/{link['id']}/revoke")
    assert (line["user"], line["route"]) == ("radiologist", "share-revoking")
    line, _ = line_of(stack, client, "GET", frame)
    assert line["status"] == 403
    assert link["secret"] not in log_of(stack, "gateway") + log_of(stack, "orthanc")


def test_nobody_without_the_link_comes_further(stack: Stack, without_login: bool, studies: Studies) -> None:
    path = f"/shared/{'0' * 16}"
    with httpx.Client(base_url=ORIGIN, verify=ssl.create_default_context(), timeout=30) as nobody:
        assert nobody.get(path).status_code == 200
        for rest in ("/study", "/viewer", "/app-config.js", "/pacs/studies", paths(studies["RADIOLOGY"])["frame"]):
            assert nobody.get(path + rest).status_code == (403 if without_login else 401), rest
        assert nobody.get("/app-config.js").status_code == 401
        assert nobody.get("/shares").status_code == 401
        if without_login:
            start = time.monotonic()
            assert {nobody.get(f"{path}/study").status_code for _ in range(600)} == {403}
            assert time.monotonic() - start >= 3, "a flood of guesses is slowed down to a hundred a second"


# In the browser


@contextmanager
def profile(browser: Browser, **options: object) -> Iterator[BrowserContext]:
    """A browser that has never been here."""
    context = browser.new_context(base_url=ORIGIN, ignore_https_errors=True, **options)  # type: ignore[arg-type]
    with closing(context):
        yield context


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_a_study_is_shared_seen_and_revoked_on_a_phone(
    stack: Stack, browser: Browser, people: Sessions, studies: Studies, without_login: bool
) -> None:
    """From the viewer of who shares it to that of who gets the link, each in a browser of its own."""
    credentials, study = stack.outputs().credentials, str(studies["RADIOLOGY"].StudyInstanceUID)
    with profile(browser, viewport={"width": 1280, "height": 800}) as sharing, profile(browser, **PHONE) as reading:
        page = sharing.new_page()
        page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={study}")
        screen.log_in(page, "radiologist", credentials["radiologist"])
        screen.settled_picture(page)
        page.get_by_role("link", name="Share").click()
        expect(page.get_by_label("Study (StudyInstanceUID)")).to_have_value(study)
        page.get_by_label("For whom").fill("Dr. Jones")
        page.get_by_role("button", name="Make a link").click()
        shown = page.get_by_label("The link, which is shown only now")
        expect(shown).to_have_value(re.compile("#"))
        link = shown.input_value()
        expect(page.get_by_text("RADIOLOGY ANN")).to_be_visible()
        expect(page.get_by_text("Dr. Jones")).to_be_visible()
        screen.keep(page, "share-page")
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screen.keep(page, "share-page-phone")

        phone = reading.new_page()
        requested: list[str] = []
        phone.on("request", lambda request: requested.append(request.url))
        phone.goto(link)
        if not without_login:
            screen.log_in(phone, "reader", credentials["reader"])
        phone.wait_for_url(re.compile("/viewer"))
        screen.settled_picture(phone)
        screen.keep(phone, f"share-opened-{'alone' if without_login else 'login'}")
        expect(phone.get_by_role("link", name="Sign out")).to_have_count(0)
        secret = link.partition("#")[2]
        assert [it for it in requested if secret in it.partition("#")[0]] == []
        assert secret not in phone.url
        assert [it for it in requested if "/pacs/" in it and "/shared/" not in it] == []

        with phone.expect_response(re.compile("/study$")) as asked:
            phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert asked.value.status == 200
        expect(phone.get_by_text(ENDED)).to_have_count(0)
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name=re.compile("Revoke")).click()
        expect(page.get_by_text("The link is revoked.")).to_be_visible()
        expect(page.get_by_text("There are none.")).to_be_visible()
        # At the next request that the viewer makes: by a touch after a while, or when the page is seen again.
        phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(phone.get_by_text(ENDED)).to_be_visible()
        screen.keep(phone, "share-revoked-while-open")
        phone.goto(link)
        expect(phone.get_by_role("heading", name=ENDED)).to_be_visible()
        screen.keep(phone, "share-ended")
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert listed(people("radiologist")) == []


def test_a_link_into_another_study_ends_in_a_sentence(
    browser: Browser, people: Sessions, studies: Studies, without_login: bool, stack: Stack
) -> None:
    link = make(people("radiologist"), studies["RADIOLOGY"])
    with profile(browser) as context:
        page: Page = context.new_page()
        page.goto(f"/shared/{link['id']}#{link['secret']}")
        if not without_login:
            screen.log_in(page, "reader", stack.outputs().credentials["reader"])
        page.wait_for_url(re.compile("/viewer"))
        screen.settled_picture(page)
        page.goto(below(link, f"/viewer?StudyInstanceUIDs={studies['CARDIOLOGY'].StudyInstanceUID}"))
        sentence = re.compile("not (?:found|available|valid)|has ended", re.IGNORECASE)
        expect(page.get_by_text(sentence).first).to_be_visible(timeout=30_000)
        screen.keep(page, "share-another-study")
    revoke(people("radiologist"), link)


# Without groups: the last one, as it changes the settings


def test_links_alone_leave_every_study_to_every_role(stack: Stack, up_with_https: UpWith, without_login: bool) -> None:
    names = {"pacsadmin": ["pacsadmin"], "sharer": ["viewer", "sharer"], "reader": ["viewer"]}
    users = [{"name": name, "roles": roles} for name, roles in names.items()]
    up_with_https(users=users, rights={"shares": {"withoutLogin": without_login}})
    made = picture(PatientID="ANYBODY")
    with sessions_at(ORIGIN, stack.outputs()) as sessions, fresh(without_login, stack) as client:
        assert stow(sessions("pacsadmin"), made).status_code == 200
        frame = paths(made)["frame"]
        assert sessions("sharer").get(frame).status_code == 200
        link = make(sessions("sharer"), made, days=14)
        assert client.post(below(link, "/open"), headers={"X-Share-Secret": link["secret"]}).status_code == 204
        assert client.get(below(link, frame)).status_code == 200
        assert len(client.get(below(link, "/pacs/studies"), headers=JSON).json()) == 1
        delete(sessions("pacsadmin"), "Study", StudyInstanceUID=str(made.StudyInstanceUID))
