"""Machines that answer as a test configures them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from components.machine import remote_shell
from components.machine.remote_shell import CommandResult, Shell


@dataclass(frozen=True, kw_only=True)
class Scripted(Shell):
    """A shell whose answers are given."""

    answers: Callable[[str], CommandResult]

    async def _complete(self, script: str, *, timeout: float, attempt: float) -> CommandResult:
        assert timeout >= attempt > 0 or script == "true"
        await asyncio.sleep(0)
        return self.answers(script)


class Clock:
    """Time that passes only while a coroutine sleeps."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            self.now += seconds
            await real(0)

        patch.setattr(remote_shell, "time", SimpleNamespace(monotonic=lambda: self.now))
        patch.setattr(asyncio, "sleep", sleep)


def telling(answers: Callable[[str], CommandResult]) -> Shell:
    """A machine with these answers."""
    return Scripted(machine="deploy@pacs.example.org", prefix=["ssh"], answers=answers)


def answer(output: str = "", *, code: int = 0, errors: str = "") -> CommandResult:
    """The result of a command, by default of one that succeeded."""
    return CommandResult(code=code, output=output, errors=errors)
