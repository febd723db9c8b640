"""Who may reach what, row by row, and the paths that must lead nowhere.

Written down apart from access.py: the same decisions in other words. Held against the table and against the
gateway's file.
"""

import re
from pathlib import Path
from typing import Literal

import pytest
from mypy import api as mypy

from route import Anyone, FromAdminNetworks, Role, Route, Rule, SignedIn, WithShareLink
from tests.components.gateway.gateway_file import EXAMPLES, ROUTES, Gateway

Answer = Literal["anyone", "admin networks", "share link"] | frozenset[str] | int

ROOT = Path(__file__).resolve().parents[2]
GATEWAYS = {archive: Gateway(example) for archive, example in EXAMPLES.items()}

ANYONE: Answer = "anyone"
CONSOLE: Answer = "admin networks"
BY_LINK: Answer = "share link"
READERS: Answer = frozenset({Role.VIEWER, Role.REPORTER, Role.PACSADMIN})
STORERS: Answer = frozenset({Role.REPORTER, Role.PACSADMIN})
ADMINS: Answer = frozenset({Role.PACSADMIN})
SHARERS: Answer = frozenset({"sharer", Role.PACSADMIN})
NO_METHOD: Answer = 405
NOWHERE: Answer = 404

OTHER_METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "BREW")
STUDY = "1.2.826.0.1.3680043.8.498.1"
SHARE = "/shared/0123456789abcdef"

DOWNLOADS = frozenset({Role.REPORTER})

