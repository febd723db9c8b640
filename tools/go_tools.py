"""Programs for checks and tests that are published as Go modules, built once per machine in a pinned version."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from bootstrap.console import UserError, print_line, run
from bootstrap.paths import LOGS, ROOT, cache


def ensure(step: str, package: str, version: str) -> Path:
    """The program of a Go package: from the cache, else built with the machine's Go. Raises UserError.

    Like `go install`, it takes no module with replace directives.
    """
    name = package.rpartition("/")[2]
    binary = cache() / f"{name}-{version}" / name
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        raise UserError(f"{step}: {name} needs Go to build it", "As root on Debian: apt-get install golang-go.")
    print_line(f"  {step}: building {name} {version} (once per machine)")
    binary.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=binary.parent.parent) as scratch:
        environment = os.environ | {"GOBIN": scratch, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
        fix = "Check that Go modules can be fetched (go env GOPROXY)."
        run(
            step, [go, "install", f"{package}@v{version}"], log=LOGS / f"{name}.log", fix=fix, cwd=ROOT, env=environment
        )
        binary.parent.mkdir(exist_ok=True)
        (Path(scratch) / name).replace(binary)
    return binary
