"""The gateway's file as a whole: what must hold for every route that the table has or will have."""

import dataclasses
import ipaddress
import re
from pathlib import Path

import pytest

from access import ANY_ROLE, READ
from components.gateway import limits, nginx_config
from components.gateway.guarded_route import guard
from route import Anyone, FromAdminNetworks, Handler, Route, Rule, SignedIn
from tests.components.gateway.gateway_file import EXAMPLE, Directive, Gateway

PAGES = Path(__file__).resolve().parents[3] / "assets/gateway/pages"
GATEWAY = Gateway()
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW")


def proxied() -> list[Directive]:
    return [it for it in GATEWAY.server.all("location") if it.all("proxy_pass")]


def test_file_has_no_hole_of_the_template() -> None:
    assert "{{" not in GATEWAY.text
    assert "{%" not in GATEWAY.text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", EXAMPLE.routes, ids=lambda route: route.name)
def test_file_decides_as_the_table(route: Route, method: str) -> None:
    match route.access_for(method):
        case None:
            expected: object = 405
        case Anyone():
            expected = "anyone"
        case FromAdminNetworks():
            expected = "admin networks"
        case SignedIn(roles):
            expected = roles
    assert GATEWAY.answer(method, route.example) == expected


def test_every_proxied_location_is_guarded_or_public_in_the_table() -> None:
    public = {
        route.path for route in EXAMPLE.routes if not any(isinstance(rule.access, SignedIn) for rule in route.rules)
    }
    internal = [it for it in proxied() if it.all("internal") or it.args[0].startswith("@")]
    for it in proxied():
        assert it in internal or it in GATEWAY.guarded or it.args[-1] in public, it.args
    # Nothing internal leads elsewhere than to oauth2-proxy, but a ZIP file to the archive.
    elsewhere = [it for it in internal if it.value("proxy_pass").split("/")[2] != "auth_proxy"]
    assert [it.args[-1] for it in elsewhere] == ["^/_archive(?<zip_file>/studies/[0-9a-f-]{44}/archive)$"]
    assert all(it.all("internal") for it in elsewhere)


def test_everything_else_is_not_found() -> None:
    assert GATEWAY.locations[("/",)].block == (Directive("return", ("404",), ()),)
    served = {it.args for it in GATEWAY.server.all("location")}
    expressions = {("~", route.path) for route in EXAMPLE.routes}
    internal = {it.args for it in GATEWAY.server.all("location") if it.all("internal")}
    named = {args for args in served if args[0].startswith("@")}
    assert served == expressions | internal | named | {("/",)}


def test_each_guarded_route_asks_at_an_internal_location_of_its_own() -> None:
    questions = [it.value("auth_request") for it in GATEWAY.guarded]
    assert len(set(questions)) == len(questions)
    for path in questions:
        question = GATEWAY.locations[("=", path)]
        assert question.all("internal")
        assert question.value("proxy_pass").startswith("http://auth_proxy/oauth2/auth?allowed_groups=$roles_")


def test_no_method_slips_past_the_map_of_roles() -> None:
    for it in GATEWAY.http.all("map"):
        if it.args[1].startswith("$roles_"):
            assert all(entry.args[0] for entry in it.block), it.args
            assert "default" in {entry.name for entry in it.block}, it.args


def test_answers_are_cached_for_seconds_by_cookie_and_roles() -> None:
    for args, it in GATEWAY.locations.items():
        if args[-1].startswith("/_auth/") and it.all("proxy_pass"):
            query = it.value("proxy_pass").removeprefix("http://auth_proxy/oauth2/auth")
            assert it.value("proxy_cache_key") == f"$session_cookie {query}"
            assert it.values("proxy_cache_valid") == [("202", f"{limits.AUTH_CACHE_SECONDS}s")]
    assert limits.AUTH_CACHE_SECONDS <= 5


