"""Machines that answer as a test tells them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from components.reach import Answer, Shell


@dataclass(frozen=True, kw_only=True)
class Told(Shell):
    """A shell whose answers are given."""

    answers: Callable[[str], Answer]

    async def run(self, script: str, *, patience: float) -> Answer:
        """What the test says."""
        assert patience > 0
        await asyncio.sleep(0)
        return self.answers(script)


def telling(answers: Callable[[str], Answer]) -> Shell:
    """A machine with these answers."""
    return Told(machine="deploy@pacs.example.org", prefix=["ssh"], answers=answers)


def answer(output: str = "", *, code: int = 0, errors: str = "") -> Answer:
    """An answer, of a command that worked unless told."""
    return Answer(code=code, output=output, errors=errors)
