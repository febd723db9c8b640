"""The Pulumi CLI with its Python language host: the installed one, the official release, or one built here."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bootstrap import toolchain
from bootstrap.console import UserError, print_line, run
from bootstrap.paths import LOGS, ROOT, STATE, STATE_BIN, VENV, cache, write_file

STEP = "Pulumi CLI"
VERSION = "3.259.0"
LANGUAGE_HOST = "pulumi-language-python"
RELEASES = "https://get.pulumi.com/releases/sdk"
CHECKSUM_LISTS = (
    "https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt",
    f"{RELEASES}/pulumi-{{version}}-checksums.txt",
)
"""The release's own SHA-256 sums. GitHub's first, so that archive and sum come from two places."""
PINNED: dict[str, str] = {}
"""SHA-256 by the archive's file name, once somebody has checked one: then it alone counts, and no list is fetched."""


@dataclass(frozen=True)
class Cli:
    """A usable CLI, given by the directories to prepend to PATH."""

    directories: tuple[Path, ...]
    origin: str


def release_url(version: str = VERSION) -> str:
    """URL of the official release for this machine."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), platform.system().lower())
    arch = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{RELEASES}/pulumi-v{version}-{system}-{arch}.tar.gz"


def parse_version(text: str) -> tuple[int, int, int]:
    """Parse a version such as `v3.259.0` or `3.259.0-dev+x`; zeros for any other text."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def oldest_version() -> tuple[int, int, int]:
    """The oldest version that Pulumi.yaml accepts."""
    match = re.search(r'requiredPulumiVersion:\s*["\']?>=\s*([\d.]+)', (ROOT / "Pulumi.yaml").read_text())
    return parse_version(match[1]) if match else parse_version(VERSION)


def which_elsewhere(name: str) -> str | None:
    """An executable on PATH outside this clone and its cache: `.state/env` may have been sourced before."""
    ours = {str(STATE_BIN), str(VENV / "bin")}
    own_cache = str(cache())
    kept = [
        part
        for part in os.environ.get("PATH", "").split(os.pathsep)
        if part not in ours and not part.startswith(own_cache)
    ]
    return shutil.which(name, path=os.pathsep.join(kept))


def _version_of(binary: str) -> tuple[int, int, int]:
    """The version of a CLI. Running it takes half a second, so the result is cached for each file."""
    memory = STATE / "cli.json"
    key = f"{os.path.realpath(binary)} {Path(binary).stat().st_mtime_ns}"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        answer = subprocess.run(
            [binary, "version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=dict(os.environ, PULUMI_SKIP_UPDATE_CHECK="true"),
        )
        known = {key: answer.stdout.strip()}
        write_file(memory, json.dumps(known) + "\n")
    return parse_version(known[key])


def _own_language_host(binary: str) -> bool:
    neighbour = Path(binary).resolve().with_name(LANGUAGE_HOST)
    return neighbour.exists() or which_elsewhere(LANGUAGE_HOST) is not None


def published_checksum(archive: str, version: str = VERSION) -> str:
    """SHA-256 that the archive must have.

    Raises:
        UserError: no list of the release could be fetched, or it does not name the archive.
    """
    if archive in PINNED:
        return PINNED[archive]
    failures = []
    for template in CHECKSUM_LISTS:
        url = template.format(version=version)
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - https
                lines = answer.read(1 << 20).decode().splitlines()
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
            continue
        for digest, *names in (line.split() for line in lines if line.strip()):
            if [name.lstrip("*") for name in names] == [archive] and re.fullmatch("[0-9a-fA-F]{64}", digest):
                return str(digest).lower()
        failures.append(f"{url} does not name it")
    raise UserError(
        f"{STEP}: the SHA-256 of {archive} is not known: {'; '.join(failures)}",
        "Nothing was installed. Run the command again, install Pulumi yourself, or check the archive and write its "
        "SHA-256 into PINNED (bootstrap/pulumi_cli.py).",
    )


def verify(archive: Path, expected: str, url: str) -> None:
    """Compare a downloaded file with its published SHA-256.

    Raises:
        UserError: it is another file.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise UserError(
            f"{STEP}: {url} is not the published file: its SHA-256 is {found}, published is {expected}",
            "Nothing was installed. Run the command again; if it stays so, something between this machine and the "
            "release changes downloads: find out what before you go on.",
        )


def _fetch_release(target: Path) -> None:
    url = release_url()
    expected = published_checksum(url.rpartition("/")[2])
    print_line(f"  {STEP}: fetching {VERSION} (about 100 MB)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pulumi-", dir=target.parent) as scratch:
        archive = Path(scratch) / "release.tar.gz"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer, archive.open("wb") as file:  # noqa: S310 - https
                shutil.copyfileobj(answer, file)
        except OSError as error:
            raise UserError(
                f"{STEP}: {url} could not be fetched: {error}",
                "Run the command again; OFFLINE=1 builds the CLI from its Go modules instead.",
            ) from error
        verify(archive, expected, url)
        run(
            STEP,
            ["tar", "-xzf", archive, "-C", scratch],
            log=LOGS / "cli-unpack.log",
            fix="Run the command again.",
        )
        (Path(scratch) / "pulumi").rename(target)


def _link(source: Path, target: Path) -> None:
    """Make the file available under a second name: Pulumi looks for its language host next to its own binary.

    It is a hard link, because Pulumi resolves symbolic links first, or a copy if the cache is on another disk.
    """
    if (
        target.exists()
        and target.stat().st_size == source.stat().st_size
        and (target.stat().st_mtime_ns == source.stat().st_mtime_ns)
    ):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    try:
        os.link(source, scratch)
    except OSError:
        shutil.copy2(source, scratch)
    scratch.replace(target)


def ensure(network_open: bool) -> Cli:
    """Provide a CLI and a language host that work together. An installed CLI on PATH takes precedence."""
    found = which_elsewhere("pulumi")
    if found and _version_of(found) >= oldest_version():
        if _own_language_host(found):
            _remove(STATE_BIN / "pulumi", STATE_BIN / LANGUAGE_HOST)
            return Cli((), f"{found}, installed")
        if not network_open:
            _remove(STATE_BIN / "pulumi")
            toolchain.install_language_host()
            return Cli((STATE_BIN,), f"{found}, installed, with the language host of offline/")
    if network_open:
        release = cache() / f"pulumi-{VERSION}"
        if not (release / "pulumi").exists():
            _fetch_release(release)
        _remove(STATE_BIN / "pulumi", STATE_BIN / LANGUAGE_HOST)
        return Cli((release,), f"official release {VERSION}")
    built = cache() / f"pulumi-{VERSION}-built"
    if not (built / "pulumi").exists():
        toolchain.build_cli(VERSION, built)
    _link(built / "pulumi", STATE_BIN / "pulumi")
    toolchain.install_language_host()
    return Cli((STATE_BIN,), f"{VERSION} built from its Go modules")


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