def test_only_the_default_server_answers_a_foreign_host() -> None:
    foreign, health, own = 0, 0, 0
    for it in GATEWAY.http.all("server"):
        listen = it.values("listen")
        if (nginx_config.HTTP_SOCKET, "proxy_protocol", "default_server") in listen:
            foreign += 1
            locations = {place.args: place for place in it.all("location")}
            assert set(locations) == {("/",), ("=", "/not-understood"), ("=", "/too-long")}
            assert [entry.name for entry in locations["/",].block] == ["return"]
            assert locations["/",].value("return") == "421"
            assert all(locations["=", path].all("internal") for path in ("/not-understood", "/too-long"))
        elif listen == [("127.0.0.1:8081",)]:
            health += 1
            assert [location.args for location in it.all("location")] == [("=", "/healthz")]
        else:
            own += 1
            assert it is GATEWAY.server
    assert (foreign, health, own) == (1, 1, 1)


def test_no_answer_reflects_the_host_of_the_request() -> None:
    assert "$host" not in GATEWAY.text
    assert "$http_host" not in GATEWAY.text
    assert GATEWAY.server.value("absolute_redirect") == "off"


STRIPPED = {
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-redirect",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "forwarded",
}
SET_HERE = {"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"}


def test_identity_headers_of_the_client_go_nowhere() -> None:
    for it in proxied():
        passed = {name.lower(): value for name, value in it.pairs("proxy_set_header").items()}
        if it.values("proxy_pass_request_headers") == [("off",)]:
            assert not {name for name in STRIPPED & set(passed) if passed[name].startswith("$http_")}, it.args
            continue
        assert set(passed) >= STRIPPED | SET_HERE, it.args
        actual = {name: value for name, value in passed.items() if name in STRIPPED and value}
        # Where to come back to after the login: the path that was asked for, or home.
        assert set(actual.items()) <= {("x-auth-request-redirect", "$after_sign_in"), ("x-auth-request-redirect", "/")}
    # nginx drops names with underscores unless configured otherwise.
    assert not [it for it in GATEWAY.http.walk() if it.name in ("underscores_in_headers", "ignore_invalid_headers")]


def test_archive_gets_the_gateways_credential_and_nothing_of_the_clients() -> None:
    to_archive = [it for it in proxied() if it.value("proxy_pass") == "http://archive"]
    # One more is where a ZIP file is.
    assert len(to_archive) == len([route for route in EXAMPLE.routes if route.is_of_archive]) + 1
    for it in to_archive:
        assert it.value("proxy_pass_request_headers") == "off"
        assert it.value("include") == "/etc/ohif/archive-credential.conf"
        passed = {name.lower() for name in it.pairs("proxy_set_header")}
        assert not passed & {"cookie", "authorization"}
        # Where it comes from is what the gateway sees, not what the client says.
        assert it.pairs("proxy_set_header")["X-Forwarded-For"] == "$remote_addr"


def test_viewer_never_sees_cookies() -> None:
    for it in proxied():
        if it.value("proxy_pass") == "http://viewer":
            assert it.pairs("proxy_set_header")["Cookie"] == ""
            assert it.pairs("proxy_set_header")["Authorization"] == ""


def test_what_was_matched_is_what_is_sent_upstream() -> None:
    """Without a rewrite, a location that is an expression sends the path as the client wrote it."""
    for it in proxied():
        if not it.all("internal"):
            assert any(args[-1] == "break" for args in it.values("rewrite")), it.args
            assert it.value("proxy_pass").count("/") == 2, it.args


@pytest.mark.parametrize(
    ("method", "origin", "site", "forged"),
    [
        ("POST", "", "", "0"),
        ("POST", "http://pacs.example.org:8480", "same-origin", "0"),
        ("DELETE", "", "none", "0"),
        ("GET", "http://evil.example", "cross-site", "0"),
        ("POST", "http://evil.example", "", "1"),
        ("POST", "null", "", "1"),
        ("POST", "http://pacs.example.org", "", "1"),
        ("POST", "http://pacs.example.org:8480.evil.example", "", "1"),
        ("POST", "", "cross-site", "1"),
        ("POST", "", "same-site", "1"),
        ("PUT", "", "cross-site", "1"),
        ("BREW", "http://evil.example", "", "1"),
    ],
)
def test_change_asked_for_by_a_foreign_page_is_refused(method: str, origin: str, site: str, forged: str) -> None:
    seen = GATEWAY.look_up("$foreign_origin", origin) + GATEWAY.look_up("$foreign_site", site)
    assert GATEWAY.look_up("$forged", f"{method} {seen}") == forged