ROWS: dict[str, tuple[Answer, Answer, Answer]] = {
    # path: GET and HEAD, POST, everything else
    "/": (ANYONE, NO_METHOD, NO_METHOD),
    "/healthz": (ANYONE, NO_METHOD, NO_METHOD),
    "/logout": (ANYONE, NO_METHOD, NO_METHOD),
    "/_gateway/pages.css": (ANYONE, NO_METHOD, NO_METHOD),
    "/_gateway/link/0123abcd": (ANYONE, NO_METHOD, NO_METHOD),
    "/oauth2/start": (ANYONE, NO_METHOD, NO_METHOD),
    "/oauth2/callback": (ANYONE, NO_METHOD, NO_METHOD),
    "/oauth2/sign_out": (ANYONE, NO_METHOD, NO_METHOD),
    "/oauth2/userinfo": (ANYONE, NO_METHOD, NO_METHOD),
    "/keycloak/realms/ohif": (ANYONE, ANYONE, ANYONE),
    "/keycloak/realms/ohif/protocol/openid-connect/auth": (ANYONE, ANYONE, ANYONE),
    "/keycloak/realms/ohif/login-actions/authenticate": (ANYONE, ANYONE, ANYONE),
    "/keycloak/resources/4x9zq/login/ohif/css/ohif.css": (ANYONE, NO_METHOD, NO_METHOD),
    "/keycloak/admin": (CONSOLE, CONSOLE, CONSOLE),
    "/keycloak/admin/master/console/": (CONSOLE, CONSOLE, CONSOLE),
    "/keycloak/admin/realms/ohif/users": (CONSOLE, CONSOLE, CONSOLE),
    "/keycloak/realms/master": (CONSOLE, CONSOLE, CONSOLE),
    "/keycloak/realms/master/protocol/openid-connect/token": (CONSOLE, CONSOLE, CONSOLE),
    f"/download/{STUDY}.zip": (DOWNLOADS, NO_METHOD, NO_METHOD),
    f"/download/{STUDY}": (NOWHERE, NOWHERE, NOWHERE),
    f"/download/{STUDY}.zip/": (NOWHERE, NOWHERE, NOWHERE),
    "/download/1.2/../3.zip": (NOWHERE, NOWHERE, NOWHERE),
    f"/download/{'1' * 65}.zip": (NOWHERE, NOWHERE, NOWHERE),
    f"/pacs/studies/{STUDY}.zip": (NOWHERE, NOWHERE, NOWHERE),
    "/ohif-viewer": (READERS, NO_METHOD, NO_METHOD),
    "/ohif-viewer/": (READERS, NO_METHOD, NO_METHOD),
    "/ohif-viewer/viewer": (READERS, NO_METHOD, NO_METHOD),
    "/app-config.js": (READERS, NO_METHOD, NO_METHOD),
    "/app.bundle.css": (READERS, NO_METHOD, NO_METHOD),
    "/assets/logo.svg": (READERS, NO_METHOD, NO_METHOD),
    "/pacs/studies": (READERS, STORERS, ADMINS),
    f"/pacs/studies/{STUDY}": (READERS, STORERS, ADMINS),
    f"/pacs/studies/{STUDY}/series": (READERS, ADMINS, ADMINS),
    "/pacs/series": (READERS, ADMINS, ADMINS),
    "/pacs/instances": (READERS, ADMINS, ADMINS),
    f"/pacs/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.2/frames/1": (READERS, ADMINS, ADMINS),
    "/pacs-admin": (ADMINS, ADMINS, ADMINS),
    "/pacs-admin/": (ADMINS, ADMINS, ADMINS),
    "/pacs-admin/patients/x": (ADMINS, ADMINS, ADMINS),
    "/pacs-admin/app/explorer.html": (ADMINS, ADMINS, ADMINS),
    "/pacs-admin/ui/app/": (ADMINS, ADMINS, ADMINS),
    "/pacs": (NOWHERE, NOWHERE, NOWHERE),
    "/pacs/": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/other/account": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/ohif2/account": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/masters": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/administrator": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/metrics": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/health": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/robots.txt": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/ohif/..;/master": (NOWHERE, NOWHERE, NOWHERE),
    "/keycloak/realms/ohif/%2e%2e/master": (NOWHERE, NOWHERE, NOWHERE),
    r"/keycloak/realms/ohif/..\master": (NOWHERE, NOWHERE, NOWHERE),
    "/realms/ohif": (NOWHERE, NOWHERE, NOWHERE),
    "/admin/master/console/": (NOWHERE, NOWHERE, NOWHERE),
    "/oauth2/auth": (NOWHERE, NOWHERE, NOWHERE),
    "/oauth2/": (NOWHERE, NOWHERE, NOWHERE),
    "/oauth2/sign_in": (NOWHERE, NOWHERE, NOWHERE),
    "/oauth2/static/": (NOWHERE, NOWHERE, NOWHERE),
    "/oauth2/start/": (NOWHERE, NOWHERE, NOWHERE),
    "/ping": (NOWHERE, NOWHERE, NOWHERE),
    "/ready": (NOWHERE, NOWHERE, NOWHERE),
    "/_auth/session": (NOWHERE, NOWHERE, NOWHERE),
    "/_auth/dicomweb": (NOWHERE, NOWHERE, NOWHERE),
    "/_gateway/403.html": (NOWHERE, NOWHERE, NOWHERE),
    "/_gateway/../nginx.conf": (NOWHERE, NOWHERE, NOWHERE),
    "/nginx.conf": (NOWHERE, NOWHERE, NOWHERE),
    "/archive-credential.conf": (NOWHERE, NOWHERE, NOWHERE),
    "/dicom-web/studies": (NOWHERE, NOWHERE, NOWHERE),
    "/system": (NOWHERE, NOWHERE, NOWHERE),
    "/logout/": (NOWHERE, NOWHERE, NOWHERE),
    "/healthz/x": (NOWHERE, NOWHERE, NOWHERE),
    "/LOGOUT": (NOWHERE, NOWHERE, NOWHERE),
    "/Pacs/studies": (NOWHERE, NOWHERE, NOWHERE),
    "/index.php": (NOWHERE, NOWHERE, NOWHERE),
    "/.git/config": (NOWHERE, NOWHERE, NOWHERE),
    "/.env": (NOWHERE, NOWHERE, NOWHERE),
}

OF_ORTHANC: dict[str, tuple[Answer, Answer, Answer]] = dict.fromkeys(
    ("/dcm4chee-arc", "/dcm4chee-arc/ui2/", "/dcm4chee-arc/aets", "/dcm4chee-arc/aets/DCM4CHEE/rs/studies"),
    (NOWHERE, NOWHERE, NOWHERE),
)


