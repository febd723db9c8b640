"""The objects of the Linode API stand-in: in a real S3 server of this machine."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from tests.e2e.s3_server import S3Server
from tests.rehearsal.linode_buckets import ObjectStore


class S3Store(ObjectStore):
    """Buckets as an S3 server's, each owned by the key that was made for it."""

    def __init__(self, server: S3Server, region: str) -> None:
        self.region = region
        self.endpoint = server.address
        self._server = server

    def make_bucket(self, label: str) -> None:
        (self._server.folder / label).mkdir()

    def remove_bucket(self, label: str) -> bool:
        try:
            (self._server.folder / label).rmdir()
        except OSError:
            return False
        return True

    def make_key(self, buckets: Sequence[str]) -> tuple[str, str]:
        access_key, secret_key = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
        self._server.administrate(
            *("create-user", "--access", access_key, "--secret", secret_key, "--role", "user"),
        )
        for label in buckets:
            self._server.administrate("change-bucket-owner", "--bucket", label, "--owner", access_key)
        return access_key, secret_key

    def remove_key(self, access_key: str) -> None:
        self._server.administrate("delete-user", "--access", access_key)