def test_every_guarded_route_refuses_forged_requests() -> None:
    for it in GATEWAY.guarded:
        assert [block.value("return") for block in it.all("if") if block.args == ("$forged",)] == ["403"], it.args


def test_the_page_of_a_refusal_asks_who_was_refused_and_refuses_for_nothing_else() -> None:
    """The refusal stays what it is without a session, and while oauth2-proxy is away."""
    page = GATEWAY.locations["=", "/_gateway/403.html"]
    question, nobody = (GATEWAY.locations["=", f"/_auth/{name}"] for name in ("refused", "nobody"))
    assert page.all("internal") and question.all("internal") and nobody.all("internal")
    assert page.value("auth_request") == "/_auth/refused"
    assert ("$auth_user", "$upstream_http_x_auth_request_preferred_username") in page.values("auth_request_set")
    assert ("Set-Cookie", "$auth_cookie", "always") in page.values("add_header")
    assert question.values("error_page") == [("400", "401", "403", "500", "502", "503", "504", "=204", "/_auth/nobody")]
    assert question.value("proxy_intercept_errors") == "on"
    assert nobody.value("return") == "204"


def test_no_cors() -> None:
    assert "access-control-allow" not in {name for it in GATEWAY.http.walk() for name in it.headers}
    for it in GATEWAY.guarded:
        assert ("Access-Control-Allow-Origin",) in it.values("proxy_hide_header"), it.args


def test_versions_are_hidden() -> None:
    assert GATEWAY.http.value("server_tokens") == "off"


def test_every_error_shows_a_page_of_ours() -> None:
    pages = {"403": "403", "404": "404", "405": "4xx", "413": "4xx", "429": "429", "502": "502", "504": "502"}
    sign_in = GATEWAY.location("/oauth2/callback")
    for args, it in GATEWAY.locations.items():
        # Those never answer a client.
        if it is sign_in or args in (("=", "/_auth/refused"), ("=", "/_auth/nobody")):
            continue
        waits = GATEWAY.on_error(it, "502") == "@wait"
        for code, page in pages.items():
            if not (waits and code == "502"):
                assert GATEWAY.on_error(it, code) == f"/_gateway/{page}.html", args
    # What has waited in vain ends with this status.
    assert GATEWAY.on_error(GATEWAY.locations[("@wait",)], "503") == "/_gateway/502.html"
    assert {GATEWAY.on_error(sign_in, code) for code in ("502", "503", "504")} == {"/_gateway/502.html"}
    assert {f"{page}.html" for page in (*pages.values(), "signin-failed")} <= {it.name for it in PAGES.iterdir()}


def test_audit_line_has_no_token() -> None:
    ((_, _, *parts),) = GATEWAY.http.values("log_format")
    line = "".join(parts)
    for wanted in (
        "$logged_user",
        "$original_method",
        "$route",
        "$logged_path",
        "$logged_status",
        "$body_bytes_sent",
        "$request_id",
    ):
        assert wanted in line
    for token in ("$request_uri", "$args", "$http_cookie", "$http_authorization", "$http_referer", '$request"'):
        assert token not in line
    assert GATEWAY.map("$logged_user").args[0] == "$auth_user"
    assert GATEWAY.look_up("$original_method", "DELETE /pacs/studies HTTP/1.1") == "$method_part"


@pytest.mark.parametrize(("status", "logged"), [("200", "$status"), ("499", "$status"), ("000", "499")])
def test_a_status_is_a_number_in_json(status: str, logged: str) -> None:
    assert GATEWAY.look_up("$logged_status", status) == logged


