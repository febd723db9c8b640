"""An S3 server that is none of Amazon's: Versity's gateway on a folder, with TLS by an authority of its own."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import signed
from tests.e2e.harness import listens, wait_until
from tools import go_tools

PACKAGE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "1.8.0"
PORT = 7443


@dataclass(frozen=True)
class S3Server:
    """What a client has to know."""

    address: str
    """`host:port`; it speaks HTTPS."""
    access_key: str
    secret_key: str
    authority: str
    """PEM."""
    folder: Path
    """Holds a folder for each bucket."""
    region: str

    def administrate(self, *words: str) -> None:
        """A command of its administrator."""
        program = go_tools.ensure("S3 server", PACKAGE, VERSION)
        where = ("--access", self.access_key, "--secret", self.secret_key, "--region", self.region)
        subprocess.run(
            [program, "admin", *where, "--endpoint-url", f"https://{self.address}", "--allow-insecure", *words],
            check=True,
            capture_output=True,
        )


@contextmanager
def s3_server(folder: Path, address: str, region: str = "us-east-1") -> Iterator[S3Server]:
    """A server without a bucket. Signatures for another region are refused."""
    program = go_tools.ensure("S3 server", PACKAGE, VERSION)
    authority = signed("an S3 server's authority", covers=())
    certificate = signed("an S3 server", by=authority, covers=(address,))
    cert, key, buckets, users = folder / "s3.pem", folder / "s3-key.pem", folder / "buckets", folder / "users"
    cert.write_text(certificate.pem)
    key.write_text(certificate.key_pem)
    buckets.mkdir()
    users.mkdir()
    access_key, secret_key = "pacs", secrets.token_urlsafe(24)
    process = subprocess.Popen(
        [
            *(str(program), "--quiet", "--access", access_key, "--secret", secret_key),
            *("--iam-dir", str(users), "--region", region),
            *("--port", f"{address}:{PORT}", "--cert", str(cert), "--key", str(key), "posix", str(buckets)),
        ]
    )
    try:
        wait_until(lambda: listens(address, PORT), "S3 server", 20)
        yield S3Server(f"{address}:{PORT}", access_key, secret_key, authority.pem, buckets, region)
    finally:
        process.terminate()
        process.wait()
