"""The certificate that certbot issued, and the file from which the gateway serves it."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

DAY = 24 * 3600


@dataclass(frozen=True)
class ServedCertificate:
    """Chain and key of one name, in certbot's folder."""

    home: Path
    """certbot's `--config-dir`."""
    domain: str

    @property
    def file(self) -> Path:
        """What the gateway reads: chain and key, PEM."""
        return self.home / "served" / f"{self.domain}.pem"

    @property
    def live(self) -> Path:
        """Where certbot keeps the newest one."""
        return self.home / "live" / self.domain

    @property
    def is_issued(self) -> bool:
        """Whether certbot has one."""
        return (self.live / "fullchain.pem").exists()

    @property
    def serial(self) -> int:
        """Serial number of the served one. Raises OSError, ValueError if there is none."""
        return self._read().serial_number

    @property
    def days_left(self) -> float:
        """Until the served one ends; below zero if there is none."""
        try:
            end = self._read().not_valid_after_utc
        except (OSError, ValueError):
            return -1
        return (end - datetime.datetime.now(datetime.UTC)).total_seconds() / DAY

    @property
    def life_days(self) -> float:
        """Whole life of the served one; some authorities' are days only. Raises OSError, ValueError."""
        certificate = self._read()
        return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / DAY

    def lay_out(self) -> bool:
        """Write chain and key to one file, in one step, so that the gateway never sees one without the other.

        Returns whether that changed the file.
        """
        content = (self.live / "fullchain.pem").read_bytes() + (self.live / "privkey.pem").read_bytes()
        if self.file.exists() and self.file.read_bytes() == content:
            return False
        self.file.parent.mkdir(mode=0o750, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.touch(mode=0o640)
        fresh.write_bytes(content)
        fresh.replace(self.file)
        return True

    def _read(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.file.read_bytes())