def test_the_query_is_logged_wherever_the_archive_answers_and_nowhere_else() -> None:
    """By the route that answers, not by how its path was written."""
    for route in EXAMPLE.routes:
        names = [(it.name, *it.args) for it in GATEWAY.location(route.example).block]
        assert names[0] == ("set", "$route", route.name)
        logged = GATEWAY.location(route.example).values("proxy_pass") == [("http://archive",)]
        assert (("set", "$route_query", "$args") in names) is logged is route.is_of_archive, route.name
        # Before anything that answers the request.
        assert not logged or names[1] == ("set", "$route_query", "$args")
    assert len([it for it in GATEWAY.http.walk() if it.name == "set" and it.args[0] == "$route_query"]) == 6


@pytest.mark.parametrize(
    "path",
    [
        "/%70acs/studies",
        "//pacs/studies",
        "/pacs//studies",
        "/x/../pacs/studies",
        "/x/%2e%2e/pacs/studies",
        "/./pacs/studies",
        "/pacs/./studies",
        "/pacs/studies/.",
        "/pacs%2fstudies",
        "/pacs%2Fstudies",
        "/pacs-admin/%74ools/find",
        "/pacs-admin/%41/%5F",
        "/pacs-admin/instances/%30",
        "/pacs-admin/..%5csystem",
        "/pacs-admin/..\\system",
        "/pacs-admin/a%01",
        "/pacs-admin/%7f",
        "/pacs-admin/a#b",
        "/pacs-admin/\xff",
        "/pacs-admin/" + "a" * limits.LOG_BOUNDS.path,
    ],
)
def test_the_archive_is_asked_in_one_spelling(path: str) -> None:
    assert GATEWAY.look_up("$another_spelling", path) == "1"


@pytest.mark.parametrize(
    "path",
    [
        "/pacs/studies/1.2/series/1.3/instances/1.4/frames/1,2",
        "/pacs-admin/ui/app/assets/index-0a.js",
        "/pacs-admin/a%20b/%C3%BC/x%7Cy%5Ez%25/~..a/...",
        "/dcm4chee-arc/aets/DCM4CHEE/rs/patients/PID%5E%5E%5EISSUER%261.2%26ISO",
        "/pacs-admin",
    ],
)
def test_a_path_that_needs_percent_signs_may_have_them(path: str) -> None:
    assert GATEWAY.look_up("$another_spelling", path) == "0"


def test_the_archive_is_asked_nothing_longer_than_its_log() -> None:
    for query, refused in (
        ("", "0"),
        ("a" * 2048, "0"),
        ("a" * 2049, "1"),
        ("x=\xff&PatientName=y", "1"),
        ("a\x01", "1"),
    ):
        assert GATEWAY.look_up("$longer_than_the_log", query) == refused
    for route in EXAMPLE.routes:
        refused_for = {it.args for it in GATEWAY.location(route.example).all("if") if it.values("return") == [("400",)]}
        complete = {("$another_spelling",), ("$longer_than_the_log",)} <= refused_for
        assert complete is route.is_of_archive, route.name


FIXED = {
    "$time_iso8601": 25,
    "$request_id": 32,
    "$proxy_protocol_addr": 39,
    "$logged_status": 3,
    "$body_bytes_sent": 20,
    "$request_length": 20,
    "$request_time": 12,
}
"""Most characters of nginx's own variables."""
AS_LOGGED = 6
"""Most bytes of one character that the maps let through: Docker writes `<` as six, and a quotation mark as four."""
DOCKER = len('{"log":"\\n","stream":"stdout","time":"2026-01-01T00:00:00.000000000Z"}\n')
LOG_BYTES = 5 * 20 * 1000 * 1000
"""Of each container (components/containers/service.py)."""
MESSAGE = 2048 * AS_LOGGED + DOCKER
"""nginx cuts its own messages there (NGX_MAX_ERROR_STR)."""


def longest_line(*, signed_in: bool) -> int:
    """Bytes on the disk of the longest line about one request."""
    ((_, _, *parts),) = GATEWAY.http.values("log_format")
    line = "".join(parts)
    total = DOCKER + 2 * line.count('"') + len(re.sub(r"\$\w+", "", line))
    for variable in re.findall(r"\$\w+", line):
        if variable == "$route":
            total += max(len(route.name) for route in EXAMPLE.routes)
        elif variable in FIXED:
            total += FIXED[variable]
        else:
            total += longest_value(variable, signed_in) * AS_LOGGED
    return total


