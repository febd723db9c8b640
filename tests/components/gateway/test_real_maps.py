"""Maps of the gateway's file whose result hangs on nginx's own spelling of addresses and headers, in nginx itself."""

import ipaddress
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from components.gateway import nginx_config
from components.gateway.model import GatewayConfig
from tests.components.gateway.gateway_file import EXAMPLE, HTTPS_EXAMPLE
from tests.components.gateway.real_nginx import engine, gateway

PORT = 8080
TIMEOUT = 20
FUZZED = 400
MAPS = ("$client_key", "$cookies_without_session", "$cookies_of_sign_in")

pytestmark = pytest.mark.engine


def map_of(text: str, variable: str) -> str:
    """The block of a map, as it is in the file; the same one wherever it is there twice."""
    (found,) = set(re.findall(rf"    map \S+ {re.escape(variable)} \{{\n(?:(?:        .*)?\n)*    \}}\n", text))
    return str(found)


def configuration(text: str) -> str:
    """A server that answers with what the maps make of a request; the client names its own address."""
    maps = "".join(map_of(text, variable) for variable in MAPS)
    return f"""
pid /tmp/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path /tmp/1; proxy_temp_path /tmp/2;
    fastcgi_temp_path /tmp/3; uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
    real_ip_header X-Address;
    set_real_ip_from 0.0.0.0/0;
{maps}
    server {{
        listen {PORT};
        location = /network {{ return 200 "$client_key"; }}
        location = /cookies {{ return 200 "$cookies_of_sign_in"; }}
    }}
}}
"""


class Asked:
    """One connection after another to that server."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, path: str, header: str, value: bytes) -> bytes:
        request = f"GET {path} HTTP/1.0\r\n{header}: ".encode() + value + b"\r\n\r\n"
        with closing(socket.create_connection((self.address, PORT), timeout=5)) as connection:
            connection.sendall(request)
            received = b""
            while part := connection.recv(1 << 16):
                received += part
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), (value, head)
        return body


@pytest.fixture(scope="module", params=[EXAMPLE, HTTPS_EXAMPLE], ids=["http", "https"])
def config(request: pytest.FixtureRequest) -> GatewayConfig:
    found = request.param
    assert isinstance(found, GatewayConfig)
    return found


@pytest.fixture(scope="module")
def asked(config: GatewayConfig) -> Iterator[Asked]:
    files = {"/etc/ohif/maps.conf": configuration(nginx_config.render(config))}
    command = ["nginx", "-c", "/etc/ohif/maps.conf", "-e", "/dev/stderr", "-g", "daemon off;"]
    with engine() as client, gateway(client, command, files) as container:
        container.reload()
        found = Asked(container.attrs["NetworkSettings"]["IPAddress"])
        until = time.monotonic() + TIMEOUT
        while True:
            try:
                found("/network", "X-Address", b"192.0.2.1")
                break
            except OSError:
                assert time.monotonic() < until, container.logs().decode()
                time.sleep(0.1)
        yield found


def addresses() -> list[ipaddress.IPv6Address]:
    """Every pattern of zero and other groups twice, and some that are written in their own way."""
    chance = random.Random(64)
    made = [
        ipaddress.IPv6Address(":".join(f"{chance.randrange(1, 1 << 16):x}" if bits >> i & 1 else "0" for i in range(8)))
        for bits in range(256)
        for _ in range(2)
    ]
    special = ("::", "::1", "::ffff:192.0.2.1", "::192.0.2.1", "2001:db8::", "fe80::1", "64:ff9b::192.0.2.1", "1::8")
    return [*made, *(ipaddress.IPv6Address(address) for address in special)]


def test_an_ipv6_client_is_its_64_bits(asked: Asked) -> None:
    for address in addresses():
        network = ipaddress.ip_network((address, 64), strict=False).network_address.exploded
        expected = ":".join(f"{int(group, 16):x}" for group in network.split(":")[:4])
        assert asked("/network", "X-Address", str(address).encode()).decode() == expected, address


def test_an_ipv4_client_is_its_address(asked: Asked) -> None:
    for address in ("192.0.2.1", "192.0.2.2", "10.0.0.1"):
        assert asked("/network", "X-Address", address.encode()) == address.encode()


def read_by_go(cookies: bytes) -> list[bytes]:
    """Names of cookies as Go's net/http reads them (`readCookies`): parts and names are trimmed of ASCII blanks."""
    parts = [part.strip(b" \t\r\n") for part in cookies.split(b";")]
    return [part.partition(b"=")[0].strip(b" \t\r\n") for part in parts if part]


def test_no_spelling_of_the_session_cookie_reaches_the_end_of_a_login(asked: Asked, config: GatewayConfig) -> None:
    name = config.session_cookie.encode()
    chance = random.Random(11)
    blanks = (b" ", b"\t", b"\x0b", b"\x0c", b"\xa0")
    pieces = (name, name, b"=a", b"=", b";", b"; ", *blanks, b'"', b"x=1", b",", b"__Host-", name + b"_1_csrf=c")
    for _ in range(FUZZED):
        sent = b"".join(chance.choices(pieces, k=chance.randrange(1, 10)))
        assert name not in read_by_go(asked("/cookies", "Cookie", sent)), sent


def test_a_login_keeps_its_own_cookies(asked: Asked, config: GatewayConfig) -> None:
    name = config.session_cookie.encode()
    csrf = name + b"_1a2b_csrf=c; " + name + b"_3c4d_csrf=d"
    assert asked("/cookies", "Cookie", csrf) == csrf
    for planted in (name + b"=a", name + b" =a", name + b"\t=a"):
        assert read_by_go(asked("/cookies", "Cookie", planted + b"; " + csrf)) == read_by_go(csrf)
