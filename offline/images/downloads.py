"""Artifacts of the images, downloaded by the package managers as they are configured on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from bootstrap.console import UserError, print_line
from bootstrap.engine import apt_install, may_install
from bootstrap.toolchain import go_command
from offline.images.work import Work

APT_FIX = "Check that Debian's packages can be fetched (apt-get update), then run the command again."
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Debian packages that provide the tools.
PACKAGES = {"debootstrap": "debootstrap", "mvn": "maven", "npm": "npm", "go": "golang-go", "docker": "docker-cli"}
COPIED_APT_SETTINGS = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries", "Acquire::Force")


def require(tool: str) -> None:
    """Install the Debian package of a missing tool. Raises UserError with its name if that is not possible."""
    if shutil.which(tool):
        return
    package = PACKAGES[tool]
    if not may_install():
        raise UserError(f"images: {tool} is needed and not installed", f"As root: apt-get install {package}")
    print_line(f"  images: installing {package} of Debian")
    apt_install(f"images: installing {package}", package)


@dataclass(frozen=True, kw_only=True)
class Artifact(ABC):
    """One published file that is built into an image."""

    name: str
    """File name in the image's build directory."""
    version: str

    @property
    @abstractmethod
    def tool(self) -> str:
        """The program that downloads it."""

    @abstractmethod
    def fetch(self, work: Work, key: str, scratch: Path) -> Path:
        """Download the file into the empty directory `scratch` and return its path."""

    def kept(self, downloads: Path) -> Path:
        """Path of the file in the cache of downloads."""
        return downloads / f"{self.version}-{self.name}"

    def ensure(self, work: Work, key: str, downloads: Path) -> Path:
        """Download the file unless the cache has it."""
        kept = self.kept(downloads)
        if not kept.exists():
            downloads.mkdir(parents=True, exist_ok=True)
            with (
                work.step(key, f"downloading {self.name} {self.version} ({self.tool})"),
                tempfile.TemporaryDirectory(prefix=".fetch-", dir=downloads, ignore_cleanup_errors=True) as scratch,
            ):
                self.fetch(work, key, Path(scratch)).replace(kept)
        return kept


