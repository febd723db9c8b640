"""OpenSSH's server with SFTP and nothing else, at an address that containers reach."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import listens, wait_until
from tools import debian_tools

PORT = 2299
CONFIGURATION = """
ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


@dataclass(frozen=True)
class SftpServer:
    """What a client has to know."""

    url: str
    host_key: str
    private_key: str


@contextmanager
def sftp_server(folder: Path, address: str) -> Iterator[SftpServer]:
    """A server that lets root in with a key of its own."""
    debian_tools.ensure("openssh-server")
    for name in ("host_key", "client_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    configuration = folder / "sshd_config"
    configuration.write_text(CONFIGURATION.format(address=address, port=PORT, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    # It wants to be called by its whole path.
    process = subprocess.Popen([str(shutil.which("sshd")), "-D", "-e", "-f", str(configuration)])
    try:
        wait_until(lambda: listens(address, PORT), "SFTP server", 10)
        yield SftpServer(
            url=f"sftp://root@{address}:{PORT}//{str(folder).lstrip('/')}/repository",
            host_key=" ".join((folder / "host_key.pub").read_text().split()[:2]),
            private_key=(folder / "client_key").read_text(),
        )
    finally:
        process.terminate()
        process.wait()
