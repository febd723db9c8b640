"""Child processes of several threads: output goes to logs, each step prints a line, all are stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from bootstrap.console import UserError, last_lines, print_line

GRACE_SECONDS = 10.0


class StoppedError(Exception):
    """This step was stopped because another one failed or the user interrupted the run."""


class Work:
    """Runs the steps of one build, at most `slots` commands at a time, with logs in the directory `logs`."""

    def __init__(self, logs: Path, slots: int) -> None:
        self._logs = logs
        self._slots = threading.Semaphore(slots)
        self._stopping = False
        self._printing = threading.Lock()

    def stop(self) -> None:
        """Stop all running commands and start no further ones."""
        self._stopping = True

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Call `stop` on SIGINT and SIGTERM inside this context. For the main thread."""

        # An exception raised by a signal could interrupt the thread pool anywhere, also between two of its locks.
        def handle(number: int, frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def step(self, key: str, what: str) -> Iterator[None]:
        """Wait for a slot, then print what the step does and how many seconds it took."""
        with self._slots:
            if self._stopping:
                raise StoppedError
            self._print(f"  {key:<11} {what} …")
            started = time.monotonic()
            yield
            self._print(f"  {key:<11} {what}: {time.monotonic() - started:.0f} s")

    def _print(self, line: str) -> None:
        # print writes a line and its end separately.
        with self._printing:
            print_line(line)

    def run(
        self,
        key: str,
        command: Sequence[str | Path],
        *,
        fix: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run one command of a step and return its output.

        Raises UserError with the last lines of the output if it fails, StoppedError if `stop` ended it.
        """
        name = Path(command[0]).name
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"images-{key}.log"
        with log.open("wb") as output:
            try:
                # In a separate session, so that only `stop` interrupts it, with time to clean up.
                process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,
                )
            except FileNotFoundError as missing:
                raise UserError(f"image {key}: {missing.filename} not found", fix) from missing
            while True:
                try:
                    code = process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if self._stopping:
                        _end(process)
                        raise StoppedError from None
        if code:
            tail = "\n    ".join(last_lines(log, 5))
            raise UserError(f"image {key}: {name} failed (exit {code})\n    {tail}", f"{fix} Whole output: {log}")
        return log.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
