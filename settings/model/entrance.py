"""Public name, certificate and listeners."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from settings.model.archive import Dicom
from settings.model.machine import Network


class Tls(StrEnum):
    """Where the certificate comes from."""

    NONE = "none"
    LETSENCRYPT = "letsencrypt"
    PROVIDED = "provided"


class Dns(StrEnum):
    """DNS provider of the host's records."""

    NONE = "none"
    LINODE = "linode"
    DUCKDNS = "duckdns"


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


class ProxyProtocol(StrEnum):
    """How a proxy in front of the gateway names the client."""

    FORWARDED_FOR = "xForwardedFor"
    """The header X-Forwarded-For."""
    PROXY = "proxyProtocol"
    """HAProxy's PROXY protocol, version 1 or 2, before the first byte of the connection."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A load balancer or reverse proxy in front of the gateway, which browsers reach by HTTPS."""

    trusted: tuple[Network, ...]
    """Addresses from which it connects. What others say of themselves is ignored."""
    protocol: ProxyProtocol
    port: int
    """Public port."""
    hops: int
    """How many proxies add to X-Forwarded-For: the client is so many entries from its end."""
    ca_certificate: str | None
    """PEM of a private authority that signed the proxy's certificate."""


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
    proxy: Proxy | None
    """`None`: browsers connect to the gateway itself."""

    @property
    def loopback_only(self) -> bool:
        """Whether only the Docker host itself can reach the gateway."""
        return all(ipaddress.ip_address(address).is_loopback for address in self.addresses)

    @property
    def dual_stack(self) -> bool:
        """Whether the gateway also accepts IPv6."""
        return any(":" in address for address in self.addresses)
