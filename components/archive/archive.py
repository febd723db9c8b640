"""Creates the archive that the settings select, and answers questions about it for the rest of the program."""

from collections.abc import Mapping, Sequence

import pulumi

from components.archive.choice import ArchiveChoice, ArchiveChoiceArgs
from components.archive.dcm4chee import Dcm4chee
from components.archive.interface import DATABASE_SECRET, Archive, ArchiveArgs
from components.archive.orthanc import RESTRICTED_SECRET, Orthanc
from names import SERVER_PLACE
from route import ArchiveRoot
from settings import Archive as ArchiveSettings
from settings import ArchiveKind, Settings
from settings.images import database_majors, writers

_MAKERS: Mapping[ArchiveKind, type[Orthanc] | type[Dcm4chee]] = {
    ArchiveKind.ORTHANC: Orthanc,
    ArchiveKind.DCM4CHEE: Dcm4chee,
}


def make_archive(name: str, args: ArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> Archive:
    """The archive that the settings name."""
    return _MAKERS[args.settings.kind](name, args, opts)


def archive_secrets(settings: ArchiveSettings, *, own_database: bool) -> Sequence[str]:
    """Names of the generated secrets of an archive."""
    wanted = [*_MAKERS[settings.kind].SECRETS, *([RESTRICTED_SECRET] if settings.rights else [])]
    return [it for it in wanted if own_database or it != DATABASE_SECRET]


def archive_roots(kind: ArchiveKind) -> Sequence[ArchiveRoot]:
    """The parts of an archive that the gateway opens to its administrators."""
    return _MAKERS[kind].ROOTS


def require_confirmed_archive(name: str, settings: Settings) -> pulumi.ResourceOptions:
    """Keep the choice of the archive, and where and of which versions the databases are, in the stack's state.

    Resources created with the returned options wait until what runs now can use the data that are there.
    """
    args = ArchiveChoiceArgs(
        archive=settings.archive.kind,
        confirmed=settings.archive.confirm_switch,
        immutable_settings=_MAKERS[settings.archive.kind].immutable_settings(settings.archive),
        databases={} if settings.database else database_majors(settings.images, settings.archive.kind),
        places=places(settings),
        writers=writers(settings.images, settings.archive.kind),
    )
    return pulumi.ResourceOptions(depends_on=ArchiveChoice(name, args).accepted)


def places(settings: Settings) -> Mapping[str, str]:
    """Where data are that are not on the stack's own volumes, by the key of the setting that says so."""
    named = {
        "database": SERVER_PLACE if settings.database else None,
        "files": settings.files.place if settings.files else None,
    }
    return {key: place for key, place in named.items() if place}
