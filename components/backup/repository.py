"""How restic reaches its repository: environment, files and, for a folder of the machine, a volume."""

from collections.abc import Mapping, Sequence

import pulumi

from components.containers.service import File
from settings import Backup, S3Access, SftpAccess

FOLDER = "/repository"
"""The machine's folder in the container."""
SSH_CONFIG, SSH_KEY, KNOWN_HOSTS = "/etc/backup/ssh_config", "/etc/backup/ssh_key", "/etc/backup/known_hosts"
CA_FILE = "/etc/backup/ca.pem"
SERVER_NAME = "backup-server"
"""In `known_hosts`, whatever host and port the server has."""


def environment(settings: Backup, password: pulumi.Output[str]) -> Mapping[str, pulumi.Input[str]]:
    """Variables that restic reads, and `SFTP_ARGS`, which the script hands on."""
    common: dict[str, pulumi.Input[str]] = {
        "RESTIC_REPOSITORY": FOLDER if settings.folder else settings.repository,
        "RESTIC_PASSWORD": password,
    }
    if settings.ca_certificate:
        common["RESTIC_CACERT"] = CA_FILE
    match settings.access:
        case S3Access() as s3:
            return {**common, "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        case SftpAccess():
            return {**common, "SFTP_ARGS": f"-F {SSH_CONFIG}"}
        case None:
            return common


def files(settings: Backup) -> Sequence[File]:
    """Keys and certificates that the environment names."""
    found = [File(path=CA_FILE, content=settings.ca_certificate)] if settings.ca_certificate else []
    if isinstance(settings.access, SftpAccess):
        found += [
            File(path=SSH_CONFIG, content=ssh_config()),
            File(path=SSH_KEY, content=settings.access.private_key, mode="0400"),
            File(path=KNOWN_HOSTS, content=f"{SERVER_NAME} {settings.access.host_key}\n"),
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