def of_share_links(readers: Answer) -> dict[str, tuple[Answer, Answer, Answer]]:
    """Rows that hold with share links."""
    opened: tuple[Answer, Answer, Answer] = (readers, NO_METHOD, NO_METHOD)
    made: tuple[Answer, Answer, Answer] = (NO_METHOD, SHARERS, NO_METHOD)
    nowhere: tuple[Answer, Answer, Answer] = (NOWHERE, NOWHERE, NOWHERE)
    return OF_ORTHANC | {
        "/shares": (SHARERS, NO_METHOD, NO_METHOD),
        "/shares/list": (SHARERS, NO_METHOD, NO_METHOD),
        "/shares/": nowhere,
        f"/shares/studies/{STUDY}": made,
        "/shares/0123456789abcdef/revoke": made,
        "/shares/0123456789abcdef": nowhere,
        "/shares/opened": nowhere,
        "/shares/0123456789abcde": nowhere,
        "/shares/studies": nowhere,
        "/scripted/studies": nowhere,
        SHARE: (ANYONE, NO_METHOD, NO_METHOD),
        f"{SHARE}/": nowhere,
        f"{SHARE}/open": (NO_METHOD, ANYONE, NO_METHOD),
        f"{SHARE}/study": opened,
        f"{SHARE}/viewer": opened,
        f"{SHARE}/app-config.js": opened,
        f"{SHARE}/pacs/studies": opened,
        f"{SHARE}/pacs/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.2/frames/1": opened,
        f"{SHARE}/pacs/patients": nowhere,
        f"{SHARE}/pacs": nowhere,
        f"{SHARE}/pacs-admin/": nowhere,
        f"{SHARE}/download/{STUDY}.zip": nowhere,
        f"{SHARE}/shares/opened": nowhere,
        f"{SHARE}/x": nowhere,
        "/shared": nowhere,
        "/shared/": nowhere,
        "/shared/0123456789abcde/study": nowhere,
        "/shared/0123456789ABCDEF/study": nowhere,
        "/shared/0123456789abcdef0/study": nowhere,
        "/x/shared/0123456789abcdef/study": nowhere,
    }


OF_ONE_ARCHIVE: dict[str, dict[str, tuple[Answer, Answer, Answer]]] = {
    "orthanc": OF_ORTHANC | {"/shares": (NOWHERE, NOWHERE, NOWHERE), SHARE: (NOWHERE, NOWHERE, NOWHERE)},
    "links": of_share_links(READERS),
    "links without login": of_share_links(BY_LINK)
    | dict.fromkeys(("/app.bundle.css", "/assets/logo.svg"), (ANYONE, NO_METHOD, NO_METHOD)),
    "dcm4chee": {
        "/dcm4chee-arc": (ADMINS, ADMINS, ADMINS),
        "/dcm4chee-arc/": (ADMINS, ADMINS, ADMINS),
        "/dcm4chee-arc/ui2/en/study/study": (ADMINS, ADMINS, ADMINS),
        "/dcm4chee-arc/aets/DCM4CHEE/rs/studies": (ADMINS, ADMINS, ADMINS),
        "/dcm4chee-arc/storage/fs1/changestatus": (ADMINS, ADMINS, ADMINS),
        "/dcm4chee-arcs": (NOWHERE, NOWHERE, NOWHERE),
        "/dcm4chee-arc-x/": (NOWHERE, NOWHERE, NOWHERE),
        "/DCM4CHEE-ARC/": (NOWHERE, NOWHERE, NOWHERE),
        "/pacs/studies/1.2/reject/113001^DCM": (NOWHERE, NOWHERE, NOWHERE),
        "/pacs/mwlitems": (NOWHERE, NOWHERE, NOWHERE),
        "/wado": (NOWHERE, NOWHERE, NOWHERE),
    },
}


def rows(archive: str) -> dict[str, tuple[Answer, Answer, Answer]]:
    """All rows that hold with this archive."""
    return ROWS | OF_ONE_ARCHIVE[archive]


def decided(table: tuple[Route, ...], method: str, path: str) -> Answer:
    """What access.py's table says."""
    for route in table:
        if re.search(route.path, path, re.ASCII):
            match route.access_for(method):
                case None:
                    return NO_METHOD
                case Anyone():
                    return ANYONE
                case FromAdminNetworks():
                    return CONSOLE
                case SignedIn(roles):
                    return roles
                case WithShareLink():
                    return BY_LINK
    return NOWHERE


