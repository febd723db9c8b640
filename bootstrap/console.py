"""What a person sees: short lines, progress in long steps, and problems that name their mend."""

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


class Problem(Exception):  # noqa: N818 - what a person reads, not a defect of the program
    """A failure that a person can mend.

    `what` names the step and what went wrong, `mend` what to do next.
    """

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}\n  {mend}")
        self.what = what
        self.mend = mend


def say(text: str) -> None:
    """Print one line at once, also when the output is a pipe."""
    print(text, flush=True)


def report(problem: Problem) -> None:
    """Print a problem and its mend to standard error."""
    sys.stdout.flush()
    print(f"\nerror: {problem.what}\n  {problem.mend}", file=sys.stderr, flush=True)


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
    mend: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a long command with its output in `log` and a line of progress every quarter of a minute.

    Raises Problem with the log's last lines when the command fails or does not exist.
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
            raise Problem(f"{step}: {missing.filename} not found", mend) from missing
        try:
            while True:
                try:
                    code = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    latest = (last_lines(log) or ["…"])[0]
                    say(f"    {clock(time.monotonic() - started)}  {latest}")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        tail = "\n    ".join(last_lines(log, 4))
        raise Problem(
            f"{step}: {Path(command[0]).name} failed (exit {code})\n    {tail}", f"{mend} Whole output: {log}"
        )


@contextlib.contextmanager
def only_one(lock: Path, waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock; a second process waits and says for what. The kernel frees it when we die."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  waiting: {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
