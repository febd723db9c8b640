"""Runs the Pulumi CLI for one stack: short commands, and long updates with progress."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bootstrap.console import UserError, print_line
from bootstrap.paths import ROOT, STATE
from tools.pulumi_errors import error_of
from tools.pulumi_progress import Changes, Progress


class Pulumi:
    """The Pulumi CLI for one stack and its configuration file.

    It is not driven through `pulumi.automation`, which ends Pulumi at the first Ctrl-C (docs/adr/0020).
    """

    def __init__(self, stack: str, config_file: Path | None, environment: Mapping[str, str] = os.environ) -> None:
        self.stack = stack
        self.config_file = config_file
        self.environment = dict(environment)

    def _command(self, *arguments: str, config: bool) -> list[str]:
        extra = [f"--config-file={self.config_file}"] if config and self.config_file else []
        return ["pulumi", *arguments, "--stack", self.stack, "--non-interactive", "--color=never", *extra]

    def output_of(self, *arguments: str, config: bool = False) -> str:
        """Run a short command and return its output. Raises UserError with Pulumi's message."""
        result = subprocess.run(
            self._command(*arguments, config=config),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise error_of(arguments[0], result.stderr + result.stdout)
        return result.stdout

    def run_attached(self, *arguments: str) -> int:
        """Run a command with its output on the terminal. Returns its exit code."""
        return subprocess.run(
            self._command(*arguments, config=True), cwd=ROOT, env=self.environment, check=False
        ).returncode

    def update(self, operation: str, *arguments: str) -> Changes:
        """Run up, refresh or destroy with progress. Raises UserError if it fails."""
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
                raise error_of(operation, "\n".join(changes.errors) or output.read_text(errors="replace"))
        return changes


def _follow(process: subprocess.Popen[bytes], lines: Iterator[str], progress: Progress) -> int:
    """Pass events to `progress` until the process ends.

    The terminal sends Ctrl-C to Pulumi too, which then finishes the running operations. A second one cancels them.
    """
    partial = ""
    interrupted = False
    while True:
        try:
            ended = process.poll() is not None
            for line in lines:
                partial += line
                if partial.endswith("\n"):
                    progress.take(json.loads(partial))
                    partial = ""
            if ended:
                break
            progress.tick()
            time.sleep(0.1)
        except KeyboardInterrupt:
            if interrupted:
                process.send_signal(signal.SIGINT)
            interrupted = True
            print_line("\n  stopping after the running operations (Ctrl-C again to stop immediately)")
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def changed_config(pulumi: Pulumi, name: str, change: Callable[[dict[str, Any]], None]) -> Pulumi:
    """The same stack with a changed copy of its configuration, which is named after the change.

    `change` gets the part `config` of the file, with the project's name before each key.
    """
    source = pulumi.config_file or ROOT / f"Pulumi.{pulumi.stack}.yaml"
    document = yaml.safe_load(source.read_text()) or {}
    change(document.setdefault("config", {}))
    file = STATE / "config" / f"Pulumi.{pulumi.stack}-{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document))
    return Pulumi(pulumi.stack, file, pulumi.environment)


def copy_config(config_file: Path | None) -> Path | None:
    """A copy of the given configuration file: Pulumi writes a salt into the file that it uses."""
    if config_file is None:
        return None
    if not config_file.exists():
        raise UserError(f"configuration: {config_file} does not exist", "Name an existing file with --config-file.")
    copy = STATE / "config" / config_file.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(config_file, copy)
    return copy
