"""Command-line tools that tests use: found, or Debian's package of them installed."""

from __future__ import annotations

import shutil

from bootstrap.console import UserError, print_line
from bootstrap.engine import apt_install, may_install

TOOLS = {
    "dcmtk": ("echoscu", "storescu", "findscu", "getscu", "movescu"),
    # NSS's, which tells a Chromium whom to trust.
    "libnss3-tools": ("certutil",),
}
"""Programs by Debian's name of their package."""


def ensure(package: str) -> None:
    """Put a package's tools on the PATH. Raises UserError where they may not be installed."""
    if all(map(shutil.which, TOOLS[package])):
        return
    if not may_install():
        raise UserError(f"{package}: not found", f"As root on Debian: apt-get install {package}.")
    print_line(f"  {package}: installing")
    apt_install(package, package)
