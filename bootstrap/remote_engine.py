"""A Docker engine behind SSH, as a socket of this machine: for clients that speak to sockets only."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REMOTE_SOCKET = "/var/run/docker.sock"
PATIENCE = 60
"""Seconds."""


def forward(address: str, options: Sequence[str], pause: Callable[[float], None] = time.sleep) -> str:
    """Forward a socket to the engine at `ssh://user@host[:port]`, for as long as this process lives.

    Returns the socket's address. Raises ConnectionError with what SSH says when it cannot.
    """
    target = address.removeprefix("ssh://")
    user_host, _, port = target.rpartition(":") if ":" in target else (target, "", "")
    local = Path(tempfile.mkdtemp(prefix="ohif-docker-")) / "engine.sock"
    command = ["ssh", *options, "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"]
    command += [*(["-p", port] if port else []), "-L", f"{local}:{REMOTE_SOCKET}", "--", user_host]
    # `cat` ends when this process does, in whatever way, and SSH with it.
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    ssh = subprocess.Popen([*command, "cat"], stdin=pipe, stdout=null, stderr=pipe)
    deadline = time.monotonic() + PATIENCE
    while not local.exists():
        if ssh.poll() is not None or time.monotonic() > deadline:
            ssh.kill()
            said = ssh.communicate()[1].decode(errors="replace").strip()
            raise ConnectionError(f"no Docker engine at ssh://{target}: {said or f'no answer in {PATIENCE} s'}")
        pause(0.1)
    return f"unix://{local}"
