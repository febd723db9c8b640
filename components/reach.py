"""Asks the machine that the engine runs on: by SSH with one host key pinned, or here.

The checks of an `up` that no provider makes in words that a person understands (docs/adr/0009). They run in an
update only: a preview contacts nothing. They change nothing.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi

Found = TypeVar("Found")

KEY_PATIENCE = 20.0
"""Seconds in which a machine that starts may still show another host key than the one it is being given."""
LOGIN_PATIENCE = 120.0
"""Seconds in which a machine that starts may not know its user yet."""


class MachineError(pulumi.RunError):
    """The engine's machine is not as it has to be: what is wrong, and what to do next."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command left behind."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Runs commands on one machine."""

    machine: str
    """For messages."""
    prefix: Sequence[str]
    """The command line before the script; empty: on this machine."""

    async def run(self, script: str, *, patience: float) -> Answer:
        """Run a script of sh; `patience` in seconds.

        Raises:
            MachineError: it takes longer, or the program that reaches the machine is missing.
        """
        line = [*self.prefix, shlex.join(["sh", "-c", script])] if self.prefix else ["sh", "-c", script]
        try:
            process = await asyncio.create_subprocess_exec(
                *line,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # A group of its own, to end with all that it started: whoever holds a pipe would be waited for.
                process_group=0,
            )
        except FileNotFoundError as error:
            raise MachineError(f"{line[0]} is not on this machine; install an OpenSSH client.") from error
        try:
            output, errors = await asyncio.wait_for(process.communicate(), patience)
        except TimeoutError as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise MachineError(
                f"{self.machine}: no answer within {patience:.0f} s; look at it, then run again."
            ) from error
        return Answer(code=process.returncode or 0, output=output.decode(), errors=errors.decode().strip())

    async def reached(self, *, patience: float) -> None:
        """Wait until a command can be run, for at most `patience` seconds.

        Raises:
            MachineError: it cannot. A wrong host key is not waited for.
        """
        started = time.monotonic()
        while True:
            answer = await self.run("true", patience=60)
            if not answer.code:
                return
            waited = time.monotonic() - started
            if "host key" in answer.errors.lower() and waited > min(KEY_PATIENCE, patience):
                raise MachineError(
                    f"{self.machine} shows another SSH host key than the one that is known, so it may not be that "
                    "machine. Nothing was changed. Find out why before you go on."
                )
            if waited > (min(LOGIN_PATIENCE, patience) if "permission denied" in answer.errors.lower() else patience):
                raise MachineError(
                    f"{self.machine} cannot be reached by SSH: {_last_line(answer.errors)}. "
                    "Check address, firewall (adminNetworks) and ssh:privateKeyFile, then run again."
                )
            await asyncio.sleep(2)


def after(
    made: pulumi.Output[Any], shell: pulumi.Output[Shell], question: Callable[[Shell], Awaitable[Found]]
) -> pulumi.Output[Found]:
    """What a question finds out, asked once something is made."""
    known: pulumi.Output[Shell] = made.apply(lambda _: shell)
    answer: pulumi.Output[Found] = known.apply(question)
    return answer


def ssh_shell(*, user: str, address: str, port: int, options: Sequence[str]) -> Shell:
    """A shell behind SSH."""
    return Shell(machine=f"{user}@{address}", prefix=["ssh", *options, "-p", str(port), f"{user}@{address}"])


def here() -> Shell:
    """A shell on this machine."""
    return Shell(machine="this machine", prefix=[])


def _last_line(text: str) -> str:
    return text.splitlines()[-1].strip().rstrip(".") if text else "no reason given"
