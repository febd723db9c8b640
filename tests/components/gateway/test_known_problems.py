"""Known problems (docs/known-problems.md) that show in the gateway's file, a test for each."""

import dataclasses
import re

import pytest

from route import Handler, Role
from tests.components.gateway.gateway_file import EXAMPLE, Gateway

GATEWAY = Gateway()
QUESTIONS = [it for args, it in GATEWAY.locations.items() if args[-1].startswith("/_auth/") and it.all("proxy_pass")]
STORING = {"/pacs/studies", "/pacs/studies/1.2/series", "/pacs-admin/"}


def examples(*handlers: Handler) -> list[str]:
    return [route.example for route in EXAMPLE.routes if route.handler in handlers]


def bytes_of(size: str) -> int:
    return int(size.removesuffix("k")) * 1024


def test_known_problem_01_body_and_auth_request_hang() -> None:
    # One for each route with a session, one for the session alone, and one about who was refused.
    assert len(QUESTIONS) == len(GATEWAY.guarded) + 2
    for it in QUESTIONS:
        assert it.value("proxy_pass_request_body") == "off"
        assert it.pairs("proxy_set_header")["Content-Length"] == ""
        assert it.value("proxy_pass_request_headers") == "off"


@pytest.mark.parametrize(
    ("method", "mode", "accept", "leads_to_login"),
    [
        ("GET", "navigate", "text/html", "1"),
        ("HEAD", "navigate", "*/*", "1"),
        ("GET", "", "text/html,application/xhtml+xml", "1"),
        ("GET", "cors", "application/dicom+json", "0"),
        ("GET", "cors", "text/html", "0"),
        ("GET", "no-cors", "*/*", "0"),
        ("GET", "", "*/*", "0"),
        ("POST", "navigate", "text/html", "0"),
        ("POST", "cors", "application/json", "0"),
    ],
)
def test_known_problem_02_session_that_ends_while_reading(
    method: str, mode: str, accept: str, leads_to_login: str
) -> None:
    assert GATEWAY.look_up("$navigation", f"{method} {mode} {accept}") == leads_to_login
    sign_in = GATEWAY.locations[("@sign_in",)]
    assert [it.value("return") for it in sign_in.all("if") if it.args == ("$navigation", "=", "0")] == ["401"]
    for it in GATEWAY.guarded:
        assert GATEWAY.on_error(it, "401") == "@sign_in"


def test_known_problem_03_login_loop() -> None:
    """What the login itself needs is never guarded, and no failure there starts it again by itself."""
    for path in ("/oauth2/start", "/oauth2/callback", "/keycloak/realms/ohif/protocol/openid-connect/auth"):
        assert not GATEWAY.location(path).all("auth_request")
    callback = GATEWAY.location("/oauth2/callback")
    assert callback.value("proxy_intercept_errors") == "on"
    for code in ("400", "401", "403", "404", "500"):
        assert GATEWAY.on_error(callback, code) == "/_gateway/signin-failed.html"


def test_known_problem_05_works_only_on_localhost() -> None:
    assert "localhost" not in GATEWAY.text
    loopback = {it.args[0] for it in GATEWAY.http.walk() if it.args and it.args[0].startswith("127.")}
    assert loopback == {"127.0.0.1:8081", "127.0.0.11"}


def test_known_problem_06_big_headers() -> None:
    assert bytes_of(GATEWAY.http.value("proxy_buffer_size")) >= 16 * 1024
    ((count, size),) = GATEWAY.http.values("large_client_header_buffers")
    # A line is in one buffer: an address of a login has 2 kB, and Keycloak's cookies together have 4 kB.
    assert int(count) >= 2
    assert bytes_of(size) >= 8 * 1024
    assert not [it for it in GATEWAY.server.walk() if it.name == "proxy_buffer_size"]


OF_THE_ARCHIVE = (Handler.DICOMWEB, Handler.DOWNLOAD, Handler.ARCHIVE_PAGES, Handler.ARCHIVE_ADMIN)


