"""The gateway's file with HTTPS: who is led where, what is spoken, and what waits for the certificate."""

import re
from dataclasses import replace

import pytest

from components.gateway import nginx_config
from components.gateway.model import GatewayConfig, TlsConfig
from tests.components.gateway.gateway_file import EXAMPLE, HTTPS_EXAMPLE, OTHER_EXAMPLE, Directive, Gateway, parse

TLS = HTTPS_EXAMPLE.tls
assert TLS
GIVEN = replace(
    HTTPS_EXAMPLE,
    ipv6=False,
    tls=TlsConfig(certificate="/etc/ohif/tls/chain.pem", key="/etc/ohif/tls/key.pem", ocsp_stapling=True, webroot=None),
)
GATEWAY, PLAIN = Gateway(HTTPS_EXAMPLE), Gateway(replace(HTTPS_EXAMPLE, tls=None, scheme="http"))
WAITING = parse(nginx_config.render_waiting(HTTPS_EXAMPLE))
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW")
YEAR = 365 * 24 * 3600


def default_server(http: Directive) -> Directive:
    (found,) = (it for it in http.all("server") if any("default_server" in args for args in it.values("listen")))
    return found


def challenge(server: Directive) -> Directive | None:
    """The location for the authority's question."""
    found = [it for it in server.all("location") if it.args[0] == "~" and "acme-challenge" in it.args[1]]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("example", [EXAMPLE, OTHER_EXAMPLE], ids=["orthanc", "dcm4chee"])
def test_https_changes_nothing_about_who_may(example: GatewayConfig) -> None:
    plain, secure = Gateway(example), Gateway(replace(example, scheme="https", tls=TLS))
    assert list(plain.locations) == list(secure.locations)
    for route in example.routes:
        for method in METHODS:
            assert plain.answer(method, route.example) == secure.answer(method, route.example), route.name


@pytest.mark.parametrize(
    ("config", "clear", "secure"),
    [
        (HTTPS_EXAMPLE, ["8080", "[::]:18080"], ["8443", "[::]:18443"]),
        (GIVEN, ["8080"], ["8443"]),
    ],
    ids=["both families", "ipv4"],
)
def test_every_server_listens_for_every_family(config: GatewayConfig, clear: list[str], secure: list[str]) -> None:
    (front,) = parse(nginx_config.render(config)).all("stream")
    assert {it.value("proxy_pass"): it.values("listen") for it in front.all("server")} == {
        nginx_config.HTTP_SOCKET: [(it,) for it in clear],
        nginx_config.HTTPS_SOCKET: [(it,) for it in secure],
    }
    gateway = Gateway(config)
    http, https = (nginx_config.HTTP_SOCKET, "proxy_protocol"), (nginx_config.HTTPS_SOCKET, "ssl", "proxy_protocol")
    assert gateway.redirect.values("listen") == [http]
    assert gateway.server.values("listen") == [https]
    assert default_server(gateway.http).values("listen") == [(*http, "default_server"), (*https, "default_server")]


def test_in_the_clear_one_is_only_led_on() -> None:
    locations = {it.args: it for it in GATEWAY.redirect.all("location")}
    assert locations["/",].values("return") == [("308", "https://pacs.example.org$request_uri")]
    question = challenge(GATEWAY.redirect)
    assert set(locations) == {("/",), *([question.args] if question else [])}
    assert not [it for it in GATEWAY.redirect.walk() if it.name in ("proxy_pass", "alias", "rewrite")]


def test_redirect_names_the_port_unless_it_is_the_usual_one() -> None:
    actual = Gateway(replace(HTTPS_EXAMPLE, authority="pacs.example.org:8443", port=8443))
    (location,) = (it for it in actual.redirect.all("location") if it.args == ("/",))
    assert location.values("return") == [("308", "https://pacs.example.org:8443$request_uri")]


def test_authority_is_answered_where_there_is_one_and_in_the_clear_only() -> None:
    question = challenge(GATEWAY.redirect)
    assert question is not None
    assert (question.value("root"), question.value("default_type")) == ("/certificates/webroot", "text/plain")
    for server in (GATEWAY.server, default_server(GATEWAY.http), Gateway(GIVEN).redirect, PLAIN.server):
        assert challenge(server) is None


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", True),
        ("/.well-known/acme-challenge/a-b_c", True),
        ("/.well-known/acme-challenge/", False),
        ("/.well-known/acme-challenge/../served/pacs.example.org.pem", False),
        ("/.well-known/acme-challenge/..%2fserved", False),
        ("/.well-known/acme-challenge/a/b", False),
        ("/.well-known/acme-challenge/a.pem", False),
        ("/.well-known/acme-challenge/a\n", False),
        ("/x/.well-known/acme-challenge/a", False),
        (f"/.well-known/acme-challenge/{'a' * 129}", False),
    ],
    ids=ascii,
)
def test_authority_reaches_nothing_but_its_answer(path: str, answered: bool) -> None:
    for server in (GATEWAY.redirect, default_server(WAITING.all("http")[0])):
        location = challenge(server)
        assert location is not None
        assert bool(re.search(location.args[1], path, re.ASCII)) is answered


