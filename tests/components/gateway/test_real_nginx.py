"""nginx itself reads the gateway's file: what a parser takes, nginx may refuse (an expression too large, say)."""

import ipaddress
from dataclasses import replace

import pytest

from components.gateway import nginx_config
from components.gateway.model import GatewayConfig, TlsConfig
from settings import EVERY_NETWORK
from tests.certificates import signed
from tests.components.gateway.gateway_file import (
    DIMSE,
    EXAMPLE,
    HTTPS_EXAMPLE,
    LINKS_EXAMPLE,
    OPEN_LINKS_EXAMPLE,
    OTHER_EXAMPLE,
)
from tests.components.gateway.real_nginx import WAIT, engine, gateway

IPV6 = ipaddress.ip_network("2001:db8::/32")
GIVEN = TlsConfig(certificate="/etc/ohif/tls/chain.pem", key="/etc/ohif/tls/key.pem", ocsp_stapling=False, webroot=None)


@pytest.mark.engine
@pytest.mark.parametrize(
    "config",
    [
        EXAMPLE,
        replace(EXAMPLE, admin_networks=[ipaddress.ip_network("10.0.0.0/8"), IPV6]),
        replace(EXAMPLE, admin_networks=EVERY_NETWORK),
        HTTPS_EXAMPLE,
        replace(HTTPS_EXAMPLE, tls=GIVEN),
        OTHER_EXAMPLE,
        LINKS_EXAMPLE,
        OPEN_LINKS_EXAMPLE,
        replace(EXAMPLE, dimse=DIMSE),
        replace(OTHER_EXAMPLE, dimse=replace(DIMSE, tls=True, client_certificates=True, trust_bridge_address=False)),
    ],
    ids=[
        "nobody administers",
        "admin networks",
        "everybody administers",
        "https",
        "given certificate",
        "dcm4chee",
        "links",
        "links without login",
        "dicom",
        "dicom over tls",
    ],
)
def test_nginx_takes_the_file(config: GatewayConfig) -> None:
    own = signed("gateway")
    files = {
        "/etc/ohif/nginx.conf": nginx_config.render(config),
        **WAIT,
        "/etc/ohif/archive-credential.conf": "",
        "/etc/ohif/archive-credentials.conf": "",
        "/etc/ohif/dicom/certificate.pem": own.pem,
        "/etc/ohif/dicom/key.pem": own.key_pem,
        "/etc/ohif/dicom/client-ca.pem": own.pem,
        GIVEN.certificate: own.pem,
        GIVEN.key: own.key_pem,
        "/certificates/served/pacs.example.org.pem": own.pem + own.key_pem,
    }
    script = "; ".join(
        (
            *(f": >/tmp/{name}.conf" for name in ("networks", "neighbours", "neighbours-but-the-bridge")),
            "exec nginx -t -c /etc/ohif/nginx.conf -e /dev/stderr",
        )
    )
    with engine() as client, gateway(client, ["/bin/sh", "-c", script], files) as container:
        code = container.wait(timeout=60)["StatusCode"]
        said = container.logs().decode()
    assert code == 0, said
    assert "warn" not in said
