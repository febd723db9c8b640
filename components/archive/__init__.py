"""The DICOM archive, behind one interface: nothing outside this package asks which one runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pulumi


@dataclass(frozen=True, kw_only=True)
class DicomWebSource:
    """What the viewer has to know of the archive."""

    name: str
    """Shown to people."""
    capabilities: Mapping[str, object]
    """OHIF's data source settings that follow from what the archive's DICOMweb can do."""


class Archive(Protocol):
    """What the rest of the program may know of an archive."""

    @property
    def address(self) -> str:
        """`host:port` on the network `imaging`."""
        ...

    @property
    def dicomweb_root(self) -> str:
        """Path of its DICOMweb service, without a trailing slash."""
        ...

    @property
    def authorization(self) -> pulumi.Output[str]:
        """The `Authorization` header that it wants from the gateway."""
        ...

    @property
    def source(self) -> DicomWebSource:
        """For the viewer."""
        ...
