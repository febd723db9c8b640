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


@contextmanager
def s3_server(folder: Path, address: str) -> Iterator[S3Server]:
    """A server without a bucket."""
    program = go_tools.ensure("S3 server", PACKAGE, VERSION)
    authority = signed("an S3 server's authority", covers=())
    certificate = signed("an S3 server", by=authority, covers=(address,))
    cert, key, buckets = folder / "s3.pem", folder / "s3-key.pem", folder / "buckets"
    cert.write_text(certificate.pem)
    key.write_text(certificate.key_pem)
    buckets.mkdir()
    access_key, secret_key = "pacs", secrets.token_urlsafe(24)
    process = subprocess.Popen(
        [
            *(str(program), "--quiet", "--access", access_key, "--secret", secret_key),
            *("--port", f"{address}:{PORT}", "--cert", str(cert), "--key", str(key), "posix", str(buckets)),
        ]
    )
    try:
        wait_until(lambda: listens(address, PORT), "S3 server", 20)
        yield S3Server(f"{address}:{PORT}", access_key, secret_key, authority.pem, buckets)
    finally:
        process.terminate()
        process.wait()
