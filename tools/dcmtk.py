"""DCMTK's command-line tools, with which the tests act as a modality: found, or Debian's installed."""

from __future__ import annotations

import shutil

from tools.readiness.console import Problem, say
from tools.readiness.engine import apt_install, may_install

TOOLS = ("echoscu", "storescu", "findscu", "getscu", "movescu")


def ensure() -> None:
    """Put the tools on the PATH. Raises Problem where they may not be installed."""
    if all(map(shutil.which, TOOLS)):
        return
    if not may_install():
        raise Problem("DCMTK: not found", "As root on Debian: apt-get install dcmtk.")
    say("  DCMTK: installing dcmtk")
    apt_install("DCMTK", "dcmtk")
