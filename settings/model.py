"""What the program was told, as frozen dataclasses. Nothing here reads or checks anything."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from access import Role
from images import Image

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONSOLE_USER = "admin"
"""The person of realm master who administers Keycloak; no user of realm `ohif` may be called so."""


class Target(StrEnum):
    """Where the containers run."""

    LOCAL = "local"


class ArchiveKind(StrEnum):
    """Which DICOM archive keeps the studies."""

    ORTHANC = "orthanc"
    DCM4CHEE = "dcm4chee"


class Mfa(StrEnum):
    """Whether a one-time code is asked at login."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class PublicEndpoint:
    """The one address under which a browser knows the system.

    Redirect URIs, issuer, cookie flags, listeners and links all derive from it, so they cannot contradict
    each other.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host, with the port unless it is the scheme's own: what a browser sends as `Host`."""
        usual = 443 if self.secure else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without a trailing slash (RFC 6454)."""
        return f"{self.scheme}://{self.authority}"

    @property
    def secure(self) -> bool:
        """Whether the browser's connection is encrypted."""
        return self.scheme == "https"


@dataclass(frozen=True, kw_only=True)
class User:
    """A person of realm `ohif`; the password is generated, never configured."""

    name: str
    roles: frozenset[Role]
    email: str | None
    first_name: str | None
    last_name: str | None


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """Keycloak's mail server."""

    host: str
    port: int
    sender: str
    start_tls: bool
    user: str | None
    password: pulumi.Output[str] | None


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """How long a login lasts. Seconds."""

    idle: int
    maximum: int
    access_token: int


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
    confirm_switch: bool
    """Whether it may take the place of another archive that holds data."""


@dataclass(frozen=True, kw_only=True)
class DicomTls:
    """DICOM over TLS (PS3.15, annex B). All in PEM."""

    certificate: str
    key: pulumi.Output[str]
    client_ca: str | None
    """Who signs the modalities' certificates; `None`: none is asked for."""


@dataclass(frozen=True, kw_only=True)
class Dicom:
    """How modalities send images (DIMSE)."""

    port: int
    """That modalities connect to."""
    callers: tuple[str, ...]
    """AE titles that may call."""
    networks: tuple[Network, ...]
    """From which they may."""
    tls: DicomTls | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that the program was told."""

    project: str
    stack: str
    target: Target
    endpoint: PublicEndpoint
    bind_address: str
    admin_networks: tuple[Network, ...]
    """Empty: nobody."""
    archive: Archive
    dicom: Dicom | None
    """`None`: closed."""
    users: tuple[User, ...]
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    protect_data: bool
    images: Mapping[str, Image]