def longest_value(variable: str, signed_in: bool) -> int:
    values = {it.name: it.args[0] for it in GATEWAY.map(variable).block}
    if GATEWAY.map(variable).args[0] == "$logged_user":
        return longest_value(values["default" if signed_in else ""], signed_in)
    if variable == "$logged_user" and not signed_in:
        return 0
    ((expression, value),) = ((name, value) for name, value in values.items() if name.startswith("~"))
    group, longest = re.fullmatch(r"~\^\(\?<(\w+)>\[.*\]\{1,(\d+)\}\)", expression).groups()  # type: ignore[union-attr]
    assert (value, values["default"]) == (f"${group}", "")
    return int(longest)


def test_one_request_takes_little_of_the_log() -> None:
    """The log's history is as long as its lines are short: one line could be 113 kB."""
    anonymous, signed_in = longest_line(signed_in=False), longest_line(signed_in=True)
    assert anonymous < 7_000
    assert signed_in < 25_000
    # Of a client without a session, only the archive's locations write a message of nginx's own, and no refusal does.
    print(f"{LOG_BYTES // anonymous} requests without a session, {LOG_BYTES // signed_in} with one, fill the log")
    assert LOG_BYTES // anonymous > 14_000


def test_nginx_writes_no_request_into_its_own_messages_but_for_the_archive() -> None:
    assert GATEWAY.server.values("error_log") == [("/dev/stderr", "crit")]
    for args, it in GATEWAY.locations.items():
        actual = it.values("error_log")
        assert actual == ([("/dev/stderr", "warn")] if it.values("proxy_pass") == [("http://archive",)] else []), args


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/app.bundle.0123456789abcdef.js", "public, max-age=31536000, immutable"),
        ("/assets/0123456789abcdef.wasm", "public, max-age=31536000, immutable"),
        ("/app-config.js", "no-cache"),
        ("/index.html", "no-cache"),
        ("/app.0123456789.js", "no-cache"),
    ],
)
def test_only_names_with_a_hash_are_kept_by_browsers(path: str, caching: str) -> None:
    assert GATEWAY.look_up("$asset_caching", path) == caching


def test_patient_data_is_not_kept_by_caches() -> None:
    for path in ("/pacs/studies", "/pacs/studies/1.2/series", "/pacs-admin/"):
        assert GATEWAY.location(path).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("networks", "entries"),
    [((), []), (("10.1.0.0/16", "2001:db8::/32"), ["10.1.0.0/16", "2001:db8::/32"])],
)
def test_admin_networks_are_closed_unless_named(networks: tuple[str, ...], entries: list[str]) -> None:
    gateway = Gateway(dataclasses.replace(EXAMPLE, admin_networks=[ipaddress.ip_network(it) for it in networks]))
    (geo,) = (it for it in gateway.http.all("geo") if it.args[-1] == "$in_admin_network")
    assert [(it.name, *it.args) for it in geo.block] == [(entry, "1") for entry in entries]
    for network in ("none", "bridge", "edge", "internal"):
        assert gateway.look_up("$from_admin_network", f" {network}") == "0"


def test_kinds_of_access_do_not_mix_in_a_route() -> None:
    route = Route(
        name="mixed",
        path="^/mixed$",
        rules=(Rule(READ, Anyone()), Rule(None, ANY_ROLE)),
        handler=Handler.HOME,
        example="/mixed",
    )
    with pytest.raises(ValueError, match="mixed"):
        guard(route)


def test_route_without_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        guard(Route(name="empty", path="^/empty$", rules=(), handler=Handler.HOME, example="/empty"))


