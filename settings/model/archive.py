"""The archive, and how modalities send to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from route import SHARER, Role, group_role
from settings.model.machine import Network


class ArchiveKind(StrEnum):
    """Which DICOM archive keeps the studies."""

    ORTHANC = "orthanc"
    DCM4CHEE = "dcm4chee"


class CharacterSet(StrEnum):
    """Defined terms of Specific Character Set that the archive can use as a default (PS3.3, C.12.1.1.2)."""

    UTF_8 = "ISO_IR 192"
    LATIN_1 = "ISO_IR 100"
    LATIN_2 = "ISO_IR 101"
    LATIN_3 = "ISO_IR 109"
    LATIN_4 = "ISO_IR 110"
    CYRILLIC = "ISO_IR 144"
    ARABIC = "ISO_IR 127"
    GREEK = "ISO_IR 126"
    HEBREW = "ISO_IR 138"
    LATIN_5 = "ISO_IR 148"
    JAPANESE = "ISO_IR 13"
    THAI = "ISO_IR 166"
    CHINESE = "GB18030"
    KOREAN = "ISO 2022 IR 149"


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """Which label a new study gets."""

    when: Mapping[str, str]
    """Patterns (`*`, `?`) by DICOM keyword or `callingAeTitle`; all must match, whatever the case of letters."""
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShareLinks:
    """Links to one study, made by those with the realm role `sharer`."""

    maximum_days: int
    without_login: bool
    """Whether the link is all that its reader needs; else a login with any role as well."""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Who may read which study: who is in a group reads the studies with its label."""

    groups: tuple[str, ...]
    """None: there are share links only, and who has a role reads all studies."""
    unrestricted: frozenset[Role]
    """Roles that read all studies."""
    rules: tuple[LabelRule, ...]
    """A new study gets the labels of every rule that matches its first instance; none matches: none."""
    shares: ShareLinks | None
    """`None`: no links."""

    @property
    def realm_roles(self) -> dict[str, str]:
        """Realm roles that these settings add, with what they are for."""
        of_groups = {group_role(group): f"Reads studies with the label {group}" for group in self.groups}
        return {**of_groups, SHARER: "Makes links that show one study to others"} if self.shares else of_groups


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Which archive runs, and with what."""

    kind: ArchiveKind
    ae_title: str
    """Its own application entity title (PS3.8): what modalities call, and a part of DCM4chee's paths."""
    device_name: str
    """Name of DCM4chee's device in its LDAP directory."""
    memory_mib: int
    """Limit of its container; DCM4chee's Java heap is sized by it."""
    maximum_gb: int
    """Orthanc refuses instances beyond so many GB of stored files; 0: no limit."""
    default_character_set: CharacterSet | None
    """For files that name none in (0008,0005); `None`: the archive's own default."""
    rights: Rights | None
    """`None`: who has a role reads all studies."""
    confirm_switch: bool
    """Whether it may take the place of another archive that holds data."""


@dataclass(frozen=True, kw_only=True)
class DicomTls:
    """DICOM over TLS (PS3.15, annex B). All in PEM."""

    certificate: str
    key: pulumi.Output[str]
    client_ca: str | None
    """Authority of the modalities' certificates; `None`: no client certificate is required."""


@dataclass(frozen=True, kw_only=True)
class Dicom:
    """How modalities send images (DIMSE)."""

    port: int
    """Port on which modalities connect."""
    callers: tuple[str, ...]
    """AE titles that may call."""
    networks: tuple[Network, ...]
    """Networks that callers connect from."""
    tls: DicomTls | None
