"""A modality: DCMTK's tools against the gateway's DICOM port."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import AE_TITLE, CONFIG

CALLER = str(CONFIG["ohif:dicom"]["callers"][0])
PORT = int(CONFIG["ohif:dicom"]["port"])
TIMEOUTS = ("-to", "5", "-ta", "5", "-td", "10")
"""Seconds for: connecting, an answer to the association, an answer to a message."""


@dataclass(frozen=True, kw_only=True)
class Modality:
    """Where it connects to, and by which names."""

    calling: str = CALLER
    called: str = AE_TITLE
    host: str = "127.0.0.1"
    port: int = PORT
    tls: Sequence[str] = ()
    """DCMTK's options for TLS."""

    def run(self, tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """One of DCMTK's tools; what it says is in `stdout`."""
        names = ("-aet", self.calling, "-aec", self.called)
        command = [tool, "-v", *TIMEOUTS, *self.tls, *names, self.host, str(self.port), *arguments]
        return subprocess.run(
            command,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def verifies(self) -> bool:
        """Whether a C-ECHO is answered with success."""
        done = self.run("echoscu")
        return done.returncode == 0 and "Received Echo Response (Success)" in done.stdout

    def stores(self, file: Path) -> bool:
        """Whether a C-STORE is answered with success."""
        done = self.run("storescu", file)
        return done.returncode == 0 and "Received Store Response (Success)" in done.stdout
