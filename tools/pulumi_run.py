"""Running the Pulumi CLI for one stack: quiet questions, and long updates with calm progress."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.console import UserError, clock, print_line
from bootstrap.paths import ROOT

QUIET_SECONDS = 10.0
WORTH_A_LINE_SECONDS = 2.0
WORDS = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "replaced",
    "import": "imported",
}
# Pulumi says the first for each stand-in plugin at every command. The second is what `make up` is healing.
NOISE = re.compile(r"using pulumi-(resource|language)-\S+ from \$PATH|resources with \d+ pending operations")

KNOWN_FAILURES: Sequence[tuple[str, str, str]] = (
    (
        r"incorrect passphrase",
        "the passphrase does not fit this stack's secrets",
        "Set PULUMI_CONFIG_PASSPHRASE to the one it was made with, or unset it to use .state/passphrase. "
        "Nothing was changed.",
    ),
    (
        r"passphrase must be set",
        "no passphrase is set",
        "Run `make env`, then `. .state/env`; or set PULUMI_CONFIG_PASSPHRASE.",
    ),
    (
        r"stack is currently locked",
        "another update of this stack is under way, or one was killed",
        "Wait for it; if there is none: pulumi cancel, then run the command again.",
    ),
    (
        r"(?i)(no such image|pull access denied|manifest unknown|unable to (read|find|pull).*image"
        r"|error pulling image|failed to resolve reference)",
        "an image is not on this machine and cannot be pulled",
        "Check the network and the name in images.py (or ohif:images); "
        "OFFLINE=1 make up builds the machine's own images.",
    ),
    (
        r"(?i)(port is already allocated|address already in use)",
        "a port is in use",
        "Stop what listens there, or set another one: pulumi config set ohif:port 8080 -s dev.",
    ),
    (
        r"(?i)keycloak.*(\b409\b|already exists)",
        "Keycloak has an object that this state does not know",
        "An update that was cut off left it. Take it into the state (pulumi import), delete it in Keycloak's console, "
        "or begin anew: make destroy, make up.",
    ),
    (
        r"(?i)cannot be deleted without|protected",
        "some data is protected",
        "pulumi state unprotect <urn> allows to delete it; that cannot be undone.",
    ),
)


def explain(output: str) -> tuple[str, str] | None:
    """What a known failure of Pulumi means, and its mend."""
    for pattern, what, mend in KNOWN_FAILURES:
        if re.search(pattern, output):
            return what, mend
    return None


@dataclass
class Changes:
    """What an operation did, by count; filled from the engine's events."""

    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether anything but the reading of unchanged resources happened."""
        return any(count for word, count in self.counts.items() if word not in ("same", "read"))

    @property
    def words(self) -> str:
        """`31 created, 2 replaced`."""
        merged: dict[str, int] = {}
        for operation, count in self.counts.items():
            word = WORDS.get(operation)
            if word and count:
                merged[word] = max(merged.get(word, 0), count)
        return ", ".join(f"{count} {word}" for word, count in merged.items())


class Progress:
    """Turns the engine's events into few lines: what took its time, and what is still being waited for."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._running: dict[str, float] = {}
        self._started = self._last_line = time.monotonic()

    def take(self, event: Mapping[str, Any]) -> None:
        """Handle one event."""
        now = time.monotonic()
        if step := event.get("resourcePreEvent"):
            if self._is_work(step["metadata"]):
                self._running[step["metadata"]["urn"]] = now
        elif step := event.get("resOutputsEvent"):
            meta = step["metadata"]
            started = self._running.pop(meta["urn"], None)
            if started is not None and (now - started >= WORTH_A_LINE_SECONDS):
                self._line(f"    {WORDS[meta['op']]:8} {title(meta['urn'])}  {now - started:.0f} s")
        elif step := event.get("resOpFailedEvent"):
            self._running.pop(step["metadata"]["urn"], None)
        elif message := event.get("diagnosticEvent"):
            text = message["message"].strip()
            if message["severity"] == "error" and text:
                self._changes.errors.append(f"{title(message['urn'])}: {text}" if message.get("urn") else text)
            elif message["severity"] == "warning" and not NOISE.search(text):
                self._line(f"    warning: {text}")
        elif summary := event.get("summaryEvent"):
            self._changes.counts.update(summary.get("resourceChanges") or {})

    def tick(self) -> None:
        """Say what is being waited for when nothing was said for a while."""
        now = time.monotonic()
        patience = QUIET_SECONDS if now - self._started < 6 * QUIET_SECONDS else 3 * QUIET_SECONDS
        if self._running and now - self._last_line >= patience:
            waiting = sorted(self._running, key=self._running.__getitem__)
            more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
            names = ", ".join(title(urn) for urn in waiting[:3])
            self._line(f"    {clock(now - self._running[waiting[0]])}  waiting for {names}{more}")

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print_line(text)

    @staticmethod
    def _is_work(meta: Mapping[str, Any]) -> bool:
        # Components have no provider: they last as long as their children, which speak for themselves.
        return meta["op"] in WORDS and bool(meta.get("provider"))


