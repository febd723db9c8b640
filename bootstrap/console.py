"""Terminal output: short lines, progress during long steps, and errors that name their fix."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HEARTBEAT_SECONDS = 15.0


class UserError(Exception):
    """A failure that the user can fix.

    `problem` names the step and what went wrong, `fix` what to do next.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}\n  {fix}")
        self.problem = problem
        self.fix = fix


def print_line(text: str) -> None:
    """Print one line immediately, also when the output is a pipe."""
    print(text, flush=True)


def print_error(error: UserError) -> None:
    """Print an error and its fix to standard error."""
    sys.stdout.flush()
    print(f"\nerror: {error.problem}\n  {error.fix}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Elapsed time as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def last_lines(log: Path, count: int = 1) -> list[str]:
    """The last non-empty lines of a log, each cut to a terminal's width."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return [line[:160] for line in lines[-count:]]


def run(
    step: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    fix: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a long command with its output in `log` and a line of progress every 15 seconds.

    Raises UserError with the last lines of the log when the command fails or does not exist.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env) if env is not None else None,
            )
        except FileNotFoundError as missing:
            raise UserError(f"{step}: {missing.filename} not found", fix) from missing
        try:
            while True:
                try:
                    code = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    latest = (last_lines(log) or ["…"])[0]
                    print_line(f"    {clock(time.monotonic() - started)}  {step}: {latest}")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        tail = "\n    ".join(last_lines(log, 4))
        raise UserError(
            f"{step}: {Path(command[0]).name} failed (exit {code})\n    {tail}", f"{fix} Whole output: {log}"
        )


@contextlib.contextmanager
def exclusive_lock(lock: Path, waiting_for: str) -> Iterator[None]:
    """Hold a lock that one process can have at a time.

    A second process prints what it waits for. The kernel releases the lock when the process ends.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_line(f"  waiting: {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