@dataclass(frozen=True, kw_only=True)
class MavenArtifact(Artifact):
    """A file from a Maven repository."""

    group: str
    artifact: str
    packaging: str
    tool = "mvn"

    def fetch(self, work: Work, key: str, scratch: Path) -> Path:
        """Download it with Maven's dependency plugin."""
        coordinates = f"{self.group}:{self.artifact}:{self.version}:{self.packaging}"
        copy = ["mvn", "-B", "-ntp", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"]
        work.run(
            key,
            [*copy, f"-Dartifact={coordinates}", f"-DoutputDirectory={scratch}"],
            fix=f"Check that Maven can fetch {coordinates}, then run the command again.",
            cwd=scratch,
        )
        return scratch / f"{self.artifact}-{self.version}.{self.packaging}"


@dataclass(frozen=True, kw_only=True)
class FileInJar(MavenArtifact):
    """A file in an archive from a Maven repository."""

    member: str

    def fetch(self, work: Work, key: str, scratch: Path) -> Path:
        """Download the archive and take the file out of it."""
        with zipfile.ZipFile(super().fetch(work, key, scratch)) as archive:
            return Path(archive.extract(self.member, scratch))


@dataclass(frozen=True, kw_only=True)
class NpmPackage(Artifact):
    """The tarball of an npm package."""

    package: str
    tool = "npm"

    def fetch(self, work: Work, key: str, scratch: Path) -> Path:
        """Download it as published, without running its scripts."""
        wanted = f"{self.package}@{self.version}"
        work.run(
            key,
            ["npm", "pack", wanted, "--pack-destination", scratch],
            fix=f"Check that npm can fetch {wanted}, then run the command again.",
            cwd=scratch,
        )
        return next(scratch.glob("*.tgz"))


@dataclass(frozen=True, kw_only=True)
class GoProgram(Artifact):
    """A static executable built from its Go module."""

    module: str
    version_symbol: str
    tool = "go"

    def fetch(self, work: Work, key: str, scratch: Path) -> Path:
        """Build it as a dependency of an empty module, because `go install` rejects replace directives."""
        wanted = f"{self.module}@v{self.version}"
        fix = f"Check that Go can fetch and build {wanted}, then run the command again."
        env = {"CGO_ENABLED": "0", "GOWORK": "off"}
        go = go_command()
        build = [go, "build", "-trimpath", "-ldflags", f"-s -w -X {self.version_symbol}=v{self.version}"]
        (scratch / "go.mod").write_text("module scratch\n\ngo 1.23\n")
        work.run(key, [go, "get", wanted], fix=fix, cwd=scratch, env=env)
        work.run(key, [*build, "-o", self.name, self.module], fix=fix, cwd=scratch, env=env)
        return scratch / self.name


def mirrors() -> dict[str, str]:
    """Debian mirrors of this machine's apt: `{"": address, "-security": address}`, the second if there is one.

    Raises UserError if the machine does not run Debian.
    """
    system = platform.freedesktop_os_release()
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    answer = subprocess.run(
        [*targets, "Created-By: Packages", "Component: main"], capture_output=True, text=True, check=True
    )
    suites = {system.get("VERSION_CODENAME"), "oldstable", "stable", "testing", "unstable", "sid"}
    found: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        address, _, suite = line.partition(" ")
        for part in ("", "-security"):
            if suite.endswith(part) and suite.removesuffix(part) in suites:
                found.setdefault(part, address)
    if system["ID"] != "debian" or "" not in found or not KEYRING.exists():
        raise UserError(
            "images: this machine does not run Debian, or its apt has no Debian sources or no keys for them",
            "The stand-in images are built on Debian; elsewhere use an open network or a mirror (ohif:images). "
            "On Debian: apt-get install debian-archive-keyring, and a line for main in /etc/apt/sources.list.",
        )
    return found


def apt_settings() -> str:
    """The network settings of this machine's apt, as text of an apt configuration file."""
    dump = subprocess.run(
        ["apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The command of Proxy-Auto-Detect does not exist in the image.
    lines = [
        line for line in dump.stdout.splitlines() if line.startswith(COPIED_APT_SETTINGS) and "Auto-Detect" not in line
    ]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy:
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    if CERTIFICATES.exists():
        lines.append('Acquire::https::CAInfo "/etc/apt/build-machine.crt";')
    return "\n".join(lines) + "\n"


def debian_base(work: Work, key: str, *, suite: str, source: Path, scratch: Path) -> Path:
    """Create a small Debian of this suite with the scripts in `source`; return it as a tar file in `scratch`.

    It contains this machine's mirrors, apt settings and certificates until `install-packages` has run in it.
    """
    if os.geteuid() != 0:
        raise UserError("images: only root can create a Debian base", "Run the command as root (sudo).")
    addresses = mirrors()
    root = scratch / "root"
    # Separate namespaces, so that its mounts and processes end with it, also when it is killed.
    work.run(
        key,
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            source / "make-rootfs",
            root,
            suite,
            addresses[""],
            KEYRING,
        ],
        fix=APT_FIX,
    )
    (root / "etc/apt/sources.list").write_text(
        "".join(f"deb {address} {suite}{part} main\n" for part, address in addresses.items())
    )
    (root / "etc/apt/apt.conf.d/90build-machine").write_text(apt_settings())
    if CERTIFICATES.exists():
        shutil.copyfile(CERTIFICATES, root / "etc/apt/build-machine.crt")
    archive = scratch / "base.tar"
    work.run(key, ["tar", "-C", root, "--numeric-owner", "-cf", archive, "."], fix="Free some disk space.")
    return archive