def test_known_problem_07_uploads_over_1_mb() -> None:
    unlimited = {
        path
        for path in {route.example for route in EXAMPLE.routes} | STORING
        if ("0",) in GATEWAY.location(path).values("client_max_body_size")
    }
    assert unlimited == STORING | set(examples(*OF_THE_ARCHIVE))
    for path in unlimited:
        assert GATEWAY.location(path).value("proxy_request_buffering") == "off"
        assert GATEWAY.location(path).value("proxy_read_timeout") == "300s"
    # Forms are small, and what is kept until it is whole would be kept in memory.
    most, kept = (GATEWAY.http.value(name) for name in ("client_max_body_size", "client_body_buffer_size"))
    assert bytes_of(most) <= bytes_of(kept)
    assert not GATEWAY.server.all("client_max_body_size")


def test_known_problem_10_logout_leaves_the_session_at_keycloak() -> None:
    """With a session oauth2-proxy ends both; without one the browser is sent to Keycloak, which comes back home."""
    logout = GATEWAY.location("/logout")
    assert ("^", "/oauth2/sign_out", "break") in logout.values("rewrite")
    assert logout.value("auth_request") == "/_auth/session"
    assert GATEWAY.locations[("=", "/_auth/session")].value("proxy_pass") == "http://auth_proxy/oauth2/auth"
    assert GATEWAY.on_error(logout, "401") == "@sign_out_at_keycloak"
    ((code, address),) = GATEWAY.locations[("@sign_out_at_keycloak",)].values("return")
    assert code == "302"
    assert address == (
        "/keycloak/realms/ohif/protocol/openid-connect/logout"
        "?client_id=ohif_viewer&post_logout_redirect_uri=http%3A%2F%2Fpacs.example.org%3A8480%2F"
    )


def test_known_problem_11_and_14_keycloak_gets_the_public_address() -> None:
    for path in examples(Handler.KEYCLOAK):
        headers = GATEWAY.location(path).pairs("proxy_set_header")
        assert headers["Host"] == headers["X-Forwarded-Host"] == "pacs.example.org:8480"
        assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == ("http", "8480")


def test_known_problem_12_shared_array_buffer() -> None:
    for path in [*examples(Handler.VIEWER_PAGE, Handler.VIEWER_ASSETS, Handler.VIEWER_CONFIG), "/pacs/studies"]:
        headers = GATEWAY.location(path).headers
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert GATEWAY.http.all("include")[0].args == ("/etc/nginx/mime.types",)


def test_known_problem_13_framing() -> None:
    for it in GATEWAY.guarded:
        assert it.headers["x-frame-options"] == "DENY", it.args
        assert "frame-ancestors 'none'" in it.headers["content-security-policy"], it.args
        assert it.headers["x-content-type-options"] == "nosniff", it.args
        assert it.headers["referrer-policy"] == "same-origin", it.args


def test_content_security_policy_of_the_viewer_lets_no_foreign_or_inline_script_in() -> None:
    policy = {
        name: set(sources.split())
        for name, _, sources in (
            part.strip().partition(" ")
            for part in GATEWAY.location("/ohif-viewer/").headers["content-security-policy"].split(";")
        )
    }
    assert policy["default-src"] == {"'none'"}
    assert policy["script-src"] == {"'self'", "'nonce-$request_id'", "'wasm-unsafe-eval'"}
    assert policy["connect-src"] == {"'self'", "blob:", "data:"}
    assert not [source for sources in policy.values() for source in sources if "*" in source or "http" in source]


@pytest.mark.parametrize("path", ["/dcm4chee-arc/", "/dcm4chee-arc/aets/DCM4CHEE/rs/studies", "/dcm4chee-arc"])
def test_known_problem_16_archive_open_to_the_world(path: str) -> None:
    assert GATEWAY.answer("GET", path) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_known_problem_17_any_viewer_may_store_or_delete(method: str) -> None:
    for path in ("/pacs/studies", "/pacs/studies/1.2", "/pacs/studies/1.2/series/1.3", "/pacs-admin/patients/x"):
        roles = GATEWAY.answer(method, path)
        assert isinstance(roles, frozenset)
        assert Role.VIEWER not in roles
        assert method == "POST" or roles == {Role.PACSADMIN}


def test_known_problem_18_stepping_past_the_gate() -> None:
    for path in (r"/pacs/..\patients/x", "/pacs/%2e%2e/patients/x", "/pacs/servers/x", "/pacs/tools/execute-script"):
        assert GATEWAY.answer("DELETE", path) == 404


