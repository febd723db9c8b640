"""Rules for HTTPS: what follows from it everywhere, and how a certificate comes and stays."""

import tomllib
from typing import Any

import pytest

from components.gateway import nginx_config
from components.public_name.certificate import MODULE, SCRIPT
from tests.certificates import signed
from tests.components.gateway.gateway_file import parse
from tests.program.cases import CASES, PROD, PROVIDED, Case, prod
from tests.program.harness import (
    VM_ADDRESS,
    VM_IPV6,
    Deployment,
    is_secret,
    open_texts,
)

CA = signed("a hospital's authority").pem


def auth_proxy(deployment: Deployment) -> dict[str, Any]:
    return tomllib.loads(deployment.container("auth-proxy").files["/etc/oauth2-proxy.cfg"])


def test_with_https_no_http_address_is_used(case: Case, deployment: Deployment) -> None:
    client = deployment.one("Client", "identity-client").inputs
    actual = auth_proxy(deployment)
    addresses = [
        *client["validRedirectUris"],
        *client["validPostLogoutRedirectUris"],
        actual["oidc_issuer_url"],
        actual["login_url"],
        actual["redirect_url"],
        deployment.container("keycloak").environment["KC_HOSTNAME"],
        deployment.one("pulumi:providers:keycloak").inputs["url"],
        deployment.stack_outputs["viewerUrl"],
    ]
    for address in addresses:
        assert f"{address}/".startswith(f"{case.origin}/"), address


def test_cookies_belong_to_the_host_with_https(case: Case, deployment: Deployment) -> None:
    actual = auth_proxy(deployment)
    assert actual["cookie_secure"] is case.secure
    assert actual["cookie_name"] == ("__Host-ohif_session" if case.secure else "ohif_session")
    assert actual["cookie_path"] == "/"
    assert "cookie_domains" not in actual
    assert actual["cookie_name"] in deployment.container("gateway").files["/etc/ohif/nginx.conf"]


def test_gateway_speaks_https_exactly_when_configured(case: Case, deployment: Deployment) -> None:
    gateway = deployment.container("gateway")
    (http,) = parse(gateway.files["/etc/ohif/nginx.conf"]).all("http")
    assert bool(http.all("ssl_certificate")) is case.tls
    internal = {443: 8443, 2762: 11112}
    for port in gateway.inputs["ports"]:
        family = nginx_config.IPV6_SHIFT if ":" in port["ip"] else 0
        assert port["internal"] == family + internal.get(port["external"], 11112 if port["external"] == 11112 else 8080)


def test_gateway_listens_for_the_families_that_come(case: Case, deployment: Deployment) -> None:
    network = deployment.one("Network", "networks-edge").inputs
    listens = "listen [::]:" in deployment.container("gateway").files["/etc/ohif/nginx.conf"]
    assert listens is bool(network.get("ipv6")) is ("::" in case.bound)
    assert bool(network.get("ipamConfigs")) is listens


def test_given_certificate_lies_in_the_gateway_and_its_key_is_secret(case: Case, deployment: Deployment) -> None:
    gateway = deployment.container("gateway")
    given = {path: text for path, text in gateway.files.items() if path.startswith("/etc/ohif/tls/")}
    if not case.chose("provided"):
        assert not given
        return
    assert given == {"/etc/ohif/tls/chain.pem": PROVIDED.pem, "/etc/ohif/tls/key.pem": PROVIDED.key_pem}
    for text in open_texts(gateway.marked_inputs):
        assert PROVIDED.key_pem not in text


def test_certbot_runs_exactly_when_an_authority_issues(case: Case, deployment: Deployment) -> None:
    loops = [it for it in deployment.of_type("Container") if it.inputs["hostname"] == "certificate"]
    assert len(loops) == case.issued
    gateway = deployment.container("gateway")
    assert ("CERTIFICATE" in gateway.environment) is case.issued
    assert ("/etc/ohif/waiting.conf" in gateway.files) is case.issued
    if not case.issued:
        return
    (certbot,) = loops
    assert gateway.environment["CERTIFICATE"] == f"/certificates/served/{case.host}.pem"
    assert certbot.environment["DOMAIN"] == case.host
    (volume,) = [it for it in gateway.inputs["volumes"] if it["containerPath"] == "/certificates"]
    assert (volume["volumeName"], volume["readOnly"]) == (certbot.inputs["volumes"][0]["volumeName"], True)
    assert not certbot.inputs["volumes"][0].get("readOnly")
    # It reads what root's file modes allow to its group.
    assert certbot.inputs["user"].partition(":")[2] == gateway.inputs["user"].partition(":")[2]


@pytest.mark.parametrize("case", [it for it in CASES if it.issued], ids=str)
def test_authority_is_asked_after_gateway_and_records_are_there(case: Case, deployment: Deployment) -> None:
    order = {it.urn: position for position, it in enumerate(deployment.resources)}
    certbot = order[deployment.container("certificate").urn]
    before = [deployment.container("gateway"), *deployment.of_type("DomainRecord")]
    if case.chose("duckdns"):
        before.append(deployment.container("dns-updater"))
    assert all(order[it.urn] < certbot for it in before)
    # Keycloak is reached by HTTPS, so only after that.
    assert certbot < order[deployment.one("Realm").urn]


@pytest.mark.parametrize(
    ("config", "expected", "timeout"),
    [
        ({}, f"{VM_ADDRESS} {VM_IPV6}", "900"),
        ({"dns": "none", "linodeDns": {}}, f"{VM_ADDRESS} {VM_IPV6}", "0"),
        (
            {
                "target": "server",
                "vm": {},
                "ssh": {},
                "dns": "none",
                "linodeDns": {},
                "server": {"address": "ssh://deploy@192.0.2.10", "hostKey": PROD["ssh"]["publicKey"]},
            },
            "",
            "0",
        ),
    ],
    ids=["own record", "a person's record", "server"],
)
def test_certbot_loop_knows_where_the_name_has_to_point(config: dict[str, Any], expected: str, timeout: str) -> None:
    certbot = prod(**config).container("certificate")
    actual = certbot.environment
    assert set(certbot.files) == {SCRIPT, f"/{MODULE}"}
    assert (actual["EXPECTED_ADDRESSES"], actual["DNS_PATIENCE"]) == (expected, timeout)  # glossary: allow
    assert (actual["ACME_DIRECTORY"], actual["ACME_EMAIL"]) == (
        "https://acme-v02.api.letsencrypt.org/directory",
        "radiology@example.org",
    )


def test_private_authority_is_trusted_where_it_has_to_be() -> None:
    found = prod(acme={"email": "it@example.org", "server": "https://ca.example.org/dir", "caCertificate": CA})
    assert found.container("certificate").files["/run/ca.pem"] == CA
    assert found.one("pulumi:providers:keycloak").inputs["rootCaCertificate"] == CA


def test_duckdns_is_updated_by_the_machine_and_the_token_is_secret() -> None:
    found = prod(dns="duckdns", linodeDns={}, duckDns={"token": "S3cret.duck"}, host="my-lab.duckdns.org")
    updater = found.container("dns-updater")
    assert updater.environment == {
        "DUCKDNS_SERVER": "https://www.duckdns.org",
        "DUCKDNS_DOMAIN": "my-lab",
        "ADDRESSES": f"{VM_ADDRESS} {VM_IPV6}",
    }
    assert updater.files["/run/duckdns-token"] == "S3cret.duck"
    assert not any("S3cret." in text for text in open_texts(updater.marked_inputs))
    assert is_secret(found.marked_stack_outputs["credentials"])
