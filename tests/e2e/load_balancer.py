"""A real load balancer in front of the stack: HAProxy, which ends TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import signed
from tests.e2e.harness import CONFIG, listens, wait_until
from tools import debian_tools

PORT = 9443
ORIGIN = f"https://127.0.0.1:{PORT}"
CONFIGURATION = """
global
    maxconn 200
defaults
    mode {mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend browsers
    bind 127.0.0.1:{port} ssl crt {certificate}
    {frontend}
    default_backend stack
backend stack
    server gateway 127.0.0.1:{gateway} {server}
"""
MODES = {
    "xForwardedFor": {"mode": "http", "frontend": "option forwardfor", "server": ""},
    "proxyProtocol": {"mode": "tcp", "frontend": "", "server": "send-proxy-v2"},
}


@contextmanager
def behind_load_balancer(folder: Path, protocol: str, up_with: Callable[..., str]) -> Iterator[None]:
    """The stack behind HAProxy, whose authority this process and its children trust."""
    with load_balancer(folder, protocol) as authority, pytest.MonkeyPatch.context() as patch:
        file = folder / "authority.pem"
        file.write_text(authority)
        patch.setenv("SSL_CERT_FILE", str(file))
        proxy = {"trusted": ["127.0.0.0/8"], "protocol": protocol, "port": PORT, "caCertificate": authority}
        up_with(host="127.0.0.1", adminNetworks=["127.0.0.1/32"], proxy=proxy)
        yield


@contextmanager
def load_balancer(folder: Path, protocol: str) -> Iterator[str]:
    """HAProxy as long as it is needed; the PEM of the authority that signed its certificate."""
    debian_tools.ensure("haproxy")
    authority = signed("a load balancer's authority", covers=())
    certificate = signed("a load balancer", by=authority)
    pem, file = folder / "haproxy.pem", folder / "haproxy.cfg"
    pem.write_text(certificate.pem + certificate.key_pem)
    file.write_text(
        CONFIGURATION.format(port=PORT, certificate=pem, gateway=CONFIG["ohif:port"], **MODES[protocol]).replace(
            "    \n", ""
        )
    )
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        wait_until(lambda: listens("127.0.0.1", PORT), "load balancer", 10)
        yield authority.pem
    finally:
        process.terminate()
        process.wait()