@pytest.mark.parametrize(
    "query",
    ["_method=DELETE", "limit=1&_method=PUT", "_METHOD=DELETE", "%5Fmethod=DELETE", "x_method=POST", "%6c=1"],
)
def test_no_query_turns_a_read_into_something_else(query: str) -> None:
    assert GATEWAY.look_up("$method_override", query) == "1"
    for path in ("/pacs/studies", "/pacs/studies/1.2", "/pacs-admin/instances/x"):
        names = [it.name for it in GATEWAY.location(path).block]
        (refused,) = (it for it in GATEWAY.location(path).all("if") if it.args == ("$method_override",))
        assert refused.value("return") == "400"
        # `rewrite … break` ends the checks of a location.
        assert GATEWAY.location(path).block.index(refused) < names.index("rewrite")


@pytest.mark.parametrize("query", ["", "limit=101&offset=0", "PatientName=*%5F*", "00080020=20260101-&limit=1"])
def test_a_search_is_no_other_method(query: str) -> None:
    assert GATEWAY.look_up("$method_override", query) == "0"


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("", "0"),
        ("window=40,400,linear", "0"),
        ("window=-600.5,1500,linear-exact&quality=80", "0"),
        ("viewport=2048,2048", "0"),
        ("viewport=128%2C64&accept=image/png", "0"),
        ("viewport=100,100,,,64,64", "0"),
        ("quality=100", "0"),
        ("viewport=2049,1", "1"),
        ("viewport=30000,30000", "1"),
        ("viewport=0,0", "1"),
        ("viewport=100,100,0,0,99999,64", "1"),
        ("viewport=100,100&viewport=30000,30000", "1"),
        ("quality=101", "1"),
        ("window=40,400", "1"),
        ("other=1", "1"),
        ("viewport=1,1&", "1"),
    ],
)
def test_rendering_parameters_are_bounded(query: str, refused: str) -> None:
    instance = "/pacs/studies/1.2/series/1.2/instances/1.2"
    for image in ("rendered", "thumbnail", "frames/1/rendered"):
        assert GATEWAY.look_up("$render_query", f"{instance}/{image}?{query}") == refused
    assert GATEWAY.look_up("$render_query", f"/pacs/studies?{query}") == "0"


@pytest.mark.parametrize(
    ("path", "accept", "sent"),
    [
        (
            "/instances/1/frames/1",
            'multipart/related; type="*/*"',
            'multipart/related; type="application/octet-stream"',
        ),
        (
            "/instances/1/bulk/7fe00010",
            "multipart/related;type=*/*",
            'multipart/related; type="application/octet-stream"',
        ),
        ("/instances/1", 'multipart/related; type="*/*"', 'multipart/related; type="application/dicom"'),
        ("/instances/1", 'multipart/related; type="application/dicom"; transfer-syntax=*', "$http_accept"),
        (
            "/instances/1/frames/1",
            'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80, '
            'multipart/related; type="application/octet-stream"; transfer-syntax=*, '
            'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50',
            'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        ),
        ("/instances/1/frames/1", "multipart/related; type=image/jpeg", "$http_accept"),
        ("/instances/1/metadata", "application/dicom+json", "$http_accept"),
        ("/instances/1/frames/1", "*/*", "$http_accept"),
    ],
)
def test_any_type_within_multipart_is_the_default_type(path: str, accept: str, sent: str) -> None:
    assert GATEWAY.look_up("$archive_accept", f"/dicom-web{path}|{accept}") == sent


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("/ohif-viewer/viewer?StudyInstanceUIDs=1.2", "0"),
        ("/ohif-viewer/viewer?url=https%3A%2F%2Fx", "0"),
        ("/ohif-viewer/viewer?url=https://x", "1"),
        ("/ohif-viewer/viewer?from=a/../b", "1"),
        ("/ohif-viewer/viewer?" + "1" * 1500, "1"),
        # A semicolon would end the cookie.
        ("/ohif-viewer/viewer?url=https://x;y", "0"),
    ],
    ids=lambda it: it[:50],
)
def test_a_link_that_the_login_would_not_carry_is_kept(link: str, kept: str) -> None:
    assert GATEWAY.look_up("$link_kept", link) == kept


