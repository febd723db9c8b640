"""Where Orthanc's files are: on a volume, in a folder of the machine, or in a bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.containers.networks import data_volume, folder_volume, private_network, working_volume
from components.containers.service import File
from components.containers.stack_context import StackContext
from settings import FilesBucket, FilesFolder

CA_FILE = "/etc/orthanc-bucket-ca.pem"
"""Outside of /etc/orthanc, whose files the image reads as configuration."""
SECONDS_TO_CONNECT = 10
SECONDS_OF_A_REQUEST = 60


@dataclass(frozen=True, kw_only=True)
class OrthancFiles:
    """What a place of the files means for Orthanc's container."""

    volume: docker.Volume
    """Mounted where Orthanc keeps files. With a bucket nothing that lasts is on it."""
    kept: docker.Volume | None
    """What a backup has to read; `None`: nothing on the machine."""
    settings: pulumi.Input[Mapping[str, object]] = field(default_factory=dict)
    """Further sections of Orthanc's configuration."""
    files: Sequence[File] = ()
    networks: Sequence[docker.Network] = ()


def orthanc_files(
    name: str, stack: StackContext, place: FilesFolder | FilesBucket | None, parent: pulumi.Resource
) -> OrthancFiles:
    """The volumes and networks that a place needs."""
    match place:
        case None:
            volume = data_volume(f"{name}-volume", "orthanc", stack, parent)
            return OrthancFiles(volume=volume, kept=volume)
        case FilesFolder(path=path):
            volume = folder_volume(f"{name}-files-volume", "files", path, stack, parent)
            return OrthancFiles(volume=volume, kept=volume)
        case FilesBucket() as bucket:
            authority = [File(path=CA_FILE, content=bucket.ca_certificate)] if bucket.ca_certificate else []
            return OrthancFiles(
                volume=working_volume(f"{name}-scratch-volume", "orthanc-scratch", stack, parent),
                kept=None,
                settings=bucket.secret_key.apply(lambda secret: bucket_sections(bucket, secret)),
                files=authority,
                networks=[private_network(f"{name}-bucket-network", "bucket", stack, parent, internal=False)],
            )


def bucket_sections(bucket: FilesBucket, secret_key: str) -> dict[str, object]:
    """Sections of Orthanc's configuration for a bucket.

    Source: Orthanc Book, "Cloud Object Storage plugins". The plugin takes a private authority from Orthanc's own key
    for outgoing HTTPS, which nothing else uses here.
    """
    authority = {"HttpsCACertificates": CA_FILE} if bucket.ca_certificate else {}
    return {
        **authority,
        "AwsS3Storage": {
            "BucketName": bucket.name,
            "Region": bucket.region,
            "AccessKey": bucket.access_key,
            "SecretKey": secret_key,
            "Endpoint": f"https://{bucket.endpoint}",
            # Others than Amazon have no name for each bucket.
            "VirtualAddressing": False,
            "StorageStructure": "flat",
            "ConnectionTimeout": SECONDS_TO_CONNECT,
            "RequestTimeout": SECONDS_OF_A_REQUEST,
        },
    }
