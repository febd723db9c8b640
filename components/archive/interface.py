"""Arguments and interface of every archive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import pulumi
import pulumi_docker as docker

from components.backup.dump import DumpSource
from components.containers.networks import Networks
from components.containers.stack_context import StackContext
from route import ArchiveRoot
from settings import Archive as ArchiveSettings
from settings import DatabaseServer, Dicom, FilesBucket, FilesFolder

DATABASE_SECRET = "archive-database"  # noqa: S105 - a name
"""Its password, where the stack runs the server."""


@dataclass(frozen=True)
class ArchiveArgs:
    """Arguments of an archive."""

    stack: StackContext
    networks: Networks
    secrets: Mapping[str, pulumi.Output[str]]
    """The generated secrets named in `SECRETS`, by name."""
    settings: ArchiveSettings
    dicom: Dicom | None
    """`None`: the DICOM port is closed."""
    database: DatabaseServer | None
    """`None`: a server of its own for its index."""
    files: FilesFolder | FilesBucket | None
    """Where its files are; `None`: on a volume of its own."""


@dataclass(frozen=True, kw_only=True)
class ArchiveData:
    """What of an archive has to be backed up."""

    files: docker.Volume | None
    """Objects, which are written once and never changed; `None`: no volume has them."""
    dumps: Sequence[DumpSource]
    """Index and directory."""


@dataclass(frozen=True, kw_only=True)
class DicomWebSource:
    """Properties of the archive that the viewer is configured with."""

    name: str
    """Display name."""
    capabilities: Mapping[str, object]
    """OHIF's data source settings for the archive's DICOMweb. Without `singlepart` PDF pages stay empty."""


class Archive(Protocol):
    """Interface of an archive for the rest of the program.

    It keeps its data on volumes that are protected if the stack protects data, is healthy when its own endpoint says
    so, and publishes no port. It is reached on the network `archive`, which it shares with the gateway alone.
    """

    SECRETS: ClassVar[Sequence[str]]
    """Names of the generated secrets that it wants (components/secrets.py)."""
    ROOTS: ClassVar[Sequence[ArchiveRoot]]
    """Its own pages and their API, for the route table."""

    @staticmethod
    def immutable_settings(settings: ArchiveSettings) -> Mapping[str, str]:
        """Settings, by their keys, that it writes into its data when that is made."""
        ...

    @property
    def address(self) -> str:
        """`host:port` of its HTTP."""
        ...

    @property
    def dimse_address(self) -> str:
        """`host:port` of its DICOM port, which is closed unless settings open it."""
        ...

    @property
    def dicomweb_root(self) -> str:
        """Path of its DICOMweb service, without a trailing slash."""
        ...

    @property
    def rewrite_links(self) -> bool:
        """Whether its DICOMweb answers hold links below `dicomweb_root`, which the gateway has to turn into its own."""
        ...

    @property
    def misreads_searches(self) -> bool:
        """Whether a backslash, `&` or an encoded `%2C` in a search finds something else than was asked for."""
        ...

    @property
    def scripted_root(self) -> str | None:
        """Path where its scripts answer for its DICOMweb service: metadata, and bulk data as a single part. `None`: it
        needs none."""
        ...

    @property
    def zip_path(self) -> str:
        """Path of a study as a ZIP file, with `$study` for its StudyInstanceUID."""
        ...

    @property
    def authorization(self) -> pulumi.Output[str] | None:
        """The `Authorization` header that it wants from the gateway; `None` if it cannot check one."""
        ...

    @property
    def restricted_authorization(self) -> pulumi.Output[str] | None:
        """The one for users who may not read every study; `None`: there are none."""
        ...

    @property
    def source(self) -> DicomWebSource:
        """For the viewer."""
        ...

    @property
    def data(self) -> ArchiveData:
        """For backups."""
        ...