def test_known_problem_19_start_up_race() -> None:
    """An upstream that is not there, or comes back under another address, is found without a restart."""
    ((address, valid, *_),) = GATEWAY.http.values("resolver")
    assert address == "127.0.0.11"
    assert 1 <= int(valid.removeprefix("valid=").removesuffix("s")) <= 10
    assert {it.args[0] for it in GATEWAY.http.all("upstream")} == set(EXAMPLE.upstreams)
    for upstream in GATEWAY.http.all("upstream"):
        ((host, *options), *same) = upstream.values("server")
        assert {"resolve", "max_fails=0"} <= set(options)
        assert all(again == (host, *options) for again in same)
        assert upstream.all("zone")
        assert upstream.all("keepalive")
    for it in GATEWAY.server.walk():
        if it.name == "proxy_pass":
            assert it.args[0].split("/")[2] in EXAMPLE.upstreams


def test_known_problem_20_refreshed_cookie_never_reaches_the_browser() -> None:
    for it in GATEWAY.guarded:
        assert ("$auth_cookie", "$upstream_http_set_cookie") in it.values("auth_request_set"), it.args
        assert ("Set-Cookie", "$auth_cookie", "always") in it.values("add_header"), it.args
    for it in QUESTIONS:
        # An answer that sets a cookie is this session's and this moment's: it must not come from the cache.
        assert "Set-Cookie" not in it.values("proxy_ignore_headers")[0]


def test_known_problem_21_old_cookie_after_sign_out() -> None:
    for it in QUESTIONS:
        assert it.value("proxy_cache_key").startswith("$session_cookie ")


@pytest.mark.parametrize(
    "path", ["/keycloak/metrics", "/keycloak/health", "/keycloak/health/ready", "/keycloak/", "/metrics"]
)
def test_known_problem_22_insides_of_keycloak(path: str) -> None:
    assert GATEWAY.answer("GET", path) == 404
    assert GATEWAY.answer("GET", "/keycloak/admin/master/console/") == "admin networks"


def test_known_problem_24_guessing_passwords() -> None:
    """The account's lock-out is Keycloak's; the gateway slows one address down, and only at the login."""
    assert GATEWAY.http.value("limit_req_status") == "429"
    # By the path that the location matches, however the client has written it.
    assert GATEWAY.map("$sign_in_attempt").args[0].endswith(" $uri")
    for attempt in (
        "POST 27 /keycloak/realms/ohif/login-actions/authenticate",
        "POST chunked /keycloak/realms/master/protocol/openid-connect/token",
        "POST 0 /keycloak/realms/ohif/protocol/openid-connect/token/introspect",
        "POST 1 /keycloak/realms/ohif/protocol/openid-connect/revoke",
        # A form in the body of a GET, which Keycloak might read.
        "GET 27 /keycloak/realms/ohif/login-actions/authenticate",
        "HEAD chunked /keycloak/realms/ohif/protocol/openid-connect/token",
        "PUT  /keycloak/realms/ohif/login-actions/authenticate",
    ):
        assert GATEWAY.look_up("$sign_in_attempt", attempt) == "$client_key", attempt
    for free in (
        "GET  /keycloak/realms/ohif/login-actions/authenticate",
        "GET  /keycloak/resources/x",
        "POST 1 /pacs/studies",
    ):
        assert GATEWAY.look_up("$sign_in_attempt", free) == ""


def test_no_websocket_is_passed_on() -> None:
    """None of the parts needs one, and an upgraded connection outlives its session."""
    assert not [it for it in GATEWAY.http.walk() if re.search(r"\bupgrade\b", " ".join(it.args), re.IGNORECASE)]


@pytest.mark.parametrize(
    ("roles", "variant"),
    [
        ("viewer", "read"),
        ("offline_access,viewer", "read"),
        ("", "read"),
        ("reporter", "store"),
        ("default-roles-ohif,pacsadmin", "store"),
        ("viewer,reporter", "store"),
        ("not-a-reporter", "read"),
        ("reporter2", "read"),
    ],
)
def test_viewer_is_configured_by_the_roles(roles: str, variant: str) -> None:
    assert GATEWAY.look_up("$may_store", f",{roles},") == variant
    (served,) = GATEWAY.location("/app-config.js").values("try_files")
    assert served == ("/app-config.$may_store$may_download.js", "=404")


def test_one_endpoint_everywhere() -> None:
    other = Gateway(dataclasses.replace(EXAMPLE, host="192.0.2.10", authority="192.0.2.10", port=80))
    assert "pacs.example.org" not in other.text
    assert "8480" not in other.text
