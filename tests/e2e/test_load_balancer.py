"""Behind a load balancer that ends TLS: HTTPS everywhere, the real client, and no word of anybody else."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from route import Handler
from settings import ArchiveKind
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, CONFIG, ROUTES, Stack, tool
from tests.e2e.load_balancer import ORIGIN, PORT, behind_load_balancer
from tests.e2e.logs import line_of
from tests.e2e.other_containers import neighbour, network_name
from tests.e2e.test_contract import IDENTITIES, newcomer, refusal
from tools.dicomweb import StackOutputs, sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the gateway does not ask which archive it is")

CLIENT, OTHER = "127.0.0.5", "127.0.0.6"
"""Addresses that clients come from."""


@pytest.fixture(scope="module", params=["xForwardedFor", "proxyProtocol"])
def protocol(
    request: pytest.FixtureRequest, stack: Stack, up_with: UpWith, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The stack behind the load balancer."""
    named = str(request.param)
    with behind_load_balancer(tmp_path_factory.mktemp("load-balancer"), named, up_with):
        yield named


def from_address(address: str) -> httpx.Client:
    """A client of the load balancer at one of this machine's addresses."""
    transport = httpx.HTTPTransport(local_address=address, verify=ssl.create_default_context())
    return httpx.Client(base_url=ORIGIN, transport=transport, timeout=30)


def test_a_user_signs_in_and_every_redirect_and_cookie_is_for_https(
    protocol: str, stack: Stack, outputs: StackOutputs
) -> None:
    with closing(sign_in(ORIGIN, "viewer", outputs.credentials["viewer"])) as session:
        assert session.cookies.get("__Host-ohif_session")
        assert session.get("/pacs/studies").status_code == 200
    with from_address(CLIENT) as client:
        client.headers.update({"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        answers = [client.get("/")]
        while answers[-1].is_redirect:
            where = answers[-1].headers["Location"]
            assert where.startswith((f"{ORIGIN}/", "/")), where
            answers.append(client.get(where))
    assert len(answers) > 2
    cookies = [it for answer in answers for it in answer.headers.get_list("Set-Cookie")]
    assert cookies
    assert [it for it in cookies if ";secure" not in it.lower().replace(" ", "")] == []
    assert all(it.headers["Strict-Transport-Security"] == "max-age=31536000" for it in answers)


@pytest.mark.parametrize("forged", ["", "192.0.2.66", "192.0.2.66, 127.0.0.1", "::1", "unknown", "127.0.0.1:80"])
def test_the_log_and_the_admin_networks_have_the_real_client(protocol: str, stack: Stack, forged: str) -> None:
    headers = {name: forged for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded") if forged}
    with from_address(CLIENT) as client:
        line, answer = line_of(stack, client, "GET", "/pacs/studies", headers=headers)
        assert (line["address"], answer.status_code) == (CLIENT, 401)
        assert client.get("/keycloak/admin/master/console/", headers=headers).status_code == 403
    with from_address("127.0.0.1") as client:
        assert client.get("/keycloak/admin/master/console/").status_code == 200


def test_a_flood_of_one_client_leaves_the_others_alone(protocol: str) -> None:
    path = "/keycloak/realms/ohif/protocol/openid-connect/auth"
    with from_address(CLIENT) as flooding, from_address(OTHER) as reading:
        # Two hundred at once, and five a second.
        assert any(flooding.get(path).status_code == 429 for _ in range(1000))
        assert reading.get(path).status_code != 429


def test_nobody_but_the_load_balancer_is_served(protocol: str, stack: Stack) -> None:
    """By the port of the gateway itself, from another container, whatever it says of itself."""
    gateway = stack.container("gateway").attrs["NetworkSettings"]["Networks"][network_name("edge")]["IPAddress"]
    lines = ("GET /pacs/studies HTTP/1.1", "Host: {host}", "X-Forwarded-For: 127.0.0.1", "Connection: close", "", "")
    request = "\\r\\n".join(lines)
    for prefix in ("", "PROXY TCP4 127.0.0.1 127.0.0.1 4711 443\\r\\n"):
        for host in (f"127.0.0.1:{PORT}", f"127.0.0.1:{CONFIG['ohif:port']}"):
            sent = prefix + request.format(host=host)
            script = f"exec 3<>/dev/tcp/{gateway}/8080; printf '{sent}' >&3; timeout 5 cat <&3 || true"
            said = neighbour(stack, network_name("edge"), script)
            assert not said or said.startswith(("HTTP/1.1 421", "HTTP/1.1 400")), said


def test_the_contract_holds(protocol: str, outputs: StackOutputs) -> None:
    """Every route of access.py for everybody, as far as it ends no session."""
    wrong = []
    for name in IDENTITIES:
        with closing(newcomer(ORIGIN, outputs, name)) as caller:
            for route in ROUTES:
                if route.handler in (Handler.LOGOUT, Handler.SIGN_OUT):
                    continue
                for method in ("GET", "POST", "DELETE"):
                    expected, status = refusal(route, method, name), caller.request(method, route.example).status_code
                    if status != expected and (expected is not None or status in (401, 403)):
                        wrong.append(f"{method} {route.example} answers {status} to {name}, not {expected}")
    assert wrong == []


def test_the_smoke_test_passes(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It trusts the authority of the configuration."""
    monkeypatch.delenv("SSL_CERT_FILE")
    done = tool("smoke")
    assert done.returncode == 0, done.stdout
