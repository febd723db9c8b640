"""The Pulumi CLI and its Python language host on a network without access to official releases.

The CLI is built from its published Go modules. The language host is a stand-in that uses the server of the Pulumi
SDK for inline programs of the Automation API (`offline/language_host.py`).
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from bootstrap.console import UserError, exclusive_lock, print_line, run
from bootstrap.engine import apt_install, may_install
from bootstrap.paths import LOGS, ROOT, STATE_BIN, VENV, cache, write_executable

STEP = "Pulumi CLI"
CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_SYMBOL = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
# Required by go.mod of the pinned CLI. An older Go fails with an error inside a dependency.
OLDEST_GO = (1, 25, 11)
GO_FIX = "Check that Go modules can be fetched (go env GOPROXY), then run the command again."


def parse_go_version(text: str) -> tuple[int, int, int]:
    """Parse a version such as `go1.26.8`; zeros for any other text."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


def _version_of(go: str | Path) -> tuple[int, int, int]:
    try:
        answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return (0, 0, 0)
    return parse_go_version(answer.stdout.strip())


def _toolchain_by_module(go: str) -> Path:
    """A recent Go, downloaded by an older one: each Go release is also published as a Go module."""
    wanted = ".".join(map(str, OLDEST_GO))
    home = cache() / f"go-{wanted}"
    command = home / "bin" / "go"
    if command.exists():
        return command
    print_line(f"  {STEP}: the installed Go is older than {wanted}; downloading that version as a Go module")
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    module = f"golang.org/toolchain@v0.0.1-go{wanted}.{platform.system().lower()}-{arch}"
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="go-", dir=cache()) as scratch:
        log = LOGS / "go-toolchain.log"
        # Run outside the user's modules; the old Go must not look for a newer one itself.
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod")
        run(STEP, [go, "mod", "download", "-json", module], log=log, fix=GO_FIX, cwd=Path(scratch), env=env)
        text = log.read_text()
        unpacked = Path(json.loads(text[text.index("{") :])["Dir"])
        copy = Path(scratch) / "go"
        shutil.copytree(unpacked, copy)
        # Files in the module cache are read-only and have no execute bits.
        for path in [copy, *copy.rglob("*")]:
            tool = path.is_dir() or path.parent.name == "bin" or "tool" in path.relative_to(copy).parts
            path.chmod(0o755 if tool else 0o644)
        copy.rename(home)
    return command


def go_command() -> str:
    """A Go command that can build the CLI: the installed one, Debian's, or a newer one downloaded by these.

    Raises UserError if there is none.
    """
    with exclusive_lock(cache() / "go.lock", "another step gets Go ready"):
        return _go()


def _go() -> str:
    go = shutil.which("go")
    if go is None and may_install():
        print_line(f"  {STEP}: installing golang-go to build it")
        apt_install(STEP, "golang-go", "ca-certificates")
        go = shutil.which("go")
    if go is None:
        wanted = ".".join(map(str, OLDEST_GO))
        raise UserError(
            f"{STEP}: official releases are unreachable, and Go is not installed to build it",
            f"Install Go (as root on Debian: apt-get install golang-go; {wanted} or newer is quickest), "
            "then run the command again.",
        )
    return go if _version_of(go) >= OLDEST_GO else str(_toolchain_by_module(go))


def build_cli(version: str, target: Path) -> None:
    """Build `pulumi` of this version (such as 3.259.0) into the new directory `target`. Takes minutes."""
    go = go_command()
    print_line(f"  {STEP}: building {version} from its Go modules (about 5 minutes on 2 cores, once per machine)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pulumi-", dir=target.parent) as scratch:
        module = Path(scratch) / "module"
        module.mkdir()
        (module / "go.mod").write_text("module scratch\n\ngo 1.25\n")
        built = Path(scratch) / "built"
        built.mkdir()
        env = dict(os.environ, GOTOOLCHAIN="local", CGO_ENABLED="0", GOWORK="off")
        # `go install package@version` rejects modules with replace directives; a dependency may have them.
        run(
            STEP,
            [go, "get", f"{CLI_PACKAGE}@v{version}"],
            log=LOGS / "cli-get.log",
            fix=GO_FIX,
            cwd=module,
            env=env,
        )
        run(
            STEP,
            [
                go,
                "build",
                "-trimpath",
                "-ldflags",
                f"-s -w -X {VERSION_SYMBOL}={version}",
                "-o",
                built / "pulumi",
                CLI_PACKAGE,
            ],
            log=LOGS / "cli-build.log",
            fix=GO_FIX,
            cwd=module,
            env=env,
        )
        built.rename(target)


def install_language_host() -> None:
    """Install the stand-in `pulumi-language-python` into the PATH of this clone."""
    write_executable(
        STATE_BIN / "pulumi-language-python",
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{VENV}/bin/python" -m offline.language_host "$@"\n',
    )