@pytest.mark.parametrize(("archive", "path"), [(archive, path) for archive in ROUTES for path in rows(archive)])
def test_who_may(archive: str, path: str) -> None:
    read, post, other = rows(archive)[path]
    expected = {"GET": read, "HEAD": read, "POST": post} | dict.fromkeys(OTHER_METHODS, other)
    assert {method: decided(ROUTES[archive], method, path) for method in expected} == expected
    assert {method: GATEWAYS[archive].answer(method, path) for method in expected} == expected


each_archive = pytest.mark.parametrize("archive", ROUTES)


@each_archive
def test_every_route_has_a_row_and_matches_its_example(archive: str) -> None:
    table = ROUTES[archive]
    named = {route.name for path in rows(archive) for route in table if re.search(route.path, path, re.ASCII)}
    for route in table:
        assert route.name in named
        assert re.search(route.path, route.example, re.ASCII), route.name
        assert route.path.startswith("^"), route.name
    assert len({route.name for route in table}) == len(table)


@each_archive
def test_order_of_the_table_decides_only_where_it_is_meant_to(archive: str) -> None:
    overlaps = set()
    for path in [*rows(archive), *ALLOWED]:
        matching = tuple(route.name for route in ROUTES[archive] if re.search(route.path, path, re.ASCII))
        overlaps |= {matching} if len(matching) > 1 else set()
    of_orthanc = {("archive-explorer", "archive-admin"), ("archive-explorer-2", "archive-admin")}
    pages = {("archive-pages", "archive-api")} if archive == "dcm4chee" else of_orthanc
    assert overlaps == {("dicomweb-store", "dicomweb"), ("viewer-config", "viewer-assets")} | pages


@each_archive
def test_no_route_takes_a_line_break_at_its_end(archive: str) -> None:
    """`$` matches before one. nginx then sends the path without it, past its own removal of `..`: `/x/..%0a`."""
    assert [route.name for route in ROUTES[archive] if re.search(route.path, f"{route.example}\n")] == []


