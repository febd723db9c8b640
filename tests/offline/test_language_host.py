"""The stand-in language host with the real CLI and a small program in a temporary project."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.console import UserError
from bootstrap.paths import ROOT, VENV, write_executable
from tools import policy

PROJECT = "name: trial\nruntime: python\nconfig:\n  size:\n    type: integer\n    default: 3\n"
PROGRAM = """\
import pulumi
import sibling
config = pulumi.Config()
print("size", config.require_int("size") + sibling.ONE)
pulumi.export("word", pulumi.Output.secret("hidden"))
if pulumi.get_stack() == "refused":
    raise pulumi.RunError("configuration trial:size is wrong")
if pulumi.get_stack() == "broken":
    raise ValueError("a defect")
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the CLI in a fresh project whose only language host is the stand-in."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        pytest.skip("no Pulumi CLI on PATH: run `make env` and `. .state/env`")
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "sibling.py").write_text("ONE = 1\n")
    (tmp_path / "backend").mkdir()
    write_executable(
        tmp_path / "bin" / "pulumi-language-python",
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{VENV}/bin/python" -m offline.language_host "$@"\n',
    )
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    # Where it is set, output is never buffered, and a plugin's port always arrives.
    environment.pop("PYTHONUNBUFFERED", None)

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [pulumi, *words, "--non-interactive", "--color=never"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    return call


def test_preview_up_and_destroy(run: Run) -> None:
    assert run("stack", "init", "good").returncode == 0
    preview = run("preview", "-s", "good")
    assert preview.returncode == 0, preview.stdout
    up = run("up", "--yes", "-s", "good")
    assert up.returncode == 0, up.stdout
    # Declared defaults reach the program, modules next to it are found, and what it prints is shown.
    assert "size 4" in up.stdout
    outputs = run("stack", "output", "--json", "--show-secrets", "-s", "good")
    assert json.loads(outputs.stdout) == {"word": "hidden"}
    assert run("destroy", "--yes", "-s", "good").returncode == 0


def test_an_invalid_configuration_is_reported_once_without_a_traceback(run: Run) -> None:
    run("stack", "init", "refused")
    up = run("up", "--yes", "--skip-preview", "-s", "refused")
    assert up.returncode != 0
    diagnostics = up.stdout.partition("Diagnostics:")[2]
    assert diagnostics.count("configuration trial:size is wrong") == 1
    assert "Traceback" not in up.stdout


PACK = """\
import pulumi_policy
pulumi_policy.PolicyPack("trial", [pulumi_policy.StackValidationPolicy(
    "never", "Nothing is allowed.", lambda args, report: report("refused by the pack"))],
    enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY)
"""


def write_pack(directory: Path, virtualenv: Path) -> Path:
    directory.mkdir()
    (directory / "PulumiPolicy.yaml").write_text(
        f"name: trial\nversion: 0.0.1\nruntime:\n  name: python\n  options:\n    virtualenv: {virtualenv}\n"
    )
    (directory / "__main__.py").write_text(PACK)
    return directory


def test_policy_pack_runs_in_its_own_environment(run: Run, tmp_path: Path) -> None:
    try:
        policy.ensure()
    except UserError as problem:
        pytest.skip(f"the policy pack's environment cannot be created: {problem}")
    run("stack", "init", "good")
    preview = run("preview", "-s", "good", f"--policy-pack={write_pack(tmp_path / 'pack', policy.ENVIRONMENT)}")
    assert preview.returncode != 0
    assert "refused by the pack" in preview.stdout


def test_policy_pack_without_an_environment_is_a_readable_error(run: Run, tmp_path: Path) -> None:
    run("stack", "init", "good")
    preview = run("preview", "-s", "good", f"--policy-pack={write_pack(tmp_path / 'pack', tmp_path / 'missing')}")
    assert preview.returncode != 0
    assert "missing is no virtual environment" in preview.stdout + preview.stderr


def test_an_exception_is_reported_with_its_location(run: Run) -> None:
    run("stack", "init", "broken")
    up = run("up", "--yes", "--skip-preview", "-s", "broken")
    assert up.returncode != 0
    assert "ValueError: a defect" in up.stdout
    assert "__main__.py" in up.stdout
