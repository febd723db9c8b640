"""Runs commands on the Docker host: by SSH with a pinned host key, or on this machine.

Used for checks during `pulumi up` for which no provider gives a readable error (docs/adr/0009). They run in updates
only, because a preview contacts nothing, and change nothing.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pulumi

Found = TypeVar("Found")

KEY_TIMEOUT = 20.0
"""Seconds in which a machine that starts may still show another host key than the one it is being given."""
LOGIN_TIMEOUT = 120.0
"""Seconds in which a machine that starts may not know its user yet."""
PAUSE = 2.0
"""Seconds between two attempts."""
REASON_TIMEOUT = 10.0
"""Seconds for which a command that fails without a reason is run again."""

MARKER = "ohif-exit-code"
WITH_MARKER = f'sh -c "$1"; printf \'\\n{MARKER} %d\\n\' "$?"'
"""Runs the script and prints its exit code as the last line. ssh's own exit code cannot tell a lost connection from a
command that failed: both may be 255, and a connection that is closed in good order ends with 0 or 1."""
COMPLETE = re.compile(rf"(.*)\n{MARKER} (\d+)\n", re.DOTALL)


class MachineError(pulumi.RunError):
    """The engine's machine is not as it has to be: what is wrong, and what to do next."""


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The line that most likely names the reason of a failure; empty if there was none."""
        return _last_line(self.errors) or _last_line(self.output)

    @property
    def failure(self) -> str:
        """Exit code and last line, for messages."""
        return f"exit code {self.code}: {self.last_line or 'no reason given'}"


@dataclass(frozen=True, kw_only=True)
class Lost:
    """An attempt whose connection ended before the answer was complete."""

    code: int | None
    """ssh's exit code, negative for a signal; `None`: it did not end in time."""
    errors: str

    @property
    def failure(self) -> str:
        """Last line and exit code, for messages."""
        ended = "no exit code" if self.code is None else f"exit code {self.code}"
        return f"{_last_line(self.errors) or 'no reason given'} ({ended})"

    def limit(self, timeout: float) -> float:
        """Seconds after which nothing will change any more."""
        if "host key" in self.errors.lower():
            return min(KEY_TIMEOUT, timeout)
        return min(LOGIN_TIMEOUT, timeout) if "permission denied" in self.errors.lower() else timeout


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Runs commands on one machine.

    An answer counts only when it is complete. If the connection is refused or breaks, the script is run again within
    its time, so scripts must be fit to run twice.
    """

    machine: str
    """For messages."""
    prefix: Sequence[str]
    """The command line before the script; empty: on this machine."""

    async def run(self, script: str, *, timeout: float) -> CommandResult:
        """Run a script of sh and wait for its answer, for at most `timeout` seconds.

        Raises:
            MachineError: it takes longer, the machine cannot be reached, or the SSH client is missing.
        """
        return await self._complete(script, timeout=timeout, attempt=timeout)

    async def wait_until_reachable(self, *, timeout: float) -> None:
        """Wait until a command can be run, for at most `timeout` seconds.

        Raises:
            MachineError: it cannot. A wrong host key is not waited for.
        """
        await self._complete("true", timeout=timeout, attempt=60)

    async def settled(self, script: str, *, timeout: float, repeat: Callable[[CommandResult], float]) -> CommandResult:
        """Run a script until its answer is final.

        `repeat` returns for how many seconds since the first such answer the script is run again; 0: it is final.
        """
        started = time.monotonic()
        first: dict[float, float] = {}
        while True:
            answer = await self.run(script, timeout=max(1.0, started + timeout - time.monotonic()))
            now = time.monotonic()
            wanted = repeat(answer)
            since = first.setdefault(wanted, now)
            if now - since >= wanted or now - started + PAUSE >= timeout:
                return answer
            await asyncio.sleep(PAUSE)

    async def _complete(self, script: str, *, timeout: float, attempt: float) -> CommandResult:
        started = time.monotonic()
        before = ""
        while True:
            left = started + timeout - time.monotonic()
            tried = await self._attempt(script, min(left, attempt))
            if isinstance(tried, CommandResult):
                return tried
            waited = time.monotonic() - started
            if tried.code is None and waited + PAUSE >= timeout:
                raise MachineError(
                    f"{self.machine}: no answer within {timeout:.0f} s{before}; look at it, then run again."
                )
            if waited + PAUSE >= tried.limit(timeout):
                raise MachineError(self._unreachable(tried))
            before = f" (SSH failed in between: {tried.failure})"
            await asyncio.sleep(PAUSE)

    async def _attempt(self, script: str, seconds: float) -> CommandResult | Lost:
        with_marker = ["sh", "-c", WITH_MARKER, "sh", script]
        line = [*self.prefix, shlex.join(with_marker)] if self.prefix else ["sh", "-c", script]
        try:
            process = await asyncio.create_subprocess_exec(
                *line,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # A process group of its own, to end all that it started: a process that holds a pipe is waited for.
                process_group=0,
            )
        except FileNotFoundError as error:
            raise MachineError(f"{line[0]} is not on this machine; install an OpenSSH client.") from error
        try:
            output, errors = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            return Lost(code=None, errors=f"no answer within {seconds:.0f} s")
        shown, said = output.decode(errors="replace"), errors.decode(errors="replace").strip()
        code = process.returncode or 0
        if not self.prefix:
            # Nothing that could break lies between.
            return CommandResult(code=code, output=shown, errors=said)
        if found := COMPLETE.fullmatch(shown):
            return CommandResult(code=int(found[2]), output=found[1], errors=said)
        return Lost(code=code, errors=said)

    def _unreachable(self, lost: Lost) -> str:
        if "host key" in lost.errors.lower():
            return (
                f"{self.machine} shows another SSH host key than the one that is known, so it may not be that "
                "machine. Nothing was changed. Find out why before you go on."
            )
        return (
            f"{self.machine} cannot be reached by SSH: {lost.failure}. "
            "Check address, firewall (adminNetworks) and ssh:privateKeyFile, then run again."
        )


def unless_explained(answer: CommandResult) -> float:
    """For `Shell.settled`: a failure without a reason may be of a moment, one with a reason is final."""
    return REASON_TIMEOUT if answer.code and not answer.last_line else 0


def run_when_ready(
    made: pulumi.Output[Any], shell: pulumi.Output[Shell], question: Callable[[Shell], Awaitable[Found]]
) -> pulumi.Output[Found]:
    """Run a check once a resource is ready; its result."""
    known: pulumi.Output[Shell] = made.apply(lambda _: shell)
    answer: pulumi.Output[Found] = known.apply(question)
    return answer


def ssh_shell(*, user: str, address: str, port: int, options: Sequence[str]) -> Shell:
    """A shell behind SSH."""
    return Shell(machine=f"{user}@{address}", prefix=["ssh", *options, "-p", str(port), f"{user}@{address}"])


def local_shell() -> Shell:
    """A shell on this machine."""
    return Shell(machine="this machine", prefix=[])


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else ""
