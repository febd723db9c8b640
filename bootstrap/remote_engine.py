"""Forwarding of a remote Docker engine over SSH to a local socket, for clients that only support sockets."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REMOTE_SOCKET = "/var/run/docker.sock"
TIMEOUT = 60
"""Seconds."""


RETRY_SECONDS = 20
"""Seconds in which a connection that is refused or lost is opened again: an SSH server that restarts."""
FINAL = ("host key", "permission denied")
"""Errors of SSH that a second attempt does not change."""


def forward(address: str, options: Sequence[str], pause: Callable[[float], None] = time.sleep) -> str:
    """Forward a socket to the engine at `ssh://user@host[:port]` while this process runs.

    Returns the socket's address. Raises ConnectionError with SSH's exit code and last line when it cannot.
    """
    target = address.removeprefix("ssh://")
    user_host, _, port = target.rpartition(":") if ":" in target else (target, "", "")
    local = Path(tempfile.mkdtemp(prefix="ohif-docker-")) / "engine.sock"
    command = ["ssh", *options, "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"]
    command += [*(["-p", port] if port else []), "-L", f"{local}:{REMOTE_SOCKET}", "--", user_host]
    started = time.monotonic()
    while failure := _opened([*command, "cat"], local, started + TIMEOUT, pause):
        final = any(word in failure.lower() for word in FINAL)
        if final or time.monotonic() - started + 1 > RETRY_SECONDS:
            raise ConnectionError(f"no Docker engine at ssh://{target}: {failure}")
        local.unlink(missing_ok=True)
        pause(1)
    return f"unix://{local}"


def _opened(command: Sequence[str], local: Path, deadline: float, pause: Callable[[float], None]) -> str:
    """Start SSH and wait for its socket; returns why there is none, or nothing."""
    # `cat` ends when this process does, in whatever way, and SSH with it.
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    ssh = subprocess.Popen(command, stdin=pipe, stdout=null, stderr=pipe)
    # A connection that is lost right away leaves its socket behind, on which nothing answers.
    while not local.exists() or ssh.poll() is not None:
        if ssh.poll() is not None or time.monotonic() > deadline:
            ended = ssh.poll()
            ssh.kill()
            lines = ssh.communicate()[1].decode(errors="replace").strip().splitlines()
            late = f"no answer in {TIMEOUT} s"
            return f"{lines[-1] if lines else late if ended is None else 'no reason given'} (exit code {ended})"
        pause(0.1)
    return ""
