"""The Python environment `.venv`, created again whenever a lock file changes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from bootstrap.console import UserError, print_line, run
from bootstrap.engine import apt_install, may_install
from bootstrap.paths import LOGS, ROOT, VENV

STEP = "Python environment"
OLDEST = (3, 11)
LOCKS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
# Inside .venv, so that both are removed together; written last, so that an incomplete environment has none.
STAMP = VENV / ".made-from"


def fingerprint(locks: tuple[Path, ...] = LOCKS) -> str:
    """A hash of everything the environment depends on: lock files, interpreter, and path (its scripts contain it)."""
    digest = hashlib.sha256(f"{sys.version}\n{VENV}\n".encode())
    for lock in locks:
        try:
            digest.update(lock.read_bytes())
        except FileNotFoundError as missing:
            raise UserError(f"{STEP}: {lock.name} is missing", "Restore it: git checkout -- " + lock.name) from missing
    return digest.hexdigest()


def use_supported_python() -> None:
    """Ensure Python 3.11 or newer: an older interpreter restarts the command with a newer one from PATH."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])  # noqa: S606 - no shell wanted
    raise UserError(
        f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; python3 is {sys.version.split()[0]}",
        "Install one (Debian 12, Ubuntu 24.04 and newer have it), then run the command again.",
    )


def ensure() -> None:
    """Make `.venv` contain exactly the packages of the lock files."""
    wanted = fingerprint()
    if (VENV / "bin" / "python").exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    if VENV.is_symlink():
        raise UserError(
            f"{STEP}: .venv is a symbolic link, and creating it again would empty its target",
            "Remove the link and run the command again.",
        )
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if not may_install():
            raise UserError(
                f"{STEP}: this Python cannot create virtual environments",
                f"Install {package}: sudo apt-get install {package}. Then run the command again.",
            )
        print_line(f"  {STEP}: installing {package}")
        apt_install(STEP, package)
    print_line(f"  {STEP}: creating .venv from the lock files (about a minute)")
    fix = "Check that PyPI can be reached (python3 -m pip config list), then run the command again."
    run(
        STEP,
        [sys.executable, "-m", "venv", "--clear", VENV],
        log=LOGS / "venv.log",
        fix="Remove .venv and run the command again.",
    )
    locked = [part for lock in LOCKS for part in ("-r", str(lock))]
    run(
        STEP,
        [
            VENV / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--require-hashes",
            "--no-deps",
            "--progress-bar",
            "off",
            "--disable-pip-version-check",
            *locked,
        ],
        log=LOGS / "pip.log",
        fix=fix,
    )
    STAMP.write_text(wanted)
