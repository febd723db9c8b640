"""Containers next to the gateway, on its own networks: whatever the admin networks are, they are in none of them."""

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import docker
import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from components.gateway import nginx_config
from tests.components.gateway.gateway_file import DIMSE, EXAMPLE
from tests.components.gateway.real_nginx import engine, gateway
from tests.components.gateway.test_gateway_file import PAGES
from tests.components.gateway.test_real_https import START, files

CONSOLE = "/keycloak/admin/master/console/"
EVERYWHERE = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
TIMEOUT = 20
FORGED = ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1")
CLOSED = "closed"

pytestmark = pytest.mark.engine


@dataclass(frozen=True, kw_only=True)
class Place:
    """A gateway and its networks."""

    client: docker.DockerClient
    container: Container
    edge: Network
    archive: Network

    def address(self, network: Network) -> str:
        """The gateway's on that network."""
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"])

    def asked_from(self, network: Network, *headers: str, path: str = CONSOLE) -> str:
        """The status that a container on that network gets, or that the connection was closed without one."""
        options = " ".join(f"--header '{header}'" for header in (f"Host: {EXAMPLE.authority}", *headers))
        script = f"wget -qO- {options} http://{self.address(network)}:{nginx_config.HTTP_PORT}{path} 2>&1"
        with gateway(self.client, ["/bin/sh", "-c", script], {}, network=network.name) as neighbour:
            neighbour.wait(timeout=30)
            said = neighbour.logs().decode()
        if "HTTP/1.1 " in said:
            return said.partition("HTTP/1.1 ")[2].split()[0]
        return CLOSED if "error getting response" in said else said


def status(address: str, path: str) -> str:
    """What this machine gets, whose address is the bridge's."""
    with closing(socket.create_connection((address, nginx_config.HTTP_PORT), timeout=10)) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {EXAMPLE.authority}\r\n\r\n".encode())
        return connection.recv(4096).decode("latin-1").split(" ")[1]


@pytest.fixture(scope="module", params=[True, False], ids=["trusts the bridge", "trusts no bridge"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    config = replace(
        EXAMPLE,
        trust_bridge_address=request.param,
        admin_networks=EVERYWHERE,
        dimse=replace(DIMSE, networks=EVERYWHERE, trust_bridge_address=request.param),
    )
    with engine() as client, ExitStack() as made:
        edge, archive = (
            client.networks.create(f"ohif-unit-{name}", internal=name != "edge") for name in ("edge", "archive")
        )
        made.callback(edge.remove)
        made.callback(archive.remove)
        pages = {f"/etc/ohif/www/pages/{page.name}": page.read_text() for page in PAGES.iterdir()}
        container = made.enter_context(gateway(client, START, files(config) | pages, network=edge.name))
        archive.connect(container)
        found = Place(client=client, container=container, edge=edge, archive=archive)
        until = time.monotonic() + TIMEOUT
        # The network came after the start, or not: the start script looks every three seconds.
        while found.asked_from(archive) != CLOSED:
            assert time.monotonic() < until, container.logs().decode()
            time.sleep(0.5)
        yield found


def test_the_archive_asks_the_gateway_nothing(place: Place) -> None:
    for header in FORGED:
        assert place.asked_from(place.archive, header) == CLOSED
    assert place.asked_from(place.archive, path="/healthz") == CLOSED


def test_a_container_on_the_edge_is_in_no_admin_network(place: Place) -> None:
    assert place.asked_from(place.edge, path="/oauth2/start") == "503"
    for header in FORGED:
        assert place.asked_from(place.edge, header) == "403"


def test_this_machine_is_in_one_where_the_bridge_is_trusted(place: Place, request: pytest.FixtureRequest) -> None:
    trusted = "trusts the bridge" in request.node.name
    # There is no Keycloak behind this gateway.
    assert status(place.address(place.edge), CONSOLE) == ("503" if trusted else "403")


def test_a_network_that_comes_later_is_known_within_seconds(place: Place) -> None:
    later = place.client.networks.create("ohif-unit-later")
    try:
        later.connect(place.container)
        until = time.monotonic() + TIMEOUT
        while place.asked_from(later) != CLOSED:
            assert time.monotonic() < until
            time.sleep(0.5)
        later.disconnect(place.container)
    finally:
        later.remove()


def test_no_container_sends_by_dicom(place: Place, request: pytest.FixtureRequest) -> None:
    """What is let in waits for an archive that is not there; what is refused is closed at once, and logged as 403."""
    script = f"echo | busybox nc -w 2 {place.address(place.edge)} {nginx_config.DICOM_PORT}"
    with gateway(place.client, ["/bin/sh", "-c", script], {}, network=place.edge.name) as other:
        other.wait(timeout=30)
    with closing(
        socket.create_connection((place.address(place.edge), nginx_config.DICOM_PORT), timeout=10)
    ) as connection:
        connection.recv(1)
    time.sleep(1)
    said = [line for line in place.container.logs(stderr=False).decode().splitlines() if '"protocol":"dicom"' in line]
    assert len(said) >= 2
    assert '"status":403' in said[0]
    assert ('"status":403' in said[-1]) is ("trusts no bridge" in request.node.name)
