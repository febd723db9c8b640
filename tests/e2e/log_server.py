"""A log server that is not syslog-ng: Debian's rsyslog, at an address that containers reach."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import Certificate, signed
from tests.e2e.harness import listens, wait_until
from tools import debian_tools

PORT = 6514
CONFIGURATION = """
global(
  workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{folder}/ca.pem"
  defaultNetstreamDriverCertFile="{folder}/server.pem"
  defaultNetstreamDriverKeyFile="{folder}/server-key.pem"
)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="{address}" port="{port}")
template(name="plain" type="string" string="%hostname% %app-name% %msg%\\n")
action(type="omfile" file="{folder}/lines" template="plain")
"""


@dataclass(frozen=True)
class LogServer:
    """What a client has to know, and what arrived."""

    host: str
    folder: Path
    authority: Certificate

    @property
    def settings(self) -> dict[str, object]:
        """`ohif:logs` of a stack that sends there."""
        return {"host": self.host, "port": PORT, "caCertificate": self.authority.pem, "localPort": 5597}

    def lines(self, *words: str) -> list[str]:
        """What arrived with all of these words, as `host program message`."""
        try:
            every = (self.folder / "lines").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in every if all(word in line for word in words)]

    @contextmanager
    def running(self, by: Certificate | None = None) -> Iterator[None]:
        """Its process, with a certificate of its authority or of another one."""
        certificate = signed("a log server", by=by or self.authority, covers=(self.host,))
        for name, text in {
            "ca": self.authority.pem,
            "server": certificate.pem,
            "server-key": certificate.key_pem,
        }.items():
            (self.folder / f"{name}.pem").write_text(text)
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, address=self.host, port=PORT))
        process = subprocess.Popen(["rsyslogd", "-n", "-f", configuration, "-i", self.folder / "pid"])
        try:
            wait_until(lambda: listens(self.host, PORT), "log server", 20)
            yield
        finally:
            process.terminate()
            process.wait()


def stopped_log_server(folder: Path, address: str) -> LogServer:
    """One that does not run yet."""
    debian_tools.ensure("rsyslog-gnutls")
    return LogServer(address, folder, signed("a log server's authority", covers=()))
