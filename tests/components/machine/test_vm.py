"""A VM that starts: what is waited for, and what is said when it does not get so far."""

import asyncio
import json

import pytest

from components.machine.remote_shell import CommandResult, MachineError
from components.machine.vm_setup import wait_for
from tests.components.machine.machines import Clock, answer, telling

DONE = json.dumps({"status": "done", "errors": []})
FAILED = json.dumps({"status": "error", "errors": ["('scripts_user', RuntimeError('Runparts: 1 failures'))", "no apt"]})


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def wait(status: CommandResult | list[CommandResult], engine: CommandResult | list[CommandResult]) -> list[str]:
    """Wait for a VM that answers so, of a list one after the other; what it was asked."""
    asked: list[str] = []

    def next_of(given: CommandResult | list[CommandResult]) -> CommandResult:
        if isinstance(given, CommandResult):
            return given
        return given.pop(0) if len(given) > 1 else given[0]

    def answers(script: str) -> CommandResult:
        asked.append(script)
        return next_of(status) if script.startswith("cloud-init") else next_of(engine) if script != "true" else answer()

    asyncio.run(wait_for(telling(answers)))
    return asked


@pytest.mark.parametrize("code", [0, 2], ids=["done", "done, with something to say"])
def test_vm_that_is_ready(code: int) -> None:
    asked = wait(answer(DONE, code=code), answer("26.1.5"))
    assert [script.split()[0] for script in asked] == ["true", "cloud-init", "docker"]
    assert "--wait" in asked[1]


def report(status: str, **more: object) -> str:
    return json.dumps({"status": status, "errors": [], "detail": "Systemd generator may not have run yet.", **more})


TRACEBACK = "Traceback (most recent call last):\nFileNotFoundError: '/run/cloud-init/status.json'"
MOMENTS: dict[str, CommandResult] = {
    "nothing": answer(code=1),
    "usage": answer(code=2, errors="usage: cloud-init"),
    "traceback": answer(code=1, errors=TRACEBACK),
    "half a report": answer('{"status": "ru', code=0),
    "not run": answer(report("not run"), code=0),
    "not started": answer(report("not started"), code=0),
    "disabled": answer(report("disabled"), code=0),
    "running": answer(report("running"), code=0),
    "running, with something to say": answer(report("running"), code=2),
    "error without a reason": answer(report("error"), code=1),
    "error while the next stages run": answer(FAILED, code=1),
    "killed": answer(code=137),
}
"""What cloud-init answers while a machine boots (cmd/status.py of its versions 22.4 to 25.1)."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_vm_is_asked_at_each_moment_of_its_boot(moment: str) -> None:
    asked = wait([MOMENTS[moment], MOMENTS[moment], answer(DONE)], answer("26.1.5"))
    assert len(asked) == 5


def test_vm_is_asked_from_the_first_moment_to_the_last() -> None:
    asked = wait([*MOMENTS.values(), answer(DONE)], answer("26.1.5"))
    assert len(asked) == len(MOMENTS) + 3


def test_engine_that_starts_is_waited_for() -> None:
    starting = answer(code=1, errors="Cannot connect to the Docker daemon")
    assert len(wait(answer(DONE), [starting, starting, answer("26.1.5")])) == 5


@pytest.mark.parametrize(
    ("status", "engine", "within", "says"),
    [
        (
            answer(FAILED, code=1),
            answer(),
            10,
            "cloud-init failed: ('scripts_user', RuntimeError('Runparts: 1 failures')); no apt (exit code 1). See",
        ),
        (
            answer(report("error"), code=1),
            answer(),
            120,
            "cloud-init failed: no reason given (exit code 1, status: error, Systemd generator may not have run yet.). "
            "See /var/log/cloud-init",
        ),
        (answer("status: error", code=1), answer(), 120, "cloud-init failed: exit code 1: status: error. See"),
        (answer("", code=127, errors="not found"), answer(), 120, "cloud-init failed: exit code 127: not found. See"),
        (answer("", code=1), answer(), 120, "cloud-init failed: exit code 1: no reason given. See"),
        (
            answer(report("disabled"), code=0),
            answer(),
            120,
            "cloud-init failed: no reason given (exit code 0, status: disabled,",
        ),
        (
            answer(DONE),
            answer(code=1, errors="Cannot connect to the Docker daemon"),
            60,
            "the Docker engine does not answer (exit code 1: Cannot connect to the Docker daemon). See `journalctl -u",
        ),
    ],
    ids=["errors", "no error", "no JSON", "no cloud-init", "nothing", "disabled", "no engine"],
)
def test_vm_that_is_not(clock: Clock, status: CommandResult, engine: CommandResult, within: float, says: str) -> None:
    with pytest.raises(MachineError) as refusal:
        wait(status, engine)
    assert says in str(refusal.value)
    assert "run again" in str(refusal.value)
    assert clock.now == within
