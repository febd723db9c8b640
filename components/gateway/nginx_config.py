"""The gateway's nginx configuration, rendered from the route table."""

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2

from access import AUTH_PROXY_PATH, DICOMWEB_PATH, DOWNLOAD_PATH, KEYCLOAK_PATH, LINK_PATH, VIEWER_PATH
from components.archive.orthanc_config import INDEX_CONNECTIONS
from components.gateway import content_security
from components.gateway.limits import (
    ASSOCIATIONS,
    AUTH_CACHE_SECONDS,
    LIMITS,
    LIMITS_WITH_TLS,
    LINK_PART,
    LINK_PARTS,
    LOG_BOUNDS,
    RENDER_PARAMETER,
)
from route import FromAdminNetworks, Handler, Role, Route, SignedIn

TEMPLATES = Path(__file__).parents[2] / "assets" / "gateway"
PATHS = {
    "auth_proxy": AUTH_PROXY_PATH,
    "dicomweb": DICOMWEB_PATH,
    "download": DOWNLOAD_PATH,
    "keycloak": KEYCLOAK_PATH,
    "link": LINK_PATH,
    "viewer": VIEWER_PATH,
}
"""Public paths, for the templates."""

HTTP_PORT = 8080
HTTPS_PORT = 8443
"""Inside the container: a program without privileges listens above 1023."""
IPV6_SHIFT = 10_000
"""Offset of a port inside the container for IPv6. A port published for both families would be published twice, and
engines list such bindings in orders of their own, which the Docker provider takes for a change (service.py).
"""
HEALTH_PORT = 8081
"""Inside the container, on loopback: the healthcheck needs no public host name."""

DICOM_PORT = 11112
"""Inside the container."""

HTTP_SOCKET = "unix:/tmp/http.sock"
HTTPS_SOCKET = "unix:/tmp/https.sock"
"""Where nginx's `stream` hands on connections to its `http`."""

ARCHIVE_ATTEMPTS = INDEX_CONNECTIONS + 1
"""How often a read is given to the archive while it answers 503: one more than the dead connections that it may have
after a restart of its database (docs/adr/0016)."""

CHALLENGE_PATH = r"^/\.well-known/acme-challenge/[\w-]{1,128}(?![\s\S])"
"""Where a certification authority asks for the proof; the token is base64url (RFC 8555, 8.3)."""


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
    frame_ancestors: Sequence[str]
    """Origins whose pages may show the viewer in a frame."""
    asset_root: str
    """Folder in the container with the gateway's files; those that are served are in `www/` below it."""

    @property
    def host_is_address(self) -> bool:
        """Whether browsers come by an IP address."""
        return self.host.rpartition(".")[2].isdigit()


@dataclass(frozen=True, kw_only=True)
class GuardedRoute:
    """A route as the template needs it."""

    route: Route
    methods: str | None
    """Alternatives of a regular expression; `None` if every method passes."""
    roles_by_method: Mapping[str, str]
    """Method (or `default`) to the roles that oauth2-proxy is asked for, joined by commas; empty: no session."""
    admin_networks_only: bool

    @property
    def needs_session(self) -> bool:
        """Whether oauth2-proxy is asked before the request goes on."""
        return bool(self.roles_by_method)

    @property
    def variable(self) -> str:
        """Name of the map that picks the roles by the request's method."""
        return f"roles_{self.route.name.replace('-', '_')}"


def guard(route: Route) -> GuardedRoute:
    """Read a route's rules.

    Raises:
        ValueError: the rules mix kinds of access that one nginx location cannot tell apart.
    """
    kinds = {type(rule.access) for rule in route.rules}
    if len(kinds) != 1:
        raise ValueError(f"route {route.name} mixes {sorted(kind.__name__ for kind in kinds)}")
    methods = route.methods
    roles: dict[str, str] = {}
    for rule in route.rules:
        if isinstance(rule.access, SignedIn):
            wanted = ",".join(role for role in Role if role in rule.access.roles)
            for method in sorted(rule.methods) if rule.methods else ["default"]:
                roles.setdefault(method, wanted)
    # A method that no rule names never gets so far; the map must not let it through either.
    if roles:
        roles.setdefault("default", Role.PACSADMIN)
    return GuardedRoute(
        route=route,
        methods=None if methods is None else "|".join(sorted(methods)),
        roles_by_method=roles,
        admin_networks_only=kinds == {FromAdminNetworks},
    )


def render(config: GatewayConfig) -> str:
    """The file, in nginx's language.

    Raises:
        ValueError: a route has a handler without a template.
    """
    for route in config.routes:
        if not (TEMPLATES / "handlers" / f"{route.handler}.conf.j2").is_file():
            raise ValueError(
                f"route {route.name}: no template for the handler {route.handler}; "
                f"add assets/gateway/handlers/{route.handler}.conf.j2"
            )
    return _rendered("nginx.conf.j2", config)


def render_waiting(config: GatewayConfig) -> str:
    """nginx's configuration until there is a certificate."""
    return _rendered("waiting.conf.j2", config)


@functools.cache
def _environment() -> jinja2.Environment:
    """The templates, compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - nginx configuration, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["escaped"] = re.escape
    environment.globals["paths"] = PATHS
    return environment


def _rendered(template: str, config: GatewayConfig) -> str:
    """A template's text."""
    origin = f"{config.scheme}://{config.authority}"
    guarded = [guard(route) for route in config.routes]
    return (
        _environment()
        .get_template(template)
        .render(
            config=config,
            client="$client_address" if config.proxy and not config.proxy.proxy_protocol else "$remote_addr",
            routes=guarded,
            origin=origin,
            quoted_home=quote(f"{origin}/", safe=""),
            http_port=HTTP_PORT,
            https_port=HTTPS_PORT,
            http_socket=HTTP_SOCKET,
            https_socket=HTTPS_SOCKET,
            site_socket=f"{HTTPS_SOCKET} ssl" if config.tls else HTTP_SOCKET,
            limits=LIMITS_WITH_TLS if config.tls else LIMITS,
            dimse_limits=ASSOCIATIONS,
            listen=lambda port: [str(port), f"[::]:{port + IPV6_SHIFT}"] if config.ipv6 else [str(port)],
            challenge_path=CHALLENGE_PATH,
            health_port=HEALTH_PORT,
            dicom_port=DICOM_PORT,
            auth_cache_seconds=AUTH_CACHE_SECONDS,
            log_bounds=LOG_BOUNDS,
            render_parameter=RENDER_PARAMETER,
            link_parts=LINK_PARTS,
            link_part=LINK_PART,
            policies=content_security.policies(
                config.routes, [f"{origin}{root}/" for root in _archive_roots(config.routes)], config.frame_ancestors
            ),
            error_page_policy=content_security.header(content_security.ERROR_PAGE),
            attempts={"archive": ARCHIVE_ATTEMPTS},
            storing_roles="|".join(role for role in Role if role is not Role.VIEWER),
            download_roles="".join(
                it.roles_by_method["GET"].replace(",", "|") for it in guarded if it.route.handler is Handler.DOWNLOAD
            ),
        )
    )


def _archive_roots(routes: Sequence[Route]) -> Sequence[str]:
    """Public paths below which the archive is, without those below another."""
    publics = sorted({route.archive_root.public for route in routes if route.archive_root})
    return [it for it in publics if not any(it.startswith(f"{other}/") for other in publics)]
