"""What the program was told, as frozen dataclasses. Nothing here reads or checks anything."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from access import Role
from images import Image
from public_endpoint import PublicEndpoint

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONSOLE_USER = "admin"
"""The person of realm master who administers Keycloak; no user of realm `ohif` may be called so."""


class Target(StrEnum):
    """Where the containers run."""

    LOCAL = "local"
    SERVER = "server"
    LINODE = "linode"


class Tls(StrEnum):
    """Where the certificate comes from."""

    NONE = "none"
    LETSENCRYPT = "letsencrypt"
    PROVIDED = "provided"


class Dns(StrEnum):
    """Who keeps the record of the host's name."""

    NONE = "none"
    LINODE = "linode"
    DUCKDNS = "duckdns"


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
class Acme:
    """A certificate from a certification authority that speaks ACME (RFC 8555), by HTTP-01."""

    host: str
    """The name that it is for."""
    email: str
    """For the CA's account."""
    directory: str
    """URL of the CA's directory."""
    ca_certificate: str | None
    """PEM of a private CA, for those that must trust it; `None` for one that everybody trusts."""
    caa_identity: str | None
    """The CA's name in CAA records (RFC 8659), where it is known."""


@dataclass(frozen=True, kw_only=True)
class ProvidedCertificate:
    """A certificate of the hospital's own, checked against its key, its dates and the host."""

    chain: str
    """PEM: the certificate, then its intermediates."""
    key: pulumi.Output[str]
    """PEM, secret."""
    ocsp_stapling: bool
    """Whether it names an OCSP responder."""
    ca_certificate: str | None
    """PEM of a private authority, for those that must trust it; `None` for one that everybody trusts."""


@dataclass(frozen=True, kw_only=True)
class LinodeZone:
    """The host's records in a zone that Linode serves."""

    host: str
    zone: str
    new: bool
    """Whether the program makes the zone; else the account has it already."""
    email: str | None
    """Contact of a new zone (SOA)."""


@dataclass(frozen=True, kw_only=True)
class DuckDns:
    """A record at DuckDNS, which the machine itself keeps up to date."""

    domain: str
    """The label before `.duckdns.org`."""
    token: pulumi.Output[str]
    server: str
    """URL; another than the public one for tests."""


@dataclass(frozen=True, kw_only=True)
class LocalMachine:
    """The engine of the machine that runs the program."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A host that exists, reached by SSH."""

    user: str
    address: str
    port: int
    host_key: str
    """Type and key as in `known_hosts`; no other is taken."""
    ipv6: bool
    """Whether its engine hands IPv6 clients on with their own address."""
    private_key_file: str | None
    """`None`: what `ssh` finds by itself, the agent's keys too."""


@dataclass(frozen=True, kw_only=True)
class Vm:
    """A Linode that the program makes."""

    region: str
    type: str
    image: str
    volume_gb: int
    backups: bool
    reserved_address: bool
    """Whether its IPv4 address is the account's own and outlives it."""
    public_key: str
    """Of the person or machine that runs the program."""
    private_key_file: str | None
    token: pulumi.Output[str] | None
    """Of the Linode account; a preview does without."""
    api_url: str
    """Without the version's path."""


Machine = LocalMachine | Server | Vm


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
    maximum_gb: int
    """Orthanc refuses instances beyond so many GB of stored files; 0: no limit."""
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
class Listeners:
    """Where the gateway accepts connections, and from where administration is allowed."""

    addresses: tuple[str, ...]
    """Addresses of the Docker host."""
    http_port: int
    https_port: int
    admin_networks: tuple[Network, ...]
    dicom: Dicom | None
    """`None`: no DICOM port."""

    @property
    def loopback_only(self) -> bool:
        """Whether only the Docker host itself can reach the gateway."""
        return all(ipaddress.ip_address(address).is_loopback for address in self.addresses)

    @property
    def dual_stack(self) -> bool:
        """Whether the gateway also accepts IPv6."""
        return any(":" in address for address in self.addresses)


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Who signs in at realm `ohif`, how, and for how long."""

    secure: bool
    """Whether browsers use HTTPS."""
    ca_certificate: str | None
    """PEM of a private authority that signed the origin's certificate."""
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    users: tuple[User, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of a stack."""

    project: str
    stack: str
    machine: Machine
    host: str | None
    """Name or address that browsers use; `None`: the machine's own address."""
    listeners: Listeners
    certificate: Acme | ProvidedCertificate | None
    """`None`: HTTP, patients' data is sent unencrypted."""
    dns: LinodeZone | DuckDns | None
    archive: Archive
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    users: tuple[User, ...]
    protect_data: bool
    images: Mapping[str, Image]

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS."""
        return self.certificate is not None

    @property
    def sign_in(self) -> SignIn:
        """What the realm is configured from."""
        return SignIn(
            secure=self.secure,
            ca_certificate=self.certificate.ca_certificate if self.certificate else None,
            sessions=self.sessions,
            mfa=self.mfa,
            smtp=self.smtp,
            users=self.users,
        )

    @property
    def user_names(self) -> tuple[str, ...]:
        """User names of realm `ohif`."""
        return tuple(user.name for user in self.users)

    def endpoint(self, host: str) -> PublicEndpoint:
        """The public endpoint under this host."""
        return PublicEndpoint(
            scheme="https" if self.secure else "http",
            host=host,
            port=self.listeners.https_port if self.secure else self.listeners.http_port,
        )
