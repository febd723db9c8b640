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


def forward(address: str, options: Sequence[str], pause: Callable[[float], None] = time.sleep) -> str:
    """Forward a socket to the engine at `ssh://user@host[:port]` while this process runs.

    Returns the address of the socket. Raises ConnectionError with SSH's message if that fails.
    """
    target = address.removeprefix("ssh://")
    user_host, _, port = target.rpartition(":") if ":" in target else (target, "", "")
    local = Path(tempfile.mkdtemp(prefix="ohif-docker-")) / "engine.sock"
    command = ["ssh", *options, "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"]
    command += [*(["-p", port] if port else []), "-L", f"{local}:{REMOTE_SOCKET}", "--", user_host]
    # `cat` exits when this process ends for any reason, and SSH exits with it.
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    ssh = subprocess.Popen([*command, "cat"], stdin=pipe, stdout=null, stderr=pipe)
    deadline = time.monotonic() + TIMEOUT
    while not local.exists():
        if ssh.poll() is not None or time.monotonic() > deadline:
            ssh.kill()
            message = ssh.communicate()[1].decode(errors="replace").strip()
            raise ConnectionError(f"no Docker engine at ssh://{target}: {message or f'no answer in {TIMEOUT} s'}")
        pause(0.1)
    return f"unix://{local}"
