"""Errors and progress of Pulumi as the tools print them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bootstrap.paths import ROOT
from tools.pulumi_errors import error_of, explain
from tools.pulumi_progress import Changes, Progress


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("error: getting stack configuration: get stack secrets manager: incorrect passphrase", "passphrase"),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or …", "make env"),
        ("error: the stack is currently locked by 1 lock(s). Either wait …", "pulumi cancel"),
        ("Unable to read Docker image into resource: unable to pull image nginx:1", "OFFLINE=1"),
        ("Error response from daemon: pull access denied for nginx", "OFFLINE=1"),
        ("driver failed programming: Bind for 127.0.0.1:80 failed: port is already allocated", "ohif:port"),
        ("could not find an available, non-overlapping IPv4 address pool among the defaults", "network prune"),
    ],
)
def test_known_failures_come_with_their_fix(output: str, word: str) -> None:
    known = explain(output)
    assert known is not None
    assert word in " ".join(known)


def test_an_unknown_failure_shows_pulumis_message_without_noise() -> None:
    noise = "warning: using pulumi-resource-docker from $PATH at /x/pulumi-resource-docker"
    error = error_of("up", f"{noise}\nConfiguration ohif:archive: 'x' is not one of orthanc.")
    assert "ohif:archive" in error.problem
    assert "PATH" not in error.problem


def event(kind: str, urn: str, op: str = "create", provider: str = "p") -> dict[str, Any]:
    return {kind: {"metadata": {"op": op, "urn": urn, "type": "t", "provider": provider}}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list whose only element is the current time for the progress."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


URN = "urn:pulumi:dev::ohif::ohif:index:Keycloak$docker:index/container:Container::keycloak-container"


def test_only_slow_operations_are_printed(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Changes())
    progress.take(event("resourcePreEvent", URN))
    progress.take(event("resourcePreEvent", "urn::quick"))
    progress.take(event("resourcePreEvent", "urn::component", provider=""))
    clock[0] = 1
    progress.take(event("resOutputsEvent", "urn::quick"))
    clock[0] = 21
    progress.take(event("resOutputsEvent", "urn::component", provider=""))
    progress.take(event("resOutputsEvent", URN))
    assert capsys.readouterr().out.split() == ["created", "keycloak-container", "21", "s"]


def test_running_operations_are_printed_at_intervals(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Changes())
    progress.take(event("resourcePreEvent", URN))
    for second in range(1, 26):
        clock[0] = second
        progress.tick()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("waiting for keycloak-container" in line for line in lines)


def test_errors_have_the_name_of_the_resource_and_counts_are_added() -> None:
    changes = Changes()
    progress = Progress(changes)
    progress.take({"diagnosticEvent": {"urn": URN, "message": "it broke\n", "severity": "error"}})
    progress.take({"summaryEvent": {"resourceChanges": {"same": 3, "create": 2, "delete": 1}}})
    assert changes.errors == ["keycloak-container: it broke"]
    assert changes.any
    assert changes.summary == "2 created, 1 deleted"


def test_unchanged_resources_are_no_change() -> None:
    assert not Changes(counts={"same": 40, "read": 2}).any


# Like Pulumi: the first Ctrl-C lets the running operation finish, and output goes on until then.
CLI = """#!/usr/bin/env python3
import pathlib, signal, sys, time
interrupted = []
signal.signal(signal.SIGINT, lambda *_: interrupted.append(1))
here = pathlib.Path(sys.argv[0]).parent
(here / "running").touch()
while not interrupted:
    time.sleep(0.05)
for _ in range(10):
    print("still updating", flush=True)
    time.sleep(0.1)
(here / "finished").touch()
sys.exit(1)
"""
# As in a terminal: a process that a shell has started in the background ignores Ctrl-C.
UPDATE = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from tools.pulumi_run import Pulumi
Pulumi("dev", None, os.environ).update("up")
"""


def test_an_interrupted_update_finishes_before_the_command_ends(tmp_path: Path) -> None:
    cli = tmp_path / "pulumi"
    cli.write_text(CLI)
    cli.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen(
        [sys.executable, "-c", UPDATE],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as command:
        deadline = time.monotonic() + 60
        while not (tmp_path / "running").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        # On a busy machine the command may not follow its update yet.
        time.sleep(2)
        os.killpg(command.pid, signal.SIGINT)
        output, error = command.communicate(timeout=60)
    assert (tmp_path / "finished").exists()
    assert "stopping after the running operations" in output
    assert "KeyboardInterrupt" in error
