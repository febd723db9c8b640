"""What the gateway asks the browser to allow, to keep and to refuse, and that OHIF works under it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import ConsoleMessage, Page, expect
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from components.archive.archive import archive_roots
from route import ArchiveRoot
from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack
from tools import phantom, sample
from tools.dicomweb import SESSION_COOKIES, StackOutputs, client, login_form, sign_in, store
from tools.sample import study_link

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
YEAR = "public, max-age=31536000, immutable"
FRAMED = ("/ohif-viewer/", "/keycloak/realms/ohif/account", "/pacs/studies")
EMPTY_MODULE = [0x00, 0x61, 0x73, 0x6D, 0x01, 0x00, 0x00, 0x00]
"""The shortest WebAssembly that compiles."""


def csp(headers: httpx.Headers) -> Mapping[str, set[str]]:
    """Directives of the content security policy and their sources."""
    directives = (directive.split() for directive in headers["content-security-policy"].split(";"))
    return {words[0]: set(words[1:]) for words in directives if words}


def script_of_ohif(viewer: httpx.Client) -> str:
    """The path of OHIF's largest script, as its page names it."""
    found = re.search(r'src="(/app\.bundle\.[0-9a-f]+\.js)"', viewer.get("/ohif-viewer/").text)
    assert found
    return found[1]


class Complaints:
    """What the browser complains of on a page."""

    # A place for messages that OHIF writes as errors and that are none.
    KNOWN = re.compile(r"(?!)")

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("crash", lambda _: self.found.append("the page crashed"))

    def _console(self, message: ConsoleMessage) -> None:
        policy = "Content Security Policy" in message.text or "Permissions policy" in message.text
        if (policy or message.type == "error") and not self.KNOWN.search(message.text):
            self.found.append(f"{message.type}: {message.text[:500]}")


def test_known_problem_12_ohif_works_under_its_policy(page: Page, stack: Stack, outputs: StackOutputs) -> None:
    complaints = Complaints(page)
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)
    assert complaints.found == [], "study list"

    page.goto(study_link(stack.url))
    screen.settled_picture(page)
    assert complaints.found == [], "viewer"
    assert page.evaluate("crossOriginIsolated") is True
    assert page.evaluate("new SharedArrayBuffer(8).byteLength") == 8
    assert page.evaluate(f"WebAssembly.compile(new Uint8Array({EMPTY_MODULE})).then(String)") == (
        "[object WebAssembly.Module]"
    )

    page.locator("[data-cy=Layout]").click()
    page.get_by_text("MPR", exact=True).first.click()
    expect(page.locator(screen.CANVAS)).to_have_count(3)
    screen.settled_picture(page)
    assert complaints.found == [], "three planes"