def title(urn: str) -> str:
    """A resource's name, as the program calls it."""
    return urn.rpartition("::")[2]


class Pulumi:
    """The CLI, bound to a stack and its configuration file."""

    def __init__(self, stack: str, config_file: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self.stack = stack
        self.config_file = config_file
        self.environment = dict(environment)

    def _command(self, *arguments: str, config: bool) -> list[str]:
        extra = [f"--config-file={self.config_file}"] if config and self.config_file else []
        return ["pulumi", *arguments, "--stack", self.stack, "--non-interactive", "--color=never", *extra]

    def ask(self, *arguments: str, config: bool = False) -> str:
        """Run a short command and return what it prints. Raises UserError with Pulumi's words."""
        answer = subprocess.run(
            self._command(*arguments, config=config),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise self.problem(arguments[0], answer.stderr + answer.stdout)
        return answer.stdout

    def show(self, *arguments: str) -> int:
        """Run a command with its own output on the terminal; returns its exit code."""
        return subprocess.run(
            self._command(*arguments, config=True), cwd=ROOT, env=self.environment, check=False
        ).returncode

    def update(self, operation: str, *arguments: str) -> Changes:
        """Run up, refresh or destroy with progress. Raises UserError when it fails."""
        changes = Changes()
        progress = Progress(changes)
        with tempfile.TemporaryDirectory(prefix="pulumi-") as scratch:
            events = Path(scratch) / "events"
            events.touch()
            output = Path(scratch) / "output"
            command = self._command(
                operation, "--yes", "--skip-preview", f"--event-log={events}", *arguments, config=True
            )
            with output.open("wb") as sink:
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=self.environment | {"PULUMI_DEBUG_COMMANDS": "true"},
                )
                with events.open() as lines:
                    code = _follow(process, lines, progress)
            if code:
                raise self.problem(operation, "\n".join(changes.errors) or output.read_text(errors="replace"))
        return changes

    @staticmethod
    def problem(operation: str, output: str) -> UserError:
        """A failure of Pulumi in the words that help most: known ones explained, all with Pulumi's own."""
        lines = [line.strip() for line in output.splitlines() if line.strip() and not NOISE.search(line)]
        # The first lines say which resource, the last ones of a container's log why it stopped.
        shown = lines if len(lines) <= 12 else [*lines[:3], "…", *lines[-8:]]
        quoted = "\n    ".join(line[:300] for line in shown)
        known = explain(output)
        if known:
            return UserError(f"pulumi {operation}: {known[0]}\n    {quoted}", known[1])
        return UserError(
            f"pulumi {operation} failed\n    {quoted}",
            "Mend the cause and run the command again: it goes on from there.",
        )


def _follow(process: subprocess.Popen[bytes], lines: Iterator[str], progress: Progress) -> int:
    """Feed events to `progress` until the process ends. Pulumi ends in order at the first Ctrl-C."""
    half = ""
    interrupted = False
    while True:
        try:
            ended = process.poll() is not None
            for line in lines:
                half += line
                if half.endswith("\n"):
                    progress.take(json.loads(half))
                    half = ""
            if ended:
                break
            progress.tick()
            time.sleep(0.1)
        except KeyboardInterrupt:
            if interrupted:
                process.send_signal(signal.SIGINT)
            interrupted = True
            print_line("\n  stopping: what has begun is brought to its end (Ctrl-C again to stop at once)")
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode
