"""What the gateway's nginx configuration is rendered from."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from route import Handler, Route


@dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """Certificate of the gateway. Paths in its container."""

    certificate: str
    key: str
    ocsp_stapling: bool
    """Whether the certificate's own OCSP responder is asked for a proof to hand out."""
    webroot: str | None
    """Where the answers for the certification authority lie; `None`: nobody asks."""


@dataclass(frozen=True, kw_only=True)
class Dimse:
    """How DICOM associations are let in."""

    upstream: str
    """`host:port` of the archive's DICOM port."""
    networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
    trust_bridge_address: bool
    """As in `GatewayConfig`."""
    tls: bool
    client_certificates: bool
    """Whether a modality must show one."""


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """The proxy that clients come through."""

    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
    trust_bridge_address: bool
    """Whether it may show the address of the Docker bridge: one on the engine's machine, which alone can connect."""
    proxy_protocol: bool
    """Whether it names the client by the PROXY protocol; else by X-Forwarded-For."""
    hops: int


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """Values in the files."""

    scheme: str
    """That browsers use."""
    tls: TlsConfig | None
    """`None`: the gateway itself speaks HTTP."""
    proxy: ProxyConfig | None
    """`None`: browsers connect to the gateway itself."""
    ipv6: bool
    """Whether it listens for both families."""
    trust_bridge_address: bool
    """Whether a client that shows the address of the Docker bridge may be in an admin network: where only this
    machine can reach the listener. Other containers never are."""
    host: str
    authority: str
    """Host, and port unless it is the scheme's own."""
    port: int
    routes: Sequence[Route]
    admin_networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
    upstreams: Mapping[str, str]
    """`host:port` by the names `auth_proxy`, `keycloak`, `viewer`, `archive`."""
    dicomweb_root: str
    """The archive's DICOMweb root, without a trailing slash."""
    rewrite_links: bool
    """Whether the archive's answers hold links below that root."""
    misreads_searches: bool
    """Whether the archive finds something else where a search holds a backslash, `&` or an encoded `%2C`."""
    unrestricted_roles: Sequence[str] | None
    """Roles that read every study; `None`: all of them do."""
    scripted_root: str | None
    """Where the archive's scripts answer metadata and bulk data as a single part; `None`: below `dicomweb_root`."""
    zip_path: str
    """Where the archive has a study as a ZIP file, with `$study` for its StudyInstanceUID."""
    dimse: Dimse | None
    """`None`: no DICOM port."""
    realm_path: str
    client_id: str
    session_cookie: str
    """Name of oauth2-proxy's session cookie."""
    accept_tokens: bool
    """Whether DICOMweb takes an access token in `Authorization` in place of a session."""
    audit_file: str | None
    """Where lines about users' requests are kept besides; `None`: nowhere."""
    frame_ancestors: Sequence[str]
    """Origins whose pages may show the viewer in a frame."""
    asset_root: str
    """Folder in the container with the gateway's files; those that are served are in `www/` below it."""

    @property
    def share_links(self) -> bool:
        """Whether there are any."""
        return any(route.handler is Handler.SHARE_LINK for route in self.routes)

    @property
    def host_is_address(self) -> bool:
        """Whether browsers come by an IP address."""
        return self.host.rpartition(".")[2].isdigit()
