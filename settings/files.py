"""Where the archive's files are, if not on a volume of the stack."""

from pathlib import PurePosixPath

import pulumi

from settings import parsing
from settings.model.archive import ArchiveKind
from settings.model.backup import Backup
from settings.model.machine import LocalMachine, Server, Vm
from settings.parsing import ConfigurationError

KEY = "files"


def folder(
    config: pulumi.Config, archive: ArchiveKind, machine: LocalMachine | Server | Vm, backup: Backup | None
) -> str | None:
    """The folder of the stack's machine; `None`: a volume of the stack."""
    entry = parsing.fields(config, KEY, frozenset({"path"}))
    if not entry:
        return None
    path = parsing.text(KEY, entry, "path")
    if path is None:
        raise ConfigurationError(KEY, "needs path, a folder of the stack's machine.")
    if not parsing.FOLDER.fullmatch(path) or ".." in PurePosixPath(path).parts:
        raise ConfigurationError(f"{KEY}.path", f"{path!r} is not a folder from the root on, such as /mnt/nas/ohif.")
    if archive is not ArchiveKind.ORTHANC:
        raise ConfigurationError(KEY, f"has no effect with {archive}; remove it.")
    if isinstance(machine, Vm):
        raise ConfigurationError(KEY, "would be lost when the VM is replaced, except for its volume; remove it.")
    if backup and backup.folder and overlap(path, backup.folder):
        # A restore removes the files that are not in the backup.
        raise ConfigurationError(f"{KEY}.path", f"{path} and backup.repository must not lie in one another.")
    return path


def overlap(one: str, other: str) -> bool:
    """Whether two folders are the same, or one lies in the other."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
