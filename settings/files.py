"""Where the archive's files are, if not on a volume of the stack."""

import re
from pathlib import PurePosixPath

import pulumi

from settings import parsing
from settings.model.archive import ArchiveKind
from settings.model.backup import Backup
from settings.model.database import DatabaseServer
from settings.model.files import FilesBucket, FilesFolder
from settings.model.machine import LocalMachine, Server, Vm
from settings.parsing import ConfigurationError
from settings.tls import certificates

KEY = "files"
OF_BUCKETS = ("region", "accessKey", "secretKey", "caCertificate")
BUCKET = re.compile(
    r"https://(?P<endpoint>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?)/(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
)
"""Names: Amazon S3 User Guide, "General purpose bucket naming rules"."""


def place(
    config: pulumi.Config,
    archive: ArchiveKind,
    machine: LocalMachine | Server | Vm,
    backup: Backup | None,
    database: DatabaseServer | None,
) -> FilesFolder | FilesBucket | None:
    """A folder of the stack's machine, or a bucket; `None`: a volume of the stack."""
    entry = parsing.fields(config, KEY, frozenset({"path", "bucket", *OF_BUCKETS}))
    if not entry:
        return None
    if archive is not ArchiveKind.ORTHANC:
        raise ConfigurationError(KEY, f"has no effect with {archive}; remove it.")
    match parsing.text(KEY, entry, "path"), parsing.text(KEY, entry, "bucket"):
        case str(path), None:
            return _folder(path, entry, machine, backup)
        case None, str(bucket):
            return _bucket(bucket, entry, backup, database)
        case _:
            raise ConfigurationError(KEY, "needs path, a folder of the stack's machine, or bucket; not both.")


def _folder(
    path: str, entry: dict[str, object], machine: LocalMachine | Server | Vm, backup: Backup | None
) -> FilesFolder:
    if superfluous := [name for name in OF_BUCKETS if name in entry]:
        raise ConfigurationError(f"{KEY}.{superfluous[0]}", "has no effect with path; remove it.")
    if not parsing.FOLDER.fullmatch(path) or ".." in PurePosixPath(path).parts:
        raise ConfigurationError(f"{KEY}.path", f"{path!r} is not a folder from the root on, such as /mnt/nas/ohif.")
    if isinstance(machine, Vm):
        raise ConfigurationError(KEY, "would be lost when the VM is replaced, except for its volume; remove it.")
    if backup and backup.folder and overlap(path, backup.folder):
        # A restore removes the files that are not in the backup.
        raise ConfigurationError(f"{KEY}.path", f"{path} and backup.repository must not lie in one another.")
    return FilesFolder(path=path)


def _bucket(
    address: str, entry: dict[str, object], backup: Backup | None, database: DatabaseServer | None
) -> FilesBucket:
    found = BUCKET.fullmatch(address)
    if not found:
        raise ConfigurationError(f"{KEY}.bucket", f"{address!r} is not an address like https://s3.example.org/bucket")
    region, access_key, secret_key, authority = (parsing.text(KEY, entry, name) for name in OF_BUCKETS)
    if not (region and access_key and secret_key):
        raise ConfigurationError(KEY, "needs region, accessKey and secretKey with bucket.")
    if authority is not None:
        certificates(f"{KEY}.caCertificate", authority)
    if backup is not None:
        raise ConfigurationError(
            "backup",
            "would not hold what is in files.bucket; keep the bucket's versions and back up the database's server.",
        )
    if database is None:
        raise ConfigurationError(
            f"{KEY}.bucket", "needs database: without a backup, the index must not be on the stack's machine either."
        )
    return FilesBucket(
        endpoint=found["endpoint"],
        name=found["name"],
        region=region,
        access_key=access_key,
        secret_key=pulumi.Output.secret(secret_key),
        ca_certificate=authority,
    )


def overlap(one: str, other: str) -> bool:
    """Whether two folders are the same, or one lies in the other."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
