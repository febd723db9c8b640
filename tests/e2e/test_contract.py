"""The contract: every route of access.py, asked by every kind of person, by every kind of method.

Generated from the table itself, so a route that is added is tested at once. What a refusal must be is exact;
what an allowed request gets depends on what stands behind the route, and must at least not be a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from route import Anyone, FromAdminNetworks, Handler, Role, Route, SignedIn, WithShareLink
from settings import ArchiveKind
from tests.e2e.harness import ARCHIVE, ROUTES, Stack, configured_users
from tools.dicomweb import StackOutputs, client, sign_in
from tools.sample import study_uid

ANONYMOUS = "anonymous"
WITHOUT_ROLE = "norole"
IDENTITIES = (ANONYMOUS, WITHOUT_ROLE, "viewer", "reporter", "pacsadmin")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
GATEWAY_PAGE = "/_gateway/pages.css"
"""What the gateway's own pages refer to and nothing behind it does."""

READ_ANSWERS = {
    Handler.HOME: {302},
    Handler.VIEWER_PAGE: {200},
    Handler.VIEWER_CONFIG: {200},
    Handler.VIEWER_ASSETS: {200},
    Handler.DOWNLOAD: {200, 404},
    Handler.DICOMWEB: {200, 204, 404},
    # An image may lack one of the archive's user interfaces.
    Handler.ARCHIVE_PAGES: {200, 404},
    Handler.ARCHIVE_ADMIN: {200, 302, 307},
    Handler.KEYCLOAK: {200, 404, 405},
    Handler.SIGN_IN: {302},
    Handler.FOLLOWED_LINK: {302},
    Handler.SESSION: {200},
    Handler.SIGN_OUT: {302},
    Handler.LOGOUT: {302},
    Handler.PAGES: {200},
    Handler.HEALTH: {200},
}
"""What a person who may read gets at a route's example."""

OUTSIDE = (
    "/nowhere",
    "/keycloak",
    "/keycloak/",
    "/keycloak/health",
    "/keycloak/health/ready",
    "/keycloak/metrics",
    "/keycloak/realms/other/.well-known/openid-configuration",
    "/oauth2/auth",
    "/oauth2/sign_in",
    "/pacs",
    "/pacs/",
    "/pacs/patients",
    "/pacs/system",
    "/pacs/servers",
    "/pacs/tools/execute-script",
    "/pacs/studies/../../patients",
    "/pacs/studies/not-a-uid",
    "/dicom-web/studies",
    *(() if ARCHIVE is ArchiveKind.DCM4CHEE else ("/dcm4chee-arc/aets",)),
    "/.git/config",
    "/metrics",
)
"""Paths that are in no row of the table, some of them open in the recipes that this replaces."""

Identity = Callable[[str], httpx.Client]


@pytest.fixture(scope="module")
def identity(stack: Stack, outputs: StackOutputs) -> Iterator[Identity]:
    """`identity(name)`: a client of its own for these tests."""
    known: dict[str, httpx.Client] = {}

    def of(name: str) -> httpx.Client:
        if name not in known:
            known[name] = newcomer(stack.url, outputs, name)
        return known[name]

    yield of
    for made in known.values():
        made.close()


def newcomer(origin: str, outputs: StackOutputs, name: str) -> httpx.Client:
    """A client that nobody else uses."""
    if name == ANONYMOUS:
        return client(origin)
    return sign_in(origin, name, outputs.credentials[name])


def roles_of(name: str) -> frozenset[Role]:
    return frozenset(Role(role) for role in configured_users().get(name, []))


def refusal(route: Route, method: str, name: str) -> int | None:
    """The status with which the gateway must refuse; None if the request must reach what it asks for."""
    access = route.access_for(method)
    # nginx answers TRACE itself, before any rule, so nothing is ever echoed.
    if access is None or method == "TRACE":
        return 405
    match access:
        case Anyone() | FromAdminNetworks():
            # The stack listens on a loopback address, where each caller is in the admin networks.
            if route.handler is Handler.SESSION and name == ANONYMOUS:
                return 401  # oauth2-proxy's own word that there is no session
            return None
        case SignedIn(roles):
            if name == ANONYMOUS:
                return 401
            return None if roles & roles_of(name) else 403
        case WithShareLink():
            return 403


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", IDENTITIES)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_route(stack: Stack, outputs: StackOutputs, identity: Identity, route: Route, name: str, method: str) -> None:
    expected = refusal(route, method, name)
    if route.handler in (Handler.LOGOUT, Handler.SIGN_OUT) and expected is None:
        # This one really ends a session, so it gets one of its own.
        with closing(newcomer(stack.url, outputs, name)) as leaving:
            answer = leaving.request(method, route.example)
    else:
        answer = identity(name).request(method, route.example)
    if expected is not None:
        assert answer.status_code == expected
        assert "location" not in answer.headers
        return
    assert answer.status_code not in (401, 403), "refused, and should not be"
    assert answer.status_code < 500 or answer.status_code == 501, "broken"
    assert GATEWAY_PAGE not in answer.text, "an error page of the gateway"
    if method == "HEAD" and route.handler in (Handler.ARCHIVE_PAGES, Handler.ARCHIVE_ADMIN):
        # Orthanc's own pages know no HEAD.
        assert answer.status_code in READ_ANSWERS[route.handler] | {404, 405}
    elif method in ("GET", "HEAD"):
        assert answer.status_code in READ_ANSWERS[route.handler]


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if isinstance(route.access_for("GET"), SignedIn)],
    ids=lambda route: route.name,
)
def test_navigation_without_session_leads_to_login(stack: Stack, route: Route) -> None:
    navigation = {
        "Accept": "text/html,application/xhtml+xml",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    with closing(client(stack.url)) as anonymous:
        answer = anonymous.get(route.example, headers=navigation)
        assert answer.status_code == 302
        login = anonymous.get(answer.headers["location"], headers=navigation, follow_redirects=True)
    assert login.status_code == 200
    assert "kc-form-login" in login.text


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", IDENTITIES)
@pytest.mark.parametrize("path", OUTSIDE)
def test_path_outside_the_table_is_not_found(identity: Identity, path: str, name: str, method: str) -> None:
    answer = identity(name).request(method, path)
    assert answer.status_code == 404


def test_every_identity_is_configured() -> None:
    assert set(IDENTITIES) - {ANONYMOUS} <= set(configured_users())
    assert not roles_of(WITHOUT_ROLE)


def test_links_of_dicomweb_lead_back_through_the_gateway(stack: Stack, identity: Identity) -> None:
    """Whatever the archive calls its own root: OHIF follows them for what is not in the metadata."""
    reader = identity("viewer")
    study = reader.get("/pacs/studies", params={"StudyInstanceUID": str(study_uid())})
    series = reader.get(f"/pacs/studies/{study_uid()}/series")
    for answer in (study, series):
        for found in answer.json():
            (link,) = found["00081190"]["Value"]
            assert link.startswith(f"{stack.url}/pacs/studies/{study_uid()}")
            assert reader.get(f"{link}/metadata").status_code == 200
    metadata = reader.get(f"/pacs/studies/{study_uid()}/metadata")
    for text in (study.text, series.text, metadata.text):
        assert "/dicom-web/" not in text
        assert "/dcm4chee-arc/" not in text
    assert metadata.headers["content-type"].startswith("application/dicom+json")
