"""Resource plugins: official ones come by themselves on an open network, stand-ins fill gaps elsewhere."""

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
    """Whether Pulumi's own cache has the plugin in a version that it would take for the one wanted."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    for entry in home.glob(f"resource-{name}-v*"):
        version = parse_version(entry.name.rpartition("-")[2])
        if entry.is_dir() and version[0] == wanted[0] and version >= wanted:
            return True
    return False


def ensure(network_open: bool) -> list[str]:
    """Put stand-ins where this clone finds them, one by one and only where the official plugin is missing.

    Returns the names of those in use.
    """
    used = []
    for name in STAND_INS:
        executable = STATE_BIN / f"pulumi-resource-{name}"
        official = which_elsewhere(executable.name) is not None or in_plugin_cache(name, _pinned(name))
        if network_open or official:
            # Pulumi prefers what is on PATH, so a stand-in left there would win over the official plugin.
            executable.unlink(missing_ok=True)
            continue
        write_executable(
            executable,
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{VENV}/bin/python" -m offline.plugins.{name} "$@"\n',
        )
        used.append(name)
    return used
