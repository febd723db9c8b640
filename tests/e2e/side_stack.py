"""A stack of a test's own, next to the one that the others share."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.e2e.harness import ROOT, state_environment


def run_tool(
    stack: str, folder: Path, settings: Mapping[str, Any], module: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """A tool for a stack of these settings, whatever comes of it; its configuration file is in the folder."""
    config = folder / f"Pulumi.{stack}.yaml"
    config.write_text(yaml.safe_dump({"config": {f"ohif:{key}": value for key, value in settings.items()}}))
    return subprocess.run(
        ["python3", "-um", f"tools.{module}", *arguments, "--stack", stack, "--config-file", str(config)],
        cwd=ROOT, env={**state_environment(), "YES": "1"}, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
