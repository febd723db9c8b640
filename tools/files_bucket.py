"""The bucket that has the archive's files, asked before a stack begins to use it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from bootstrap.console import UserError

SECONDS = 15
HELP = "Correct it, or make the bucket and a key for it (docs/how-to/use-a-bucket.md). Nothing was changed."


def is_wanted(files: Mapping[str, Any] | None) -> bool:
    """Whether the setting names a bucket. It is `None` where it holds a secret, and read without secrets."""
    return files is None or "bucket" in files


def check(files: Mapping[str, Any]) -> None:
    """Ask the store from this machine, whose engine Orthanc runs on.

    Raises UserError if it does not answer, has no such bucket, or refuses the key.
    """
    address = urlsplit(str(files["bucket"]))
    bucket = address.path.strip("/")
    trusted = ssl.create_default_context(cadata=files.get("caCertificate"))
    client = Minio(
        address.netloc,
        access_key=str(files["accessKey"]),
        secret_key=str(files["secretKey"]),
        region=str(files["region"]),
        http_client=urllib3.PoolManager(ssl_context=trusted, timeout=SECONDS, retries=False),
    )
    try:
        there = client.bucket_exists(bucket)
    except (MinioException, HTTPError) as error:
        raise UserError(f"ohif:files.bucket: {address.netloc}: {error}", HELP) from error
    if not there:
        raise UserError(f"ohif:files.bucket: {address.netloc} has no bucket {bucket}", HELP)
