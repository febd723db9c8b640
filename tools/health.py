"""The health checks of a stack's services, run now: an update is finished only when all of them pass."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import docker.errors
from docker.models.containers import Container

from bootstrap.console import UserError

TIMEOUT = 90.0
"""Seconds. A database that was killed may have to recover first."""
PAUSE = 0.5
NOT_SERVING = ("-certificate", "-dns-updater", "-logs", "-backup", "-backup-mails")
"""Services that no request goes to; their checks fail for reasons that the program reports itself."""


def wait_until_healthy(containers: Iterable[Container], timeout: float = TIMEOUT) -> None:
    """Run each container's own health check until it passes.

    Docker's last result may be older than what has just happened: when a database was restarted, the services behind
    it still count as healthy, and their next requests fail on connections that are gone (docs/adr/0016). Raises
    UserError with the check's last output.
    """
    deadline = time.monotonic() + timeout
    checked = [it for it in containers if not str(it.name).endswith(NOT_SERVING) and _command(it)]
    if checked:
        with ThreadPoolExecutor(max_workers=len(checked)) as pool:
            list(pool.map(lambda it: _wait(it, deadline), checked))


def _command(container: Container) -> list[str]:
    test = (container.attrs["Config"].get("Healthcheck") or {}).get("Test") or []
    return list(test[1:]) if test[:1] == ["CMD"] else []


def _wait(container: Container, deadline: float) -> None:
    while True:
        try:
            # What a check leaves out at other times, as it is run so often.
            done = container.exec_run(_command(container), environment={"THOROUGH": "1"})
            code, output = done[0], done[1] if isinstance(done[1], bytes) else b""
        except docker.errors.APIError as error:
            # It restarts just now, or is gone.
            code, output = 1, str(error).encode()
        if code == 0:
            return
        if time.monotonic() > deadline:
            lines = output.decode(errors="replace").strip().splitlines()
            raise UserError(
                f"{container.name} does not pass its health check: {lines[-1] if lines else f'exit code {code}'}",
                f"docker logs {container.name} shows why; then run the command again.",
            )
        time.sleep(PAUSE)
