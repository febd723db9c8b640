"""Waiting for Keycloak at the public origin: what counts as an answer, what is waited for, and what is reported."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.public_name import origin
from components.public_name.origin import CONFIGURATION, OriginError, wait_until_it_answers
from tests.certificates import Certificate, signed
from tests.servers import Reply, Request, serving
from tools.restore_drill import free_port


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "INTERVAL", 0.05)
    monkeypatch.setattr(origin, "REFUSED_TIMEOUT", 0.3)
    # A hospital's proxy does not lead to this machine.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def keycloak(issuer: str) -> Reply:
    return Reply(body=json.dumps({"issuer": f"{issuer}/keycloak/realms/master"}))


def itself(request: Request) -> Reply:
    return keycloak(f"http://{request.headers['Host']}")


def wait(address: str, ca_certificate: str | None = None, timeout: float = 5) -> float:
    """Seconds until the address answered."""
    started = time.monotonic()
    asyncio.run(wait_until_it_answers(address, ca_certificate, timeout=timeout))
    return time.monotonic() - started


@contextlib.contextmanager
def later(seconds: float, answer: Callable[[Request], Reply], port: int) -> Iterator[None]:
    """A server that begins to listen after a while, as a gateway that has just got its certificate."""
    end = threading.Event()

    def serve() -> None:
        time.sleep(seconds)
        with serving(answer, port=port):
            end.wait(30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def listener(folder: Path, certificate: Certificate) -> ssl.SSLContext:
    """What serves a certificate."""
    file = folder / "server.pem"
    file.write_text(certificate.pem + certificate.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_an_answer_of_keycloak_is_enough() -> None:
    with serving(itself) as (address, asked):
        assert wait(address) < 2
        assert [request.path for request in asked] == [CONFIGURATION]


def test_a_port_that_does_not_listen_yet_is_waited_for() -> None:
    """As right after a replaced gateway: the official Keycloak provider would fail."""
    port = free_port()
    with later(0.5, itself, port):
        assert 0.4 < wait(f"http://127.0.0.1:{port}") < 5


@pytest.mark.parametrize(
    "first",
    [
        Reply(status=502),
        Reply(status=503),
        Reply(status=301, headers={"Location": "https://elsewhere.invalid/"}),
        Reply(status=404),
        Reply(body="<html>Starting</html>"),
        Reply(body="[]"),
        Reply(raw=b"not HTTP"),
        keycloak("http://127.0.0.1"),
    ],
    ids=["no upstream", "busy", "another origin", "another server", "a page", "no object", "rubbish", "the old origin"],
)
def test_what_is_not_the_answer_yet_is_waited_for(first: Reply) -> None:
    replies = [first, first]
    with serving(lambda request: replies.pop() if replies else itself(request)) as (address, asked):
        wait(address)
        assert len(asked) == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=502), r"status 502. See the logs of the containers gateway and keycloak\."),
        (Reply(status=403), "status 403. Name this machine's network in adminNetworks"),
        (
            keycloak("https://old.example.org"),
            "Keycloak there calls itself https://old.example.org/keycloak/realms/master. Check",
        ),
    ],
    ids=["no upstream", "refused", "another Keycloak"],
)
def test_what_never_answers_is_reported_with_the_address_and_what_to_do(reply: Reply, reason: str) -> None:
    with (
        serving(lambda _: reply) as (address, _),
        pytest.raises(OriginError, match=f"{address}{CONFIGURATION} does not answer .* after [01] s: {reason}"),
    ):
        wait(address, timeout=0.5)


def test_a_closed_port_is_reported() -> None:
    with pytest.raises(OriginError, match=r"Connection refused. Check the name's address, firewalls .* run again"):
        wait(f"http://127.0.0.1:{free_port()}", timeout=0.2)


def test_a_refusal_is_not_waited_for_to_the_end() -> None:
    started = time.monotonic()
    with serving(lambda _: Reply(status=403)) as (address, _), pytest.raises(OriginError, match="status 403"):
        wait(address, timeout=120)
    assert time.monotonic() - started < 60


def test_a_certificate_of_a_private_authority_is_trusted_if_it_is_given(tmp_path: Path) -> None:
    authority = signed("Hospital CA", covers=())

    def answer(request: Request) -> Reply:
        return keycloak(f"https://{request.headers['Host']}")

    with serving(answer, tls=listener(tmp_path, signed("pacs", by=authority))) as (address, _):
        assert wait(address, authority.pem) < 2
        for trusted in (None, signed("Another CA", covers=()).pem):
            with pytest.raises(OriginError, match=r"its certificate is not trusted: .*tlsCa, or caCertificate of acme"):
                wait(address, trusted, timeout=0.2)


def test_a_certificate_for_another_name_is_not_an_answer(tmp_path: Path) -> None:
    authority = signed("Hospital CA", covers=())
    other = signed("pacs", by=authority, covers=("pacs.example.org",))
    with (
        serving(lambda _: Reply(), tls=listener(tmp_path, other)) as (address, _),
        pytest.raises(OriginError, match=r"its certificate is not trusted: .*127\.0\.0\.1"),
    ):
        wait(address, authority.pem, timeout=0.2)
