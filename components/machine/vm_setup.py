"""Waits until a new or restarted VM is set up: SSH, cloud-init, Docker engine."""

import json
from typing import Any

from components.machine.remote_shell import REASON_TIMEOUT, CommandResult, MachineError, Shell

BOOT_TIMEOUT = 600
"""Seconds until a new VM must take an SSH connection."""
SETUP_TIMEOUT = 900
"""Seconds for cloud-init: security updates and Docker."""
ENGINE_TIMEOUT = 60
"""Seconds for an engine that was just started."""
UNCLEAR_TIMEOUT = 120
"""Seconds in which cloud-init has to give a report that is either good or has a reason."""


async def wait_for(shell: Shell) -> None:
    """Wait until cloud-init has done its work and the engine answers.

    Raises:
        MachineError: one of them failed.
    """
    await shell.wait_until_reachable(timeout=BOOT_TIMEOUT)
    setup = await shell.settled(
        "cloud-init status --wait --format json", timeout=SETUP_TIMEOUT, repeat=_cloud_init_works
    )
    if not _is_done(setup):
        raise MachineError(
            f"{shell.machine}: cloud-init failed: {_reasons(setup)}. See /var/log/cloud-init-output.log there; "
            "after fixing it, run again."
        )
    # After a reboot cloud-init is done before the engine is.
    engine = await shell.settled(
        "docker version --format '{{.Server.Version}}'",
        timeout=2 * ENGINE_TIMEOUT,
        repeat=lambda answer: ENGINE_TIMEOUT if answer.code else 0,
    )
    if engine.code:
        raise MachineError(
            f"{shell.machine}: the Docker engine does not answer ({engine.failure}). See `journalctl -u docker` there; "
            "after fixing it, run again."
        )


def _status(answer: CommandResult) -> dict[str, Any]:
    """The report of cloud-init; empty if it gave none."""
    try:
        report = json.loads(answer.output)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _is_done(answer: CommandResult) -> bool:
    # The exit code is 2 when it worked but has to say something (cloud-init, "Return codes"), and also when its
    # argument parser refuses a call.
    return answer.code in (0, 2) and _status(answer).get("status") == "done"


def _cloud_init_works(answer: CommandResult) -> float:
    """Seconds for which such an answer may still change.

    In its first moments cloud-init knows neither what it does nor that it is enabled, its report is a file that it
    replaces, and `status` ends with a traceback when it reads in between. Before 23.4 an error in one stage ended
    `--wait` while the next stages went on.
    """
    if _is_done(answer):
        return 0
    return REASON_TIMEOUT if _status(answer).get("errors") else UNCLEAR_TIMEOUT


def _reasons(answer: CommandResult) -> str:
    status = _status(answer)
    if errors := status.get("errors"):
        return f"{'; '.join(errors)} (exit code {answer.code})"
    if status:
        return f"no reason given (exit code {answer.code}, status: {status.get('status')}, {status.get('detail')})"
    return answer.failure
