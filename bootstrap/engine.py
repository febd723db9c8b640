"""The Docker engine: use what answers, start what is installed, install it on Debian and Ubuntu."""

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

from bootstrap.console import Problem, last_lines, run, say
from bootstrap.paths import LOGS, cache

DEFAULT_SOCKET = "/var/run/docker.sock"
START_SECONDS = 60
APT_LISTS = Path("/var/lib/apt/lists")
APT_LISTS_FRESH_SECONDS = 24 * 3600


class EngineState(Enum):
    """What a first look at the engine's address says."""

    ANSWERS = "answers"
    NOT_PERMITTED = "not permitted"
    SILENT = "silent"


@dataclass(frozen=True)
class EngineAddress:
    """An engine as the docker client names it: `unix:///path`, `tcp://…` or `ssh://…`."""

    url: str

    @classmethod
    def of_environment(cls) -> EngineAddress:
        """The user's DOCKER_HOST, else this machine's engine."""
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


def ask(path: str, socket_path: str = DEFAULT_SOCKET, timeout: float = 10.0) -> Any:
    """GET a JSON document from the engine's API. Raises OSError when the engine cannot be reached."""
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


def look(address: EngineAddress) -> EngineState:
    """One quick look: does the engine answer, and may we use it?"""
    if address.socket_path is None:
        client = shutil.which("docker")
        if client is None:
            return EngineState.SILENT
        answer = subprocess.run([client, "-H", address.url, "version"], capture_output=True, timeout=30, check=False)
        return EngineState.ANSWERS if answer.returncode == 0 else EngineState.SILENT
    try:
        ask("/version", address.socket_path)
    except PermissionError:
        return EngineState.NOT_PERMITTED
    except OSError:
        return EngineState.SILENT
    return EngineState.ANSWERS


def not_permitted(address: EngineAddress) -> Problem:
    """The user may not open the engine's socket: say the group that may."""
    group = "docker"
    with contextlib.suppress(OSError, KeyError):
        group = Path(address.socket_path or DEFAULT_SOCKET).group()
    return Problem(
        f"Docker engine: this user may not use {address.url}",
        f"Join its group: sudo usermod -aG {group if group != 'root' else 'docker'} $USER, sign in again, "
        "then run the command again.",
    )


def may_install() -> bool:
    """Whether Debian packages can be installed by us."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _lists_are_old() -> bool:
    stamps = [entry.stat().st_mtime for entry in APT_LISTS.glob("*_InRelease")]
    return not stamps or time.time() - max(stamps) > APT_LISTS_FRESH_SECONDS


def apt_install(step: str, *packages: str) -> None:
    """Install Debian packages as root, with fresh lists. Raises Problem with apt's last words."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    mend = "Mend what apt says (apt-get update; apt-get -f install), then run the command again."
    wait = "-oDPkg::Lock::Timeout=300"
    if _lists_are_old():
        run(step, ["apt-get", wait, "update"], log=LOGS / "apt-update.log", mend=mend, env=env)
    install = ["apt-get", wait, "install", "-y", "--no-install-recommends", *packages]
    run(step, install, log=LOGS / "apt-install.log", mend=mend, env=env)


def _wait(address: EngineAddress, log: Path | None, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = look(address)
        if state is EngineState.ANSWERS:
            return
        if state is EngineState.NOT_PERMITTED:
            raise not_permitted(address)
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.3)
    words = "\n    ".join(last_lines(log, 3)) if log and log.exists() else "see: systemctl status docker"
    raise Problem(
        f"Docker engine: started but does not answer at {address.url}\n    {words}",
        f"Read its log ({log or 'journalctl -u docker'}), mend the cause, then run the command again.",
    )


def start(address: EngineAddress) -> None:
    """Start an installed engine: by systemd where it is in charge, else so that it outlives us."""
    if os.geteuid() != 0:
        raise Problem(
            "Docker engine: installed but not started, and only root may start it",
            "Run: sudo systemctl start docker (or sudo service docker start), then run the command again.",
        )
    if Path("/run/systemd/system").is_dir():
        say("  Docker engine: starting (systemctl)")
        run(
            "Docker engine",
            ["systemctl", "start", "docker"],
            log=LOGS / "engine-start.log",
            mend="Read: journalctl -u docker",
        )
        _wait(address, None, None)
        return
    say("  Docker engine: starting (no systemd here: dockerd in the background)")
    log = cache() / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # A stop by force leaves its pid file; dockerd does not start when anything alive has that number now.
    pid_file = Path("/var/run/docker.pid")
    if pid_file.exists() and not _is_dockerd(pid_file.read_text().strip()):
        pid_file.unlink()
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["dockerd", "--host", f"unix://{DEFAULT_SOCKET}"],
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
    """Make the engine answer, or say in two lines why it does not and what to do."""
    address = address or EngineAddress.of_environment()
    state = look(address)
    if state is EngineState.ANSWERS:
        return
    if state is EngineState.NOT_PERMITTED:
        raise not_permitted(address)
    if address.socket_path != DEFAULT_SOCKET:
        raise Problem(
            f"Docker engine: {address.url} (DOCKER_HOST) does not answer",
            "Start that engine, or unset DOCKER_HOST to use this machine's.",
        )
    if shutil.which("dockerd") is None:
        if not may_install():
            raise Problem(
                "Docker engine: not installed",
                "Debian, Ubuntu: sudo apt-get install docker.io iptables, and add your user to group docker; "
                "elsewhere see https://docs.docker.com/engine/install/. Then run the command again.",
            )
        say("  Docker engine: installing docker.io and iptables (about a minute)")
        apt_install("Docker engine", "docker.io", "iptables")
    elif shutil.which("iptables") is None and may_install():
        apt_install("Docker engine", "iptables")
    # The package's own start script may have started it already.
    if look(address) is not EngineState.ANSWERS:
        start(address)
