"""Pulumi's resource plugins: on a restricted network, stand-ins replace the official ones that are missing.

On an open network Pulumi downloads the official plugins itself.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bootstrap.paths import ROOT, STATE_BIN, VENV, write_executable
from bootstrap.pulumi_cli import parse_version, which_elsewhere

STAND_INS = ("docker", "keycloak", "linode", "random")


def _pinned(name: str) -> tuple[int, int, int]:
    match = re.search(rf"^pulumi-{name}==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    return parse_version(match[1]) if match else (0, 0, 0)


def in_plugin_cache(name: str, wanted: tuple[int, int, int]) -> bool:
    """Whether Pulumi's plugin cache has a version that Pulumi accepts for the wanted one."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    for entry in home.glob(f"resource-{name}-v*"):
        version = parse_version(entry.name.rpartition("-")[2])
        if entry.is_dir() and version[0] == wanted[0] and version >= wanted:
            return True
    return False


def ensure(network_open: bool) -> list[str]:
    """Install a stand-in for each official plugin that is missing. Returns the names of the installed stand-ins."""
    used = []
    for name in STAND_INS:
        executable = STATE_BIN / f"pulumi-resource-{name}"
        official = which_elsewhere(executable.name) is not None or in_plugin_cache(name, _pinned(name))
        if network_open or official:
            # Pulumi prefers plugins on PATH, so a remaining stand-in would be used instead of the official plugin.
            executable.unlink(missing_ok=True)
            continue
        write_executable(
            executable,
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{VENV}/bin/python" -m offline.plugins.{name} "$@"\n',
        )
        used.append(name)
    return used
