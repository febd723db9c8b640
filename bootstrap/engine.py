"""The Docker engine: use a running one, start an installed one, or install it on Debian and Ubuntu."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bootstrap.console import UserError, exclusive_lock, last_lines, print_line, run
from bootstrap.paths import LOGS, cache

DEFAULT_SOCKET = "/var/run/docker.sock"
ADDRESS_POOL = "base=172.16.0.0/12,size=24"
"""Room for 4096 networks of 254 addresses, in place of the engine's own 31 larger ones: a stack has eight, and tests
run several stacks at once (dockerd reference, "--default-address-pool")."""
START_SECONDS = 60
APT_LISTS = Path("/var/lib/apt/lists")
APT_LISTS_FRESH_SECONDS = 24 * 3600


class EngineState(Enum):
    """The result of one request to the engine."""

    REACHABLE = "reachable"
    NOT_PERMITTED = "not permitted"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class EngineAddress:
    """Address of an engine as the Docker client takes it: `unix:///path`, `tcp://…` or `ssh://…`."""

    url: str

    @classmethod
    def of_environment(cls) -> EngineAddress:
        """DOCKER_HOST if it is set, otherwise the engine of this machine."""
        return cls(os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}")

    @property
    def socket_path(self) -> str | None:
        """Path of the Unix socket; None for an engine on another machine."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get_json(path: str, socket_path: str = DEFAULT_SOCKET, timeout: float = 10.0) -> Any:
    """GET a JSON document from the engine's API. Raises OSError if the engine is unreachable."""
    connection = _UnixConnection(socket_path, timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"{path}: HTTP {answer.status}")
        return json.loads(body)
    except http.client.HTTPException as error:
        raise OSError(f"{path}: {error!r}") from error
    finally:
        connection.close()


def probe(address: EngineAddress) -> EngineState:
    """Send one request to the engine: whether it answers, and whether this user may use it."""
    if address.socket_path is None:
        client = shutil.which("docker")
        if client is None:
            return EngineState.UNREACHABLE
        answer = subprocess.run([client, "-H", address.url, "version"], capture_output=True, timeout=30, check=False)
        return EngineState.REACHABLE if answer.returncode == 0 else EngineState.UNREACHABLE
    try:
        get_json("/version", address.socket_path)
    except PermissionError:
        return EngineState.NOT_PERMITTED
    except OSError:
        return EngineState.UNREACHABLE
    return EngineState.REACHABLE


def not_permitted(address: EngineAddress) -> UserError:
    """The error for a user without access to the engine's socket; it names the group that has access."""
    group = "docker"
    with contextlib.suppress(OSError, KeyError):
        group = Path(address.socket_path or DEFAULT_SOCKET).group()
    return UserError(
        f"Docker engine: this user may not use {address.url}",
        f"Join its group: sudo usermod -aG {group if group != 'root' else 'docker'} $USER, sign in again, "
        "then run the command again.",
    )


def may_install() -> bool:
    """Whether this process can install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _lists_are_old() -> bool:
    stamps = [entry.stat().st_mtime for entry in APT_LISTS.glob("*_InRelease")]
    return not stamps or time.time() - max(stamps) > APT_LISTS_FRESH_SECONDS


def apt_install(step: str, *packages: str) -> None:
    """Install Debian packages as root, with fresh package lists. Raises UserError with the last lines of apt."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    fix = "Fix what apt reports (apt-get update; apt-get -f install), then run the command again."
    wait = "-oDPkg::Lock::Timeout=300"
    # apt waits for others that install, not for those that fetch the lists.
    with exclusive_lock(cache() / "apt.lock", "another step installs packages"):
        if _lists_are_old():
            run(step, ["apt-get", wait, "update"], log=LOGS / "apt-update.log", fix=fix, env=env)
        install = ["apt-get", wait, "install", "-y", "--no-install-recommends", *packages]
        run(step, install, log=LOGS / "apt-install.log", fix=fix, env=env)


def _wait(address: EngineAddress, log: Path | None, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = probe(address)
        if state is EngineState.REACHABLE:
            return
        if state is EngineState.NOT_PERMITTED:
            raise not_permitted(address)
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.3)
    output = "\n    ".join(last_lines(log, 3)) if log and log.exists() else "see: systemctl status docker"
    raise UserError(
        f"Docker engine: started but does not answer at {address.url}\n    {output}",
        f"Read its log ({log or 'journalctl -u docker'}), fix the cause, then run the command again.",
    )


def start(address: EngineAddress) -> None:
    """Start an installed engine: with systemd if it runs, otherwise in the background, independent of this process."""
    if os.geteuid() != 0:
        raise UserError(
            "Docker engine: installed but not started, and only root may start it",
            "Run: sudo systemctl start docker (or sudo service docker start), then run the command again.",
        )
    if Path("/run/systemd/system").is_dir():
        print_line("  Docker engine: starting (systemctl)")
        run(
            "Docker engine",
            ["systemctl", "start", "docker"],
            log=LOGS / "engine-start.log",
            fix="Read: journalctl -u docker",
        )
        _wait(address, None, None)
        return
    print_line("  Docker engine: starting (no systemd here: dockerd in the background)")
    log = cache() / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # A killed dockerd leaves its pid file, and the next one does not start if another process has that pid now.
    pid_file = Path("/var/run/docker.pid")
    if pid_file.exists() and not _is_dockerd(pid_file.read_text().strip()):
        pid_file.unlink()
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["dockerd", "--host", f"unix://{DEFAULT_SOCKET}", "--default-address-pool", ADDRESS_POOL],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    _wait(address, log, process)


def _is_dockerd(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"
    except OSError:
        return False


def ensure(address: EngineAddress | None = None) -> None:
    """Ensure that the engine answers. Raises UserError with the reason and what to do."""
    address = address or EngineAddress.of_environment()
    state = probe(address)
    if state is EngineState.REACHABLE:
        return
    if state is EngineState.NOT_PERMITTED:
        raise not_permitted(address)
    if address.socket_path != DEFAULT_SOCKET:
        raise UserError(
            f"Docker engine: {address.url} (DOCKER_HOST) does not answer",
            "Start that engine, or unset DOCKER_HOST to use the engine of this machine.",
        )
    if shutil.which("dockerd") is None:
        if not may_install():
            raise UserError(
                "Docker engine: not installed",
                "Debian, Ubuntu: sudo apt-get install docker.io iptables, and add your user to group docker; "
                "elsewhere see https://docs.docker.com/engine/install/. Then run the command again.",
            )
        print_line("  Docker engine: installing docker.io and iptables (about a minute)")
        apt_install("Docker engine", "docker.io", "iptables")
    elif shutil.which("iptables") is None and may_install():
        apt_install("Docker engine", "iptables")
    # The package may have started it already.
    if probe(address) is not EngineState.REACHABLE:
        start(address)