@pytest.mark.parametrize(
    ("path", "accept", "root"),
    [
        ("/instances/1/bulk/54000100/1/54001010", "application/octet-stream", "/scripted"),
        ("/instances/1/bulk/54001010", "image/png, application/octet-stream;q=0.9", "/scripted"),
        ("/instances/1/bulk/54001010", 'multipart/related; type="application/octet-stream"', "/dicom-web"),
        ("/instances/1/bulk/54001010", "multipart/related; type=application/octet-stream", "/dicom-web"),
        ("/instances/1/bulk/54001010", "*/*", "/dicom-web"),
        ("/instances/1/frames/1", "application/octet-stream", "/dicom-web"),
        ("/studies/1/metadata", "application/dicom+json", "/scripted"),
        ("/studies/1/series/2/metadata", "*/*", "/scripted"),
        ("/studies/1/series/2/instances/3/metadata", "", "/scripted"),
        ("/studies/1/metadata", 'multipart/related; type="application/dicom+xml"', "/dicom-web"),
        ("/studies/1/metadata", "text/html", "/dicom-web"),
        ("/studies", "application/dicom+json", "/dicom-web"),
    ],
)
def test_scripts_answer_for_single_parts_and_metadata(path: str, accept: str, root: str) -> None:
    assert GATEWAY.look_up("$dicomweb_root", f"/pacs{path}|{accept}") == root


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        ("", ""),
        ("ohif_session=a", ""),
        ("ohif_session_1234_csrf=c", "ohif_session_1234_csrf=c"),
        ("ohif_session=a; ohif_session_1234_csrf=c", " ohif_session_1234_csrf=c"),
        ("ohif_session_1234_csrf=c; ohif_session=a", "ohif_session_1234_csrf=c; "),
        ("ohif_session=a; x=1; ohif_session=b", ""),
        # Go's net/http trims names and nginx does not.
        ("ohif_session =a", ""),
        ("ohif_session\t=a", ""),
        ("\tohif_session=a", "\t"),
        ("x=1;\t ohif_session \t=a; ohif_session_1234_csrf=c", "x=1;\t  ohif_session_1234_csrf=c"),
        ("ohif_session; ohif_session_1234_csrf=c", " ohif_session_1234_csrf=c"),
        ("ohif_session\x0b=a; ohif_session_1_csrf=c", " ohif_session_1_csrf=c"),
        ("ohif_session\xa0=a; ohif_session_1_csrf=c", ""),
        ("ohif_session=a; ohif_session =b; ohif_session_1_csrf=c", ""),
        ("ohif_session=a; ohif_session\t=b", ""),
        ('x="; ohif_session=a"; ohif_session_1_csrf=c', 'x=";  ohif_session_1_csrf=c'),
        ("OHIF_SESSION=a; __Host-ohif_session=a", "OHIF_SESSION=a; __Host-ohif_session=a"),
    ],
)
def test_the_end_of_a_login_sees_no_session_from_before(sent: str, passed_on: str) -> None:
    """Else oauth2-proxy writes the new session under the old one's ticket, of which somebody may have a copy."""
    (entry,) = (it for it in GATEWAY.map("$cookies_without_session").block if it.name.startswith("~"))
    cut = re.search(entry.name[1:].replace("(?<", "(?P<"), sent)
    left = cut["before"] + cut["after"] if cut else sent
    assert GATEWAY.look_up("$cookies_of_sign_in", left).replace("$cookies_without_session", left) == passed_on
    sign_in = GATEWAY.location("/oauth2/callback")
    assert ("Cookie", "$cookies_of_sign_in") in sign_in.values("proxy_set_header")


@pytest.mark.parametrize(
    ("cookie", "key"),
    [("", ""), ("a|1|b", "$session_cookie"), ("a" * 255, "$session_cookie"), ("a" * 256, "$client_key")],
    ids=["none", "one", "longest", "too long for a key"],
)
def test_requests_are_counted_by_session_where_there_is_one(cookie: str, key: str) -> None:
    """nginx counts nothing under an empty key: callers whose session ended get 401, not 429, however many they are."""
    assert GATEWAY.look_up("$session_key", cookie) == key