@pytest.fixture
def compressed_study(stack: Stack, outputs: StackOutputs) -> Iterator[str]:
    """A study of one slice in JPEG 2000, which OHIF decodes by WebAssembly in a worker; gone afterwards."""
    slice_ = sample.instance(sample.SLICES // 2)
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = sample.uid("headers study"), sample.uid("headers series")
    slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = sample.uid("headers instance")
    slice_.PixelRepresentation = 0
    pixels = np.frombuffer(slice_.PixelData, np.uint16).reshape(phantom.SIZE, phantom.SIZE)
    packed = BytesIO()
    Image.fromarray(pixels).save(packed, format="JPEG2000", irreversible=False, no_jp2=True)
    slice_.file_meta.TransferSyntaxUID = JPEG2000Lossless
    slice_.PixelData = encapsulate([packed.getvalue()])
    file = BytesIO()
    slice_.save_as(file, enforce_file_format=True)
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
        store(admin, [file.getvalue()])
        yield str(slice_.StudyInstanceUID)
        assert delete(admin, "Study", StudyInstanceUID=str(slice_.StudyInstanceUID)) == 1


def test_compressed_pictures_are_decoded_under_the_policy(
    page: Page, outputs: StackOutputs, compressed_study: str
) -> None:
    complaints = Complaints(page)
    fetched: list[str] = []
    page.on("response", lambda answer: fetched.append(answer.url))
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={compressed_study}")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    screen.settled_picture(page)
    screen.keep(page, "jpeg-2000")
    assert page.workers, "no worker"
    assert [url for url in fetched if url.endswith(".wasm")], "no WebAssembly"
    assert complaints.found == []


@pytest.fixture
def framing_page(stack: Stack) -> Iterator[str]:
    """The address of a page of another origin that frames ours.

    It is of the same site, so that the browser sends our cookies: only the headers can refuse.
    """
    body = "".join(f'<iframe src="{stack.url}{path}"></iframe>' for path in FRAMED).encode()

    class Framing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Framing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_known_problem_13_foreign_page_cannot_frame_the_viewer_or_the_login(
    page: Page, stack: Stack, outputs: StackOutputs, framing_page: str
) -> None:
    page.goto("/")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible(timeout=30_000)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(framing_page)
    deadline = time.monotonic() + 10
    while len([text for text in refused if "frame-ancestors" in text]) < len(FRAMED):
        assert time.monotonic() < deadline, refused
        page.wait_for_timeout(100)
    assert not [inner.url for inner in page.frames if inner.url.startswith(stack.url)]


def test_policy_of_the_viewer_allows_no_foreign_and_no_inline_script(session: Sessions) -> None:
    answer = session("viewer").get("/ohif-viewer/")
    policy = csp(answer.headers)
    assert policy["default-src"] == policy["frame-ancestors"] == {"'none'"}
    (nonce,) = (source for source in policy["script-src"] if source.startswith("'nonce-"))
    assert policy["script-src"] == {"'self'", "'wasm-unsafe-eval'", nonce}
    assert policy["worker-src"] == {"'self'", "blob:"}
    assert policy["connect-src"] <= {"'self'", "blob:", "data:"}
    assert policy["base-uri"] == policy["form-action"] == {"'self'"}
    assert not [source for sources in policy.values() for source in sources if source.startswith(("*", "http"))]
    again = csp(session("viewer").get("/ohif-viewer/").headers)
    assert nonce not in again["script-src"], "a nonce is used twice"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"


EVERYWHERE = (
    "/",
    "/healthz",
    "/ohif-viewer/",
    "/app-config.js",
    "/app.bundle.css",
    "/pacs/studies",
    "/pacs-admin/",
    "/nowhere",
    "/oauth2/start",
    "/oauth2/userinfo",
    "/logout",
    "/keycloak/realms/ohif/account",
    "/keycloak/realms/master/account",
    "/keycloak/resources/none",
)


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_says_nothing_of_versions_and_is_what_it_says(stack: Stack, session: Sessions, path: str) -> None:
    with closing(client(stack.url)) as anonymous:
        asked = [anonymous.get(path), anonymous.get(path, headers=PAGE)]
    if path != "/logout":
        asked.append(session("viewer").get(path))
    for answer in asked:
        assert answer.headers["server"] == "nginx"
        assert not {"x-powered-by", "via", "x-upstream", "access-control-allow-origin"} & set(answer.headers)
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers["permissions-policy"].startswith("camera=()")
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/ohif-viewer/", "/app-config.js", "/pacs/studies", "/pacs-admin/", "/nowhere"])
def test_what_the_gateway_serves_is_for_its_own_pages_only(session: Sessions, path: str) -> None:
    answer = session("pacsadmin").get(path, follow_redirects=True)
    assert answer.headers["x-frame-options"] == "DENY"
    assert csp(answer.headers)["frame-ancestors"] == {"'none'"}
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_of_keycloak_are_as_strict_as_they_can_be(stack: Stack) -> None:
    with closing(client(stack.url)) as anonymous:
        login = anonymous.get("/ohif-viewer/", headers=PAGE, follow_redirects=True)
    assert login_form(login.text)
    policy = csp(login.headers)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == {"'self'"}
    assert policy["object-src"] == {"'none'"}
    assert not [source for sources in policy.values() for source in sources if source.startswith(("*", "http"))]
    assert login.headers["x-frame-options"] == "SAMEORIGIN"
    assert login.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in login.headers["cache-control"]


def test_what_may_be_kept_and_what_not(stack: Stack, session: Sessions) -> None:
    viewer = session("viewer")
    kept = {path: viewer.get(path).headers["cache-control"] for path in (
        script_of_ohif(viewer), "/ohif-viewer/", "/app-config.js", "/app.bundle.css", "/pacs/studies", "/pacs-admin/",
    )}  # fmt: skip
    assert kept == {
        script_of_ohif(viewer): YEAR,
        "/ohif-viewer/": "no-cache",
        "/app-config.js": "no-cache",
        "/app.bundle.css": "no-cache",
        "/pacs/studies": "private, no-store",
        "/pacs-admin/": "no-store",
    }
    with closing(client(stack.url)) as anonymous:
        for path in ("/pacs/studies", "/ohif-viewer/", "/logout", "/oauth2/start"):
            for headers in ({}, PAGE):
                assert "no-store" in ",".join(anonymous.get(path, headers=headers).headers.get_list("cache-control"))


def test_scripts_travel_compressed_and_say_so(session: Sessions) -> None:
    viewer = session("viewer")
    script = script_of_ohif(viewer)
    packed, plain = (viewer.get(script, headers={"Accept-Encoding": encoding}) for encoding in ("gzip", "identity"))
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    for answer in (packed, plain):
        assert answer.headers["vary"].lower() == "accept-encoding"


def test_cookies_are_out_of_reach_of_scripts_and_foreign_sites(stack: Stack, outputs: StackOutputs) -> None:
    """On HTTP without `Secure`, which would keep it from being sent; tests/rendering has it for HTTPS."""
    with closing(client(stack.url)) as person:
        login = person.get("/oauth2/start?rd=/ohif-viewer/", headers=PAGE, follow_redirects=True)
        action = login_form(login.text)
        assert action
        credentials = {"username": "viewer", "password": outputs.credentials["viewer"], "credentialId": ""}
        done = person.post(action, data=credentials, follow_redirects=True)
    cookies = [cookie for answer in (*login.history, *done.history) for cookie in answer.headers.get_list("set-cookie")]
    ours = [cookie for cookie in cookies if cookie.startswith("ohif_session")]
    given = [cookie for cookie in ours if cookie.startswith(SESSION_COOKIES) and "_csrf=" not in cookie]
    assert len(given) == 1
    assert len(given[0]) < 500, "tokens are in the cookie"
    assert len(ours) > 1
    for cookie in ours:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert not [attribute for attribute in attributes if attribute.startswith("domain=")]


# --- The archive's own pages ---

EXPLORER = "/pacs-admin/app/explorer.html"
orthanc_only = pytest.mark.skipif(ARCHIVE is not ArchiveKind.ORTHANC, reason="Orthanc's own pages")


@pytest.fixture
def explorer(page: Page, outputs: StackOutputs) -> Page:
    """Orthanc Explorer, shown to its administrator."""
    page.goto(EXPLORER)
    screen.log_in(page, "pacsadmin", outputs.credentials["pacsadmin"])
    page.wait_for_url(re.compile(EXPLORER))
    page.wait_for_load_state("networkidle")
    return page


@orthanc_only
def test_the_archives_pages_work_under_their_policy(explorer: Page, stack: Stack) -> None:
    complaints = Complaints(explorer)
    explorer.goto(EXPLORER)
    explorer.wait_for_load_state("networkidle")
    explorer.goto(f"{EXPLORER}#find-studies")
    expect(explorer.get_by_text("PatientID", exact=False).first).to_be_attached(timeout=15_000)
    found = explorer.evaluate("fetch('../studies').then(answer => answer.json())")
    for fragment in (f"study?uuid={found[0]}", "upload", "plugins", "jobs"):
        explorer.goto(f"{EXPLORER}#{fragment}")
        explorer.reload()
        explorer.wait_for_load_state("networkidle")
        screen.keep(explorer, f"explorer-{fragment.partition('?')[0]}")
    explorer.goto(f"{EXPLORER}#study?uuid={found[0]}")
    explorer.reload()
    expect(explorer.get_by_text("SYNTHETIC").first).to_be_visible(timeout=15_000)
    assert complaints.found == []


@orthanc_only
def test_a_script_in_the_archives_pages_does_not_run_and_does_not_reach_keycloak(explorer: Page, stack: Stack) -> None:
    """As with an XSS in the archive: what is put into the page does not run, and what does reaches the archive only."""
    explorer.evaluate(
        """() => {
            const holder = document.createElement('div');
            holder.innerHTML = '<img src="x" onerror="window.injected = 1"><svg onload="window.injected = 2"></svg>';
            document.body.append(holder);
            const script = document.createElement('script');
            script.textContent = 'window.injected = 3';
            document.body.append(script);
            const link = document.createElement('a');
            link.href = 'javascript:window.injected = 4';
            document.body.append(link);
            link.click();
        }"""
    )
    explorer.wait_for_timeout(500)
    assert explorer.evaluate("window.injected") is None
    explorer.evaluate("() => { setTimeout('window.injected = 5', 0); }")
    explorer.wait_for_timeout(200)
    assert explorer.evaluate("window.injected") is None
    refused = "path => fetch(path).then(answer => answer.status, () => 'refused')"
    for path in ("/keycloak/admin/", "/keycloak/realms/master", "/oauth2/userinfo", "/pacs/studies", "/ohif-viewer/"):
        assert explorer.evaluate(refused, path) == "refused", path
    assert explorer.evaluate(refused, "/pacs-admin/system") == 200
    assert explorer.evaluate("window.open('/keycloak/admin/')") is None
    assert explorer.evaluate("window.open('/healthz')") is None
    framed = explorer.evaluate(
        """() => new Promise(resolve => {
            const frame = document.createElement('iframe');
            frame.src = '/keycloak/realms/ohif/account/';
            frame.onload = () => { try { resolve(frame.contentDocument?.title ?? null) } catch (e) { resolve(null) } };
            document.body.append(frame);
            setTimeout(() => resolve(null), 3000);
        })"""
    )
    assert not framed


@orthanc_only
def test_what_is_stored_does_not_run_as_a_page(session: Sessions) -> None:
    """A file that an administrator stores with an instance, a report within it, an error that repeats the request."""
    admin = session("pacsadmin")
    instance = admin.get("/pacs-admin/instances").json()[0]
    stored = [f"instances/{instance}/{part}" for part in ("file", "preview", "content/0010-0010")]
    for path in (*stored, "system", "nowhere/<script>", "tools/generate-uid?level=<script>"):
        answer = admin.get(f"/pacs-admin/{path}")
        policy = csp(answer.headers)
        assert policy["default-src"] == {"'none'"}
        assert "script-src" not in policy
        assert policy["sandbox"] <= {"allow-downloads"}
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("root", archive_roots(ARCHIVE), ids=lambda root: root.route)
def test_no_page_of_the_archive_runs_what_is_put_into_it(session: Sessions, root: ArchiveRoot) -> None:
    policy = csp(session("pacsadmin").get(root.example).headers)
    scripts = policy.get("script-src", set())
    assert policy["default-src"] == {"'none'"}
    assert "'unsafe-inline'" not in scripts
    hashes = {source for source in scripts if source.startswith("'sha256-")}
    assert len(hashes) == len(root.handlers)
    allowed = {"'self'"} | ({"'unsafe-eval'"} if root.evaluates else set()) | ({"'unsafe-hashes'"} if hashes else set())
    assert scripts - hashes == (allowed if root.pages else set())
    assert "sandbox" in policy
    assert not {"allow-popups", "allow-popups-to-escape-sandbox", "allow-top-navigation"} & policy["sandbox"]
    if root.pages:
        assert {urlsplit(source).path for source in policy["connect-src"]} <= {"/pacs-admin/", "/dcm4chee-arc/"}
