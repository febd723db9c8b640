"""An S3 server that is none of Amazon's: Versity's gateway on a folder, with TLS by an authority of its own."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import signed
from tests.e2e.harness import listens, wait_until
from tools import go_tools

PACKAGE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "1.8.0"
PORT = 7443


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """What a client has to know."""

    host: str
    access_key: str
    secret_key: str
    authority: str
    """PEM."""
    folder: Path
    """Holds a folder for each bucket."""
    region: str
    command: Sequence[str] = field(repr=False)

    @property
    def address(self) -> str:
        """`host:port`; it speaks HTTPS."""
        return f"{self.host}:{PORT}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its process."""
        process = subprocess.Popen(self.command)
        try:
            wait_until(lambda: listens(self.host, PORT), "S3 server", 20)
            yield
        finally:
            process.terminate()
            process.wait()

    def administrate(self, *words: str) -> None:
        """A command of its administrator."""
        where = ("--access", self.access_key, "--secret", self.secret_key, "--region", self.region)
        subprocess.run(
            [
                *(self.command[0], "admin", *where),
                *("--endpoint-url", f"https://{self.address}", "--allow-insecure", *words),
            ],
            check=True,
            capture_output=True,
        )


def stopped_s3_server(folder: Path, address: str, region: str = "us-east-1") -> S3Server:
    """A server without a bucket that does not run yet. Signatures for another region are refused."""
    program = go_tools.ensure("S3 server", PACKAGE, VERSION)
    authority = signed("an S3 server's authority", covers=())
    certificate = signed("an S3 server", by=authority, covers=(address,))
    cert, key, buckets, users = folder / "s3.pem", folder / "s3-key.pem", folder / "buckets", folder / "users"
    cert.write_text(certificate.pem)
    key.write_text(certificate.key_pem)
    buckets.mkdir()
    users.mkdir()
    access_key, secret_key = "pacs", secrets.token_urlsafe(24)
    return S3Server(
        host=address,
        access_key=access_key,
        secret_key=secret_key,
        authority=authority.pem,
        folder=buckets,
        region=region,
        command=[
            *(str(program), "--quiet", "--access", access_key, "--secret", secret_key),
            *("--iam-dir", str(users), "--region", region),
            *("--port", f"{address}:{PORT}", "--cert", str(cert), "--key", str(key), "posix", str(buckets)),
        ],
    )


@contextmanager
def s3_server(folder: Path, address: str, region: str = "us-east-1") -> Iterator[S3Server]:
    """A server without a bucket."""
    server = stopped_s3_server(folder, address, region)
    with server.running():
        yield server
