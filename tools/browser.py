"""The browser of the end-to-end tests: `python3 -m tools.browser` finds a Chromium or installs Debian's."""

from __future__ import annotations

import os
import shutil
import sys

from bootstrap.console import UserError, print_error, print_line
from bootstrap.engine import apt_install, may_install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The browser's package only recommends a text font; without one, screenshots show boxes for letters.
PACKAGES = ("chromium", "fonts-dejavu-core")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Flags for tests: no requests other than those of the pages, and it runs as root in a container too."""


def find() -> str | None:
    """Path of the browser in OHIF_BROWSER or of an installed Chromium; None without one."""
    chosen = os.environ.get("OHIF_BROWSER")
    return chosen or next(filter(None, map(shutil.which, NAMES)), None)


def ensure() -> str:
    """Path of a Chromium, which is installed if it is missing. Raises UserError if that is not possible."""
    found = find()
    if found:
        return found
    if not may_install():
        raise UserError(
            "Browser: no Chromium found",
            "As root on Debian: apt-get install chromium; elsewhere set OHIF_BROWSER=/path/to/chrome.",
        )
    print_line("  Browser: installing chromium (about a minute)")
    apt_install("Browser", *PACKAGES)
    found = find()
    if not found:
        raise UserError(
            "Browser: apt-get installed chromium, but it is not on the PATH",
            "Set its path: OHIF_BROWSER=/path/to/chrome.",
        )
    return found


def main() -> int:
    """Run the command line. Returns the exit status."""
    try:
        print_line(f"  Browser: {ensure()}")
    except UserError as error:
        print_error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
