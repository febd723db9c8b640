"""Paths inside the clone, and of the cache that all clones of this machine share."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STATE = ROOT / ".state"
STATE_BIN = STATE / "bin"
BACKEND = STATE / "backend"
PASSPHRASE = STATE / "passphrase"
ENV_FILE = STATE / "env"
LOGS = STATE / "logs"


def cache() -> Path:
    """The cache of this machine and user, shared by all clones."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ohif-pulumi"


def cache_bin() -> Path:
    """Executables built or fetched once per machine."""
    return cache() / "bin"


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically. A file with equal content and mode is left unchanged."""
    try:
        if path.read_text() == text and path.stat().st_mode & 0o777 == mode:
            return
    except OSError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    scratch.chmod(mode)
    scratch.replace(path)


def write_executable(path: Path, text: str) -> None:
    """Write an executable script."""
    write_file(path, text, 0o755)