def test_only_modern_tls_is_spoken() -> None:
    http = GATEWAY.http
    assert http.values("ssl_protocols") == [("TLSv1.2", "TLSv1.3")]
    ciphers = http.value("ssl_ciphers").split(":")
    assert len(ciphers) >= 4
    for cipher in ciphers:
        # Forward secrecy, and encryption that authenticates (RFC 7525, 4.2).
        assert re.fullmatch(r"ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)", cipher)
    assert http.value("ssl_session_tickets") == "off"
    assert http.value("http2") == "on"


def test_nothing_of_tls_without_it() -> None:
    assert not [it.name for it in PLAIN.http.walk() if it.name.startswith("ssl_") or it.name == "http2"]
    assert not [it for server in PLAIN.http.all("server") for it in server.values("listen") if "ssl" in it]


def test_foreign_name_gets_no_handshake() -> None:
    assert default_server(GATEWAY.http).value("ssl_reject_handshake") == "on"
    assert not GATEWAY.server.all("ssl_reject_handshake")


@pytest.mark.parametrize("config", [HTTPS_EXAMPLE, GIVEN], ids=["issued", "given"])
def test_certificate_and_its_responder(config: GatewayConfig) -> None:
    assert config.tls
    http = Gateway(config).http
    assert http.value("ssl_certificate") == config.tls.certificate
    assert http.value("ssl_certificate_key") == config.tls.key
    assert http.values("ssl_stapling") == ([("on",)] if config.tls.ocsp_stapling else [])


@pytest.mark.parametrize(("gateway", "expected"), [(GATEWAY, True), (PLAIN, False)], ids=["https", "http"])
def test_browsers_remember_https(gateway: Gateway, expected: bool) -> None:
    public = [it for it in gateway.server.all("location") if it.args[0] == "~" or it.args[0].startswith("@")]
    for it in public:
        if it.all("js_content"):
            # It never answers a client.
            continue
        value = it.headers.get("strict-transport-security")
        assert (value is not None) is expected, it.args
        if value:
            assert int(value.removeprefix("max-age=")) >= YEAR
            # Neighbours of the name may have no HTTPS.
            assert "includeSubDomains" not in value
            assert ("Strict-Transport-Security",) in it.values("proxy_hide_header") or not it.all("proxy_pass")


def test_keycloak_gets_the_clients_address_with_https_only() -> None:
    """Over HTTP, realm master answers nobody whose address is public."""
    for gateway, actual in ((GATEWAY, "$remote_addr"), (PLAIN, "")):
        passed = gateway.location("/keycloak/realms/ohif/account").pairs("proxy_set_header")
        assert passed["X-Forwarded-For"] == actual
        assert passed["X-Forwarded-Proto"] == gateway.config.scheme


def test_a_client_with_the_bridges_address_is_in_no_admin_network() -> None:
    (admins, own) = GATEWAY.http.all("geo")
    assert [(it.name, *it.args) for it in admins.block] == [
        ("192.0.2.0/24", "1"),
        ("2001:db8::/48", "1"),
    ]
    assert [(it.name, *it.args) for it in own.block] == [("default", "none"), ("include", "/tmp/networks.conf")]
    trusting = Gateway(replace(HTTPS_EXAMPLE, trust_bridge_address=True))
    for gateway, bridge in ((GATEWAY, "0"), (trusting, "1")):
        assert gateway.map("$from_admin_network").args[0] == "$in_admin_network $own_network"
        decided = {
            kind: gateway.look_up("$from_admin_network", f"1 {kind}") for kind in ("none", "bridge", "edge", "internal")
        }
        # Whatever the admin networks are: no container next to the gateway is in one.
        assert decided == {"none": "1", "bridge": bridge, "edge": "0", "internal": "0"}


def test_no_service_behind_the_gateway_asks_it_anything() -> None:
    for gateway in (GATEWAY, PLAIN):
        (refusal,) = gateway.server.all("if")
        assert (refusal.args, refusal.value("return")) == (("$own_network", "=", "internal"), "444")


def test_until_there_is_a_certificate_the_answer_is_503() -> None:
    (http,) = WAITING.all("http")
    health, site = http.all("server")
    assert health.values("listen") == [(f"127.0.0.1:{nginx_config.HEALTH_PORT}",)]
    assert site.values("listen") == [("8080", "default_server"), ("[::]:18080", "default_server")]
    (actual,) = (it for it in site.all("location") if it.args == ("/",))
    assert actual.values("return")[0][0] == "503"
    assert {"retry-after", "cache-control"} <= set(actual.headers)
    assert not [it for it in http.walk() if it.name == "proxy_pass" or it.name.startswith("ssl_")]
    question = challenge(site)
    assert question is not None
    assert question.value("root") == "/certificates/webroot"


def test_what_waits_writes_where_the_gateway_may() -> None:
    paths = {it.name: it.args[0] for it in WAITING.walk() if it.name.endswith("_temp_path") or it.name == "pid"}
    gateway = {it.name: it.args[0] for it in parse(GATEWAY.text).walk() if it.name in paths}
    assert paths == gateway
    assert all(path.startswith("/tmp/") for path in paths.values())
