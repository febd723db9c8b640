"""The gateway's own start script and nginx, with a certificate that comes late and is another one later."""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from components.gateway import nginx_config
from components.gateway.model import GatewayConfig
from tests.certificates import Certificate, signed
from tests.components.gateway.gateway_file import EXAMPLE, HTTPS_EXAMPLE
from tests.components.gateway.real_nginx import WAIT, engine, gateway, put

ROOT = Path(__file__).resolve().parents[3]
HOST = HTTPS_EXAMPLE.host
SERVED = "/certificates/served/pacs.example.org.pem"
START = ["/bin/sh", "/etc/ohif/start.sh"]
AUTHORITY = signed("an authority")
FIRST, SECOND = (signed("gateway", by=AUTHORITY, covers=(HOST,)) for _ in range(2))
TIMEOUT = 20
"""Seconds for what the start script looks at every three."""

pytestmark = pytest.mark.engine


def files(config: GatewayConfig) -> dict[str, str]:
    return {
        "/etc/ohif/start.sh": (ROOT / "assets/gateway/start.sh").read_text(),
        "/etc/ohif/nginx.conf": nginx_config.render(config),
        "/etc/ohif/waiting.conf": nginx_config.render_waiting(config) if config.tls else "",
        **WAIT,
        "/etc/ohif/archive-credential.conf": "",
    }


class Server:
    """The gateway, as one that knows the authority sees it."""

    def __init__(self, container: Container) -> None:
        container.reload()
        self.container = container
        self.address = container.attrs["NetworkSettings"]["IPAddress"]

    def serve(self, certificate: Certificate) -> None:
        """Lay a certificate out, in one step as assets/public_name/certbot_loop.py does."""
        put(self.container, {f"{SERVED}.new": certificate.pem + certificate.key_pem})
        assert self.container.exec_run(["mv", f"{SERVED}.new", SERVED], user="0").exit_code == 0

    def clear(self, path: str, host: str = HOST) -> http.client.HTTPResponse:
        """The answer unencrypted."""
        connection = http.client.HTTPConnection(self.address, nginx_config.HTTP_PORT, timeout=5)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer

    def secure(
        self, name: str = HOST, most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED, protocol: str = "http/1.1"
    ) -> ssl.SSLSocket:
        """A connection, encrypted and with a certificate that is trusted for the name."""
        context = ssl.create_default_context(cadata=AUTHORITY.pem)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if most is not ssl.TLSVersion.MAXIMUM_SUPPORTED:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.maximum_version = most
        context.set_alpn_protocols([protocol])
        plain = socket.create_connection((self.address, nginx_config.HTTPS_PORT), timeout=5)
        return context.wrap_socket(plain, server_hostname=name)

    def healthy(self) -> int:
        """Serial of the certificate with which it answers; it answers that it is well."""
        with contextlib.closing(self.secure()) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"ok\n")
            actual = connection.getpeercert()
            assert actual is not None
            return int(str(actual["serialNumber"]), 16)

    def wait(self, certificate: Certificate) -> None:
        """Until it answers with this certificate."""
        until = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(OSError):
                if self.healthy() == serial(certificate):
                    return
            assert time.monotonic() < until, self.container.logs().decode()
            time.sleep(0.2)


def serial(certificate: Certificate) -> int:
    return certificate.certificate.serial_number


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    with engine() as found:
        yield found


@pytest.fixture(scope="module")
def waiting(client: docker.DockerClient) -> Iterator[Server]:
    """Without a certificate yet."""
    actual = {**files(HTTPS_EXAMPLE), "/certificates/webroot/.well-known/acme-challenge/token-1": "token-1.thumbprint"}
    with gateway(client, START, actual, environment={"CERTIFICATE": SERVED}) as container:
        server = Server(container)
        until = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(OSError):
                server.clear("/")
                break
            assert time.monotonic() < until, container.logs().decode()
            time.sleep(0.1)
        yield server


def test_without_a_certificate_it_answers_the_authority_and_asks_others_to_wait(waiting: Server) -> None:
    assert waiting.clear("/.well-known/acme-challenge/token-1").status == 200
    assert waiting.clear("/.well-known/acme-challenge/token-2").status == 404
    answer = waiting.clear("/ohif-viewer/")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    with pytest.raises(ConnectionRefusedError):
        waiting.healthy()
    assert waiting.container.exec_run(["wget", "-qO-", "http://127.0.0.1:8081/healthz"]).output == b"ok\n"


@pytest.fixture(scope="module")
def serving(waiting: Server) -> Server:
    """A moment after the certificate came."""
    waiting.serve(FIRST)
    waiting.wait(FIRST)
    # What nginx ran before may take connections, one or another, for a moment more.
    until, in_a_row = time.monotonic() + TIMEOUT, 0
    while in_a_row < 20:
        in_a_row = in_a_row + 1 if waiting.clear("/").status == 308 else 0
        assert time.monotonic() < until, waiting.container.logs().decode()
        time.sleep(0.02)
    return waiting


