"""The gateway's nginx configuration, rendered from the route table."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import jinja2

from components.archive.orthanc_config import INDEX_CONNECTIONS, OPENED_SHARE_PATH
from components.gateway import content_security
from components.gateway.guarded_route import GuardedRoute, guard
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
from components.gateway.model import GatewayConfig
from public_paths import (
    AUTH_PROXY_PATH,
    DICOMWEB_PATH,
    DOWNLOAD_PATH,
    KEYCLOAK_PATH,
    LINK_PATH,
    SHARE_ID,
    SHARED_PATH,
    SHARES_PATH,
    VIEWER_PATH,
)
from route import Handler, Role, Route

TEMPLATES = Path(__file__).parents[2] / "assets" / "gateway"
PATHS = {
    "auth_proxy": AUTH_PROXY_PATH,
    "dicomweb": DICOMWEB_PATH,
    "download": DOWNLOAD_PATH,
    "keycloak": KEYCLOAK_PATH,
    "link": LINK_PATH,
    "shared": SHARED_PATH,
    "shares": SHARES_PATH,
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
            opened_share_path=OPENED_SHARE_PATH,
            share_path=f"{SHARED_PATH}/{SHARE_ID}",
            sharing_roles=roles_of(guarded, Handler.SHARE_LIST),
            storing_roles="|".join(role for role in Role if role is not Role.VIEWER),
            download_roles=roles_of(guarded, Handler.DOWNLOAD),
        )
    )


def roles_of(guarded: Sequence[GuardedRoute], handler: Handler) -> str:
    """Roles that may read what a handler answers, as alternatives of a regular expression; empty: it is not there."""
    return "".join(it.roles_by_method["GET"].replace(",", "|") for it in guarded if it.route.handler is handler)


def _archive_roots(routes: Sequence[Route]) -> Sequence[str]:
    """Public paths below which the archive is, without those below another."""
    publics = sorted({route.archive_root.public for route in routes if route.archive_root})
    return [it for it in publics if not any(it.startswith(f"{other}/") for other in publics)]
