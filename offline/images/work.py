"""Child processes of several threads: their output in logs, a line per step, all of them ended together."""

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

from bootstrap.console import Problem, last_lines, say

GRACE_SECONDS = 10.0


class StoppedError(Exception):
    """This step ended because another one failed or a person interrupted the run."""


class Work:
    """Runs the steps of one build. At most `slots` commands at a time; logs are kept below `logs`."""

    def __init__(self, logs: Path, slots: int) -> None:
        self._logs = logs
        self._slots = threading.Semaphore(slots)
        self._stopping = False
        self._printing = threading.Lock()

    def stop(self) -> None:
        """End all running commands and let no other one start."""
        self._stopping = True

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Take an interrupt or a request to terminate as `stop` while this holds. For the main thread."""

        # An exception from a signal would hit the thread pool anywhere, also between two of its locks.
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
        """Wait for a slot, then print what is done and how many seconds it took."""
        with self._slots:
            if self._stopping:
                raise StoppedError
            self._say(f"  {key:<11} {what} …")
            started = time.monotonic()
            yield
            self._say(f"  {key:<11} {what}: {time.monotonic() - started:.0f} s")

    def _say(self, line: str) -> None:
        # print writes a line and its end apart.
        with self._printing:
            say(line)

    def run(
        self,
        key: str,
        command: Sequence[str | Path],
        *,
        mend: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run one command of a step and return what it printed.

        Raises Problem with the last lines of that when it fails, StoppedError when it was ended by `stop`.
        """
        name = Path(command[0]).name
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"images-{key}.log"
        with log.open("wb") as output:
            try:
                # A session of its own: an interrupt reaches it through `stop` alone, with time to clean up.
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
                raise Problem(f"image {key}: {missing.filename} not found", mend) from missing
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
            raise Problem(f"image {key}: {name} failed (exit {code})\n    {tail}", f"{mend} Whole output: {log}")
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