def test_certificate_that_comes_is_served_and_the_clear_only_leads_on(serving: Server) -> None:
    answer = serving.clear("/ohif-viewer/?x=1")
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{HOST}/ohif-viewer/?x=1")
    assert serving.clear("/.well-known/acme-challenge/token-1").status == 200
    assert serving.clear("/", host="other.example.org").status == 421


def test_http_2_and_modern_tls_only(serving: Server) -> None:
    with contextlib.closing(serving.secure(protocol="h2")) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"
    with contextlib.closing(serving.secure(most=ssl.TLSVersion.TLSv1_2)) as connection:
        assert connection.version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError), pytest.warns(DeprecationWarning):
        serving.secure(most=ssl.TLSVersion.TLSv1_1)


def test_foreign_name_gets_no_handshake(serving: Server) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        serving.secure(name="other.example.org")


def test_new_certificate_is_served_without_a_failed_request(serving: Server) -> None:
    """50 requests in a second, each on a connection of its own."""
    stop, seen, failed = threading.Event(), [], []

    def ask() -> None:
        while not stop.wait(0.1):
            try:
                seen.append(serving.healthy())
            except (OSError, AssertionError, http.client.HTTPException) as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        serving.serve(SECOND)
        serving.wait(SECOND)
        time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert set(seen) == {serial(FIRST), serial(SECOND)}
    assert seen[-1] == serial(SECOND)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "both families"])
def test_bridge_of_the_engine_is_known(client: docker.DockerClient, ipv6: bool) -> None:
    """A client that connects through the engine's userland proxy has the address of the bridge."""
    pools = [docker.types.IPAMPool(subnet="10.231.74.0/24", gateway="10.231.74.9")]
    if ipv6:
        pools.append(docker.types.IPAMPool(subnet="fd5c:9a4e:1b2d::/64", gateway="fd5c:9a4e:1b2d::9"))
    network = client.networks.create(
        "ohif-unit-bridge", enable_ipv6=ipv6, ipam=docker.types.IPAMConfig(pool_configs=pools)
    )
    config = replace(EXAMPLE, trust_bridge_address=False, admin_networks=[ipaddress.ip_network("10.0.0.0/8")])
    try:
        with gateway(client, START, files(config), network=network.name) as container:
            until = time.monotonic() + TIMEOUT
            while container.exec_run(["wget", "-qO-", "http://127.0.0.1:8081/healthz"]).exit_code:
                assert time.monotonic() < until, container.logs().decode()
                time.sleep(0.2)
            written = container.exec_run(["cat", "/tmp/networks.conf"]).output
            refused = container.exec_run(["cat", "/tmp/neighbours-but-the-bridge.conf"]).output
    finally:
        network.remove()
    assert isinstance(written, bytes)
    assert isinstance(refused, bytes)
    found = {
        (ipaddress.ip_network(network), kind)
        for network, kind in (line.removesuffix(";").split() for line in written.decode().splitlines())
    }
    expected = {("10.231.74.0/24", "edge"), ("10.231.74.9/32", "bridge"), ("fe80::/10", "internal")}
    if ipv6:
        expected |= {("fd5c:9a4e:1b2d::/64", "edge"), ("fd5c:9a4e:1b2d::9/128", "bridge")}
    assert found == {(ipaddress.ip_network(network), kind) for network, kind in expected}
    denied = [
        ipaddress.ip_network(line.removeprefix("deny ").removesuffix(";")) for line in refused.decode().splitlines()
    ]
    of_the_edge = {it for it in denied if isinstance(it, ipaddress.IPv4Network)}
    assert of_the_edge == set(
        ipaddress.IPv4Network("10.231.74.0/24").address_exclude(ipaddress.IPv4Network("10.231.74.9"))
    )


def test_a_stop_waits_a_second_for_requests_and_for_no_idle_connection(client: docker.DockerClient) -> None:
    with gateway(client, START, files(EXAMPLE), init=True) as container:
        server = Server(container)
        until = time.monotonic() + TIMEOUT
        while container.exec_run(["wget", "-qO-", "http://127.0.0.1:8081/healthz"]).exit_code:
            assert time.monotonic() < until, container.logs().decode()
            time.sleep(0.2)
        container.reload()
        server.address = container.attrs["NetworkSettings"]["IPAddress"]
        idle = http.client.HTTPConnection(server.address, nginx_config.HTTP_PORT, timeout=5)
        with contextlib.closing(idle):
            idle.request("GET", "/healthz", headers={"Host": EXAMPLE.authority})
            assert idle.getresponse().read() == b"ok\n"
            started = time.monotonic()
            container.stop(timeout=30)
            assert time.monotonic() - started < 3
        assert container.wait()["StatusCode"] == 0
