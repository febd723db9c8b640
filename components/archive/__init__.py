"""The DICOM archive, behind one interface: nothing outside this package asks which one runs."""

from collections.abc import Mapping, Sequence

import pulumi

import settings
from access import ArchiveRoot
from components.archive.choice import ArchiveChoice, ArchiveChoiceArgs
from components.archive.dcm4chee import Dcm4chee
from components.archive.interface import Archive, ArchiveArgs, DicomWebSource
from components.archive.orthanc import Orthanc
from settings import ArchiveKind

__all__ = [
    "Archive",
    "ArchiveArgs",
    "DicomWebSource",
    "archive_roots",
    "archive_secrets",
    "make_archive",
    "require_confirmed_archive",
]

_MAKERS: Mapping[ArchiveKind, type[Orthanc] | type[Dcm4chee]] = {
    ArchiveKind.ORTHANC: Orthanc,
    ArchiveKind.DCM4CHEE: Dcm4chee,
}


def make_archive(name: str, args: ArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> Archive:
    """The archive that the settings name."""
    return _MAKERS[args.told.kind](name, args, opts)


def archive_secrets(kind: ArchiveKind) -> Sequence[str]:
    """Names of the generated secrets of an archive."""
    return _MAKERS[kind].SECRETS


def archive_roots(kind: ArchiveKind) -> Sequence[ArchiveRoot]:
    """The parts of an archive that the gateway opens to its administrators."""
    return _MAKERS[kind].ROOTS


def require_confirmed_archive(name: str, told: settings.Archive) -> pulumi.ResourceOptions:
    """Keep the choice in the stack's state. What gets the options is touched only once the choice is agreed."""
    args = ArchiveChoiceArgs(
        archive=told.kind,
        confirmed=told.confirm_switch,
        written=_MAKERS[told.kind].written(told),
    )
    return pulumi.ResourceOptions(depends_on=ArchiveChoice(name, args).agreed)