@pytest.mark.parametrize(
    "code",
    [
        'from access import Rule\nRule(frozenset({"GET"}))',
        'from access import Handler, Route\nRoute(name="x", path="^/x$", handler=Handler.HOME, example="/x")',
        'from access import Rule\nRule(frozenset({"GET"}), None)',
    ],
    ids=["rule without access", "route without rules", "rule with none"],
)
def test_route_without_decision_is_a_type_error(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    report, _, status = mypy.run(["--strict", "-c", code])
    assert status == 1, report
    assert re.search(r"\[(call-arg|arg-type)\]", report), report


def test_rule_without_access_does_not_run_either() -> None:
    with pytest.raises(TypeError, match="access"):
        Rule(frozenset({"GET"}))  # type: ignore[call-arg]


INSTANCE = f"studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
ALLOWED = [
    f"/pacs/{path}"
    for path in (
        "studies",
        "series",
        "instances",
        f"studies/{STUDY}",
        f"studies/{STUDY}/metadata",
        f"studies/{STUDY}/rendered",
        f"studies/{STUDY}/thumbnail",
        f"studies/{STUDY}/series",
        f"studies/{STUDY}/instances",
        f"studies/{STUDY}/series/{STUDY}.1",
        f"studies/{STUDY}/series/{STUDY}.1/metadata",
        f"studies/{STUDY}/series/{STUDY}.1/rendered",
        f"studies/{STUDY}/series/{STUDY}.1/thumbnail",
        f"studies/{STUDY}/series/{STUDY}.1/instances",
        f"series/{STUDY}.1/instances",
        INSTANCE,
        f"{INSTANCE}/metadata",
        f"{INSTANCE}/rendered",
        f"{INSTANCE}/thumbnail",
        f"{INSTANCE}/frames/1",
        f"{INSTANCE}/frames/1,2,3",
        f"{INSTANCE}/frames/1/rendered",
        f"{INSTANCE}/frames/1/thumbnail",
        f"{INSTANCE}/bulk/7fe00010",
        f"{INSTANCE}/bulkdata/00420011",
        f"{INSTANCE}/bulk/00400275/1/00080104",
        f"studies/{'1' * 64}",
    )
]

REFUSED = [
    # the archive's own interface, which a prefix would let through
    "/pacs/patients",
    "/pacs/patients/0123",
    "/pacs/servers",
    "/pacs/servers/x",
    "/pacs/tools",
    "/pacs/tools/execute-script",
    "/pacs/tools/find",
    "/pacs/tools/reset",
    "/pacs/changes",
    "/pacs/exports",
    "/pacs/jobs",
    "/pacs/modalities",
    "/pacs/peers",
    "/pacs/plugins",
    "/pacs/statistics",
    "/pacs/system",
    "/pacs/app/explorer.html",
    "/pacs/ui/app/",
    "/pacs/queries",
    "/pacs/wado",
    "/pacs/instances/1.2/file",
    "/pacs/instances/6e2c0ec2-5d99c8ca-c1c21cee-79a09605-68391d12",
    "/pacs/instances/6e2c0ec2-5d99c8ca-c1c21cee-79a09605-68391d12/file",
    "/pacs/studies/6e2c0ec2-5d99c8ca-c1c21cee-79a09605-68391d12",
    "/pacs/studies/1.2/archive",
    "/pacs/studies/1.2/media",
    "/pacs/studies/1.2/anonymize",
    "/pacs/studies/1.2/series/1.3/archive",
    f"/pacs/{INSTANCE}/file",
    f"/pacs/{INSTANCE}/tags",
    # steps upwards: backslash, what is left of a double encoding, parameters, and plain ones
    r"/pacs/..\patients/x",
    r"/pacs/..\..\patients/x",
    r"/pacs/studies\..\..\patients",
    r"/pacs/studies/1.2\..\..\..\patients",
    r"/pacs\studies",
    "/pacs/..%5cpatients/x",
    "/pacs/%2e%2e/patients/x",
    "/pacs/%2e%2e%2fpatients",
    "/pacs/..%2fpatients",
    "/pacs/studies/%2e%2e/%2e%2e/patients",
    "/pacs/studies%2f1.2",
    "/pacs/..;/patients",
    "/pacs/studies;a=b",
    "/pacs/studies/..;/patients",
    "/pacs/../patients",
    "/pacs/studies/../../patients",
    "/pacs/studies/..",
    "/pacs/studies/.",
    "/pacs/studies/1.2/series/..",
    "/pacs/studies/1..2",
    "/pacs/studies/../series",
    # not a unique identifier
    f"/pacs/studies/{'1' * 65}",
    "/pacs/studies/1.2a",
    "/pacs/studies/1.2-3",
    "/pacs/studies/*",
    "/pacs/studies/1.2,1.3",
    "/pacs/studies/१.२",
    "/pacs/studies/ 1.2",
    # not in the standard, or not whole
    "/pacs/studies/",
    "/pacs/studies//1.2",
    "/pacs//studies",
    "/pacs/studies/1.2/",
    "/pacs/studies/1.2/patients",
    "/pacs/studies/1.2/series/1.3/instances/1.4/frames",
    "/pacs/studies/1.2/series/1.3/instances/1.4/frames/a",
    "/pacs/studies/1.2/series/1.3/instances/1.4/frames/1/file",
    f"/pacs/{INSTANCE}/bulk/../../../patients",
    f"/pacs/{INSTANCE}/bulk/",
    f"/pacs/{INSTANCE}/bulk",
    f"/pacs/{INSTANCE}/bulk/x y",
    f"/pacs/{INSTANCE}/bulk/{'1' * 257}",
    "/pacs/STUDIES",
    "/pacs/studies\n",
    "/pacs/studies\nX-Forwarded-User: admin",
    "/pacs/studies\0",
    "/pacs/studies/1.2\n",
    "/pacs/studies/..\n",
    "/pacs/studies ",
    "/pacs/studies?x",
    "/pacsstudies",
    "/pacs-/studies",
    "//pacs/studies",
    "/x/pacs/studies",
]


@pytest.mark.parametrize("path", ALLOWED)
def test_dicomweb_of_the_standard_is_served(path: str) -> None:
    for table in ROUTES.values():
        assert decided(table, "GET", path) == READERS


@pytest.mark.parametrize("path", REFUSED, ids=ascii)
def test_dicomweb_beyond_the_standard_is_not_found(path: str) -> None:
    """Paths as nginx has them when it matches: decoded once."""
    for archive, table in ROUTES.items():
        assert decided(table, "GET", path) == NOWHERE
        assert GATEWAYS[archive].answer("GET", path) == NOWHERE


def test_tables_are_long_enough_to_mean_something() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 80
    assert len(set(ALLOWED)) == len(ALLOWED) >= 25
    assert len(ROWS) >= 60
