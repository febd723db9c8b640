"""Command-line tools for tests, installed from Debian packages if they are missing."""

from __future__ import annotations

import shutil

from bootstrap.console import UserError, print_line
from bootstrap.engine import apt_install, may_install

TOOLS = {
    "dcmtk": ("echoscu", "storescu", "findscu", "getscu", "movescu"),
    "haproxy": ("haproxy",),
    "docker-registry": ("docker-registry",),
    "prometheus": ("prometheus", "promtool"),
    "wrk": ("wrk",),
    "rsyslog-gnutls": ("rsyslogd",),
    "openssh-server": ("sshd", "ssh-keygen"),
    # From NSS; it manages the certificates that a Chromium trusts.
    "libnss3-tools": ("certutil",),
}
"""Programs by Debian package."""


def ensure(package: str) -> None:
    """Ensure that the tools of a package are on the PATH. Raises UserError if they cannot be installed."""
    if all(map(shutil.which, TOOLS[package])):
        return
    if not may_install():
        raise UserError(f"{package}: not found", f"As root on Debian: apt-get install {package}.")
    print_line(f"  {package}: installing")
    apt_install(package, package)
