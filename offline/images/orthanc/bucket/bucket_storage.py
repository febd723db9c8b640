"""Orthanc's files in a bucket, by the configuration of the official plugin and under the names that it gives objects.

Source: Orthanc Book, "Cloud Object Storage plugins" (section AwsS3Storage, structure "flat") and "Python plugin"
(RegisterStorageArea). It does not encrypt objects, and knows neither hybrid mode nor the structure "legacy".
"""

from typing import Any

import boto3  # type: ignore[import-not-found]
import orthanc  # type: ignore[import-not-found]
from botocore.config import Config  # type: ignore[import-not-found]

EXTENSIONS = {1: ".dcm", 2: ".json", 3: ".dcm.head"}
"""By OrthancPluginContentType."""
UNKNOWN = ".unk"
REFUSED = ("HybridMode", "StorageEncryption", "RootPath")


def register(settings: dict[str, Any]) -> None:
    """Take over the storage area."""
    section = settings["AwsS3Storage"]
    for key in REFUSED:
        if key in section:
            raise ValueError(f"AwsS3Storage: this image does not know {key}")
    if section.get("StorageStructure", "flat") != "flat":
        raise ValueError("AwsS3Storage: this image knows StorageStructure flat only")
    keys = {"aws_access_key_id": section["AccessKey"], "aws_secret_access_key": section["SecretKey"]}
    client = boto3.client(
        "s3",
        region_name=section["Region"],
        endpoint_url=section.get("Endpoint") or None,
        verify=settings["HttpsCACertificates"],
        config=Config(
            s3={"addressing_style": "virtual" if section.get("VirtualAddressing", True) else "path"},
            connect_timeout=section.get("ConnectionTimeout", 30),
            read_timeout=section.get("RequestTimeout", 1200),
            max_pool_connections=settings.get("HttpThreadsCount", 50),
            retries={"max_attempts": 3, "mode": "standard"},
        ),
        **keys,
    )
    bucket = section["BucketName"]

    def name(uuid: str, content_type: int) -> str:
        return uuid + EXTENSIONS.get(content_type, UNKNOWN)

    def create(uuid: str, content_type: int, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=name(uuid, content_type), Body=data)

    def read(uuid: str, content_type: int) -> Any:
        return client.get_object(Bucket=bucket, Key=name(uuid, content_type))["Body"].read()

    def remove(uuid: str, content_type: int) -> None:
        client.delete_object(Bucket=bucket, Key=name(uuid, content_type))

    orthanc.RegisterStorageArea(create, read, remove)
