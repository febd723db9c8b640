"""A server that exists: what is asked of it, and what is said when it cannot do the work."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.containers.stack_context import StackContext
from components.machine.remote_shell import MachineError, Shell
from components.machine.server import QUESTIONS, check_server, listening
from tests.components.machine.machines import Clock, answer, telling
from tests.scripts import program

STACK = StackContext(project="ohif", stack="ward", images={}, protect_data=True)
GIB = 1024**3
SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0A00000A:01BB 0A000001:C001 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
"""

"""Listeners on 22, 8080 and (IPv6) 80; a connection to 443."""
HEADER = SOCKETS.splitlines()[0]


def server(
    *,
    version: str = "26.1.5",
    memory: float = 4,
    free: str = "50000000",
    containers: tuple[tuple[str, str], ...] = (),
    sockets: str = HEADER,
) -> Shell:
    """A server as it answers."""
    lines = [
        json.dumps({"ServerVersion": version, "MemTotal": int(memory * GIB)}),
        "",
        f"/dev/sda1 100000000 1 {free} 1% /",
        *(json.dumps({"Names": name, "Ports": ports}) for name, ports in containers),
        "listeners",
    ]
    return telling(lambda _: answer("\n".join(lines) + "\n" + sockets))


def check(shell: Shell, *ports: int) -> None:
    asyncio.run(check_server(shell, STACK, ports))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"version": "19.03.15"}, "Docker 19.03.15 is too old; 20.10 or newer"),
    ({"version": "1.13.1"}, "too old"),
    ({"memory": 2}, "has 2.0 GiB of memory; 3.0 GiB are needed"),
    ({"free": "1000000"}, "1.0 GiB of disk are free for the engine; 5.0 GiB are needed"),
    ({"sockets": SOCKETS}, "port 80 is taken by another program; stop it, or choose another port"),
    ({"containers": (("web", "0.0.0.0:80->8080/tcp, :::80->8080/tcp"),), "sockets": SOCKETS}, "taken by web"),
    ({"containers": (("web", "192.0.2.10:443->443/tcp"),)}, "port 443 is taken by web"),
    ({"containers": (("ohif-other-gateway", "0.0.0.0:443->8443/tcp"),)}, "taken by ohif-other-gateway"),
]


@pytest.mark.parametrize(("state", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_server_that_cannot_do_the_work(state: dict[str, Any], says: str) -> None:
    with pytest.raises(MachineError) as refusal:
        check(server(**state), 80, 443)
    assert str(refusal.value).startswith("deploy@pacs.example.org: ")
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"version": "20.10.24+dfsg1", "memory": 3.1},
        {"free": "unknown"},
        {"containers": (("web", "0.0.0.0:8080->80/tcp"), ("db", "5432/tcp"), ("idle", ""))},
        {"sockets": SOCKETS.replace(":0050", ":0051")},
        {"containers": (("ohif-ward-gateway", "0.0.0.0:80->8080/tcp"),), "sockets": SOCKETS, "free": "1000"},
    ],
    ids=["plain", "old", "disk unknown", "others", "other listeners", "with the stack on it"],
)
def test_server_that_can(state: dict[str, Any]) -> None:
    check(server(**state), 80, 443)


@pytest.mark.parametrize(
    ("code", "errors", "says"),
    [
        (127, "sh: 1: docker: not found", "(exit code 127: sh: 1: docker: not found)"),
        (
            1,
            "Client:\npermission denied while trying to connect to the Docker daemon",
            "(exit code 1: permission denied while",
        ),
        (1, "", "(exit code 1: no reason given)"),
    ],
)
def test_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, code: int, errors: str, says: str) -> None:
    Clock(monkeypatch)
    with pytest.raises(MachineError) as refusal:
        check(telling(lambda _: answer(code=code, errors=errors)), 80)
    assert says in str(refusal.value)
    assert "group docker" in str(refusal.value)


def test_listeners_of_both_families_are_seen_and_connections_are_none() -> None:
    assert listening(SOCKETS) == {22, 8080, 80}


DOCKER = """\
case "$*" in
  *DockerRootDir*) echo ROOT ;;
  info*) echo '{"ServerVersion":"26.1.5","MemTotal":8589934592}' ;;
  ps*) echo '{"Names":"web","Ports":"0.0.0.0:9->9/tcp"}' ;;
esac
"""


@pytest.mark.parametrize("root", ["/", "/nowhere/docker"], ids=["seen", "not for the user to see"])
@pytest.mark.parametrize("tcp6", ["/proc/net/tcp6", "/nowhere/tcp6"], ids=["both families", "no ipv6"])
def test_questions_are_understood_by_a_shell(tmp_path: Path, root: str, tcp6: str) -> None:
    program(tmp_path, "docker", DOCKER.replace("ROOT", root))
    questions = QUESTIONS.replace("/proc/net/tcp6", tcp6)
    asked = subprocess.run(
        ["sh", "-c", questions], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert asked.returncode == 0
    with pytest.raises(MachineError, match=r"port 9 is taken by web|of disk are free"):
        check(telling(lambda _: answer(asked.stdout)), 9)


def test_questions_fail_where_there_is_no_engine(tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    asked = subprocess.run(["sh", "-c", QUESTIONS], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True)
    assert asked.returncode != 0
