"""Where restic's repository is, and how restic reaches it: environment and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.containers.service import File
from components.containers.stack_context import StackContext
from components.machine.bucket import Bucket, BucketArgs
from components.machine.host import Host
from components.machine.vm import VmHost
from settings import Backup, LinodeBucket, S3Access, SftpAccess

FOLDER = "/repository"
"""The machine's folder in the container."""
SSH_CONFIG, SSH_KEY, KNOWN_HOSTS = "/etc/backup/ssh_config", "/etc/backup/ssh_key", "/etc/backup/known_hosts"
CA_FILE = "/etc/backup/ca.pem"
SERVER_NAME = "backup-server"
"""In `known_hosts`, whatever host and port the server has."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository that exists, or that restic can make."""

    address: pulumi.Input[str]
    """As restic names it."""
    access: S3Access | SftpAccess | None
    """`None`: a folder of the stack's machine."""
    ca_certificate: str | None
    """PEM of a private authority that signed the store's certificate."""


def make_repository(
    name: str, stack: StackContext, settings: Backup, host: Host, opts: pulumi.ResourceOptions
) -> Repository:
    """The repository of the settings, with a bucket and a key at Linode if they ask for these."""
    if not isinstance(settings.access, LinodeBucket):
        return Repository(
            address=FOLDER if settings.folder else settings.repository,
            access=settings.access,
            ca_certificate=settings.ca_certificate,
        )
    if not isinstance(host, VmHost):
        raise TypeError("a bucket at Linode needs the account of a VM")
    region = settings.access.region
    args = BucketArgs(stack=stack, purpose="backup", region=region, provider=host.cloud.provider)
    bucket = Bucket(name, args, opts)
    return Repository(
        address=pulumi.Output.concat("s3:", bucket.url),
        # A key for one bucket may not be allowed to ask where the bucket is.
        access=S3Access(access_key=bucket.access_key, secret_key=bucket.secret_key, region=region),
        ca_certificate=settings.ca_certificate,
    )


def environment(repository: Repository, password: pulumi.Output[str]) -> Mapping[str, pulumi.Input[str]]:
    """Variables that restic reads, and `SFTP_ARGS`, which the script hands on."""
    common: dict[str, pulumi.Input[str]] = {"RESTIC_REPOSITORY": repository.address, "RESTIC_PASSWORD": password}
    if repository.ca_certificate:
        common["RESTIC_CACERT"] = CA_FILE
    match repository.access:
        case S3Access() as s3:
            region = {"AWS_DEFAULT_REGION": s3.region} if s3.region else {}
            return {**common, **region, "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        case SftpAccess():
            return {**common, "SFTP_ARGS": f"-F {SSH_CONFIG}"}
        case None:
            return common


def files(repository: Repository) -> Sequence[File]:
    """Keys and certificates that the environment names."""
    found = [File(path=CA_FILE, content=repository.ca_certificate)] if repository.ca_certificate else []
    if isinstance(repository.access, SftpAccess):
        found += [
            File(path=SSH_CONFIG, content=ssh_config()),
            File(path=SSH_KEY, content=repository.access.private_key, mode="0400"),
            File(path=KNOWN_HOSTS, content=f"{SERVER_NAME} {repository.access.host_key}\n"),
        ]
    return found


def ssh_config() -> str:
    """Settings for OpenSSH's client (ssh_config(5)): this key, this server, no question."""
    options = {
        "BatchMode": "yes",
        "IdentityFile": SSH_KEY,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": KNOWN_HOSTS,
        "HostKeyAlias": SERVER_NAME,
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "30",
        # A greeting of the server is no cause of a failure.
        "LogLevel": "ERROR",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())
