"""Clients that hold connections, headers, bodies and answers do not stop others, and end no process of the gateway."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from docker.models.containers import Container

from tests.components.gateway.real_nginx import image, put
from tests.e2e.harness import Stack
from tests.e2e.other_containers import NOBODY, network_name
from tests.e2e.raw_http import connect
from tools import sample
from tools.dicomweb import StackOutputs, sign_in

FLOODS = Path(__file__).with_name("floods.py")
COUNT, SECONDS = 8000, 15


@contextmanager
def flood(stack: Stack, kind: str, *arguments: str) -> Iterator[Container]:
    """A container on the gateway's network that floods it."""
    gateway = stack.container("gateway")
    address = gateway.attrs["NetworkSettings"]["Networks"][network_name("edge")]["IPAddress"]
    authority = stack.url.removeprefix("http://")
    container = stack.engine.containers.create(
        image("certbot"),
        entrypoint=["python3", "/floods.py"],
        command=[kind, address, "8080", authority, str(COUNT), str(SECONDS), *arguments],
        network=network_name("edge"),
        user=NOBODY,
        cap_drop=["ALL"],
        mem_limit="512m",
    )
    try:
        put(container, {"/floods.py": FLOODS.read_text()})
        container.start()
        yield container
    finally:
        container.remove(force=True)


@dataclass
class Reader:
    """Somebody at work: a request after the other until it is stopped."""

    session: httpx.Client
    path: str
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.05):
                started = time.monotonic()
                try:
                    answer = self.session.get(self.path)
                    if answer.status_code != 200:
                        self.failed.append(str(answer.status_code))
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                self.seconds.append(time.monotonic() - started)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def workers(stack: Stack) -> set[str]:
    """Process ids of nginx and its workers."""
    rows = stack.container("gateway").top(ps_args="-eo pid,args")["Processes"]
    return {pid for pid, command in rows if "nginx: worker" in command or "nginx: master" in command}


def killed(stack: Stack) -> int:
    """How many processes of the gateway's container the kernel has killed for lack of memory."""
    script = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null"
    said = stack.container("gateway").exec_run(["sh", "-c", script]).output
    assert isinstance(said, bytes)
    return sum(int(line.split()[1]) for line in said.decode().splitlines() if line.startswith("oom_kill "))


@pytest.fixture
def reader(stack: Stack, outputs: StackOutputs) -> Iterator[Reader]:
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        yield Reader(session, f"/pacs/studies?StudyInstanceUID={sample.study_uid()}")


def cookie_of(session: httpx.Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies.jar if cookie.path == "/")


@pytest.mark.parametrize("kind", ["headers", "lines", "readers", "bodies"])
def test_a_flood_from_one_address_stops_nobody_else(
    stack: Stack, outputs: StackOutputs, reader: Reader, kind: str
) -> None:
    """Half-sent headers of two kinds by anybody; answers that a reader does not take, bodies that never end."""
    before, oom = workers(stack), killed(stack)
    with closing(sign_in(stack.url, "reporter", outputs.credentials["reporter"])) as attacker:
        path = "/pacs/studies" if kind == "bodies" else f"/pacs/studies/{sample.study_uid()}"
        cookie = cookie_of(attacker) if kind in ("readers", "bodies") else ""
        with reader.at_work(), flood(stack, kind, cookie, path) as container:
            assert container.wait(timeout=SECONDS + 45)["StatusCode"] == 0, container.logs().decode()
            opened, held = map(int, container.logs().split())
    seconds = sorted(reader.seconds)
    print(
        f"\n{kind}: {opened} opened, {held} held at the end; {len(seconds)} requests of another client, "
        f"{len(reader.failed)} failed, median {1000 * seconds[len(seconds) // 2]:.0f} ms, longest {seconds[-1]:.2f} s"
    )
    assert opened > held, "one address held all that it opened"
    assert reader.failed == []
    assert workers(stack) == before
    assert killed(stack) == oom
    assert not stack.container("gateway").attrs["State"]["OOMKilled"]


def test_a_cookie_header_of_15_kb_is_refused(stack: Stack) -> None:
    """What oauth2-proxy is asked, and what of its answers is kept, has a bound."""
    with closing(connect(stack.url, 10)) as connection:
        authority = stack.url.removeprefix("http://")
        connection.sendall(
            f"GET /pacs/studies HTTP/1.1\r\nHost: {authority}\r\nCookie: a={'b' * 15_000}\r\n\r\n".encode()
        )
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_other_cookies_make_no_further_answers_to_keep(stack: Stack, reader: Reader) -> None:
    """The cache is in the container's memory: one entry for a session and a role, whatever else is sent."""

    def kept() -> int:
        said = stack.container("gateway").exec_run(["sh", "-c", "find /tmp/auth_cache -type f | wc -l"]).output
        assert isinstance(said, bytes)
        return int(said)

    assert reader.session.get(reader.path).status_code == 200
    before = kept()
    for number in range(60):
        headers = {"Cookie": f"{cookie_of(reader.session)}; junk={number}{'x' * 4000}"}
        with httpx.Client(base_url=stack.url) as client:
            assert client.get(reader.path, headers=headers).status_code == 200
    assert kept() <= before + 2
