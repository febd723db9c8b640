"""The policy pack with the real CLI: what it lets through and what it stops, with which words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.console import UserError
from bootstrap.paths import ROOT
from tools.policy import PACK, ensure

PROGRAM = """\
import pulumi
import pulumi_docker as docker

image = docker.RemoteImage("image", name="nginx:latest", keep_locally=True)
docker.Container(
    "container", name="ohif-bad-archive", hostname="archive", image="nginx:latest",
    capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=["CAP_SYS_ADMIN"]),
    ports=[docker.ContainerPortArgs(internal=80, external=8080)],
)
"""


@pytest.fixture(scope="module", autouse=True)
def _pack() -> None:
    if shutil.which("pulumi") is None:
        pytest.skip("no Pulumi CLI on PATH: run `make env` and `. .state/env`")
    try:
        ensure()
    except UserError as problem:
        pytest.skip(f"the policy pack's environment cannot be created: {problem}")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_preview_of_shipped_stack_passes(stack: str, tmp_path: Path) -> None:
    config = tmp_path / f"Pulumi.{stack}.yaml"
    # Without the salt that this clone's own stack may have left in it.
    config.write_text(re.sub("(?m)^encryptionsalt:.*\n", "", (ROOT / f"Pulumi.{stack}.yaml").read_text()))
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "tools.policy"),
            *("--stack", f"policy-{stack}", "--config-file", config),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Policies:" in answer.stdout
    assert "[mandatory]" not in answer.stdout


def test_violation_stops_the_preview_with_problem_and_fix(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "backend").mkdir()
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def pulumi(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", *words, "--non-interactive", "--color=never"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert pulumi("stack", "init", "bad").returncode == 0
    without = pulumi("preview", "-s", "bad")
    assert without.returncode == 0, without.stdout + without.stderr
    answer = pulumi("preview", "-s", "bad", f"--policy-pack={PACK}")
    assert answer.returncode != 0, answer.stdout
    for line in (
        "image nginx:latest has no exact version. Fix: name a version such as 1.30.7, or a digest (@sha256:…).",
        "container archive adds the capabilities ['CAP_SYS_ADMIN'], and [] are allowed. Fix: change capabilities.adds",
        "container archive publishes a port, and only the gateway may. Fix: remove ports;",
        "container archive runs as root. Fix: set user to the uid of the image's own user.",
    ):
        assert line in answer.stdout, answer.stdout
