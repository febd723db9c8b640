"""Bounds of what clients may hold, send and have logged at the gateway.

tests/components/gateway/test_gateway_memory.py computes from the rendered file that they fit into the container's
memory.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Connections and requests of all clients together; one address may hold half of them."""

    connections: int
    requests: int
    """Requests in progress. With HTTP/2 one connection has many."""
    requests_of_session: int = 24
    """At the archive. Fewer than half of its threads (`HttpThreadsCount` of Orthanc)."""


LIMITS = Limits(connections=1024, requests=384)
LIMITS_WITH_TLS = Limits(connections=384, requests=384)
"""A browser opens six connections, and with HTTP/2 one, which costs more."""


@dataclass(frozen=True, kw_only=True)
class AssociationLimits:
    """Concurrent DICOM associations."""

    all: int
    of_one_client: int


ASSOCIATIONS = AssociationLimits(all=16, of_one_client=6)
"""A modality opens one or two."""


@dataclass(frozen=True, kw_only=True)
class LogBounds:
    """Maximum characters of the fields of the access log whose length a client controls."""

    method: int = 20
    user: int = 255
    """Keycloak accepts no longer user name."""
    path: int = 1024
    query: int = 2048
    """Requests to the archive with a longer path or query are rejected, so that its log is complete."""
    anonymous: int = 256
    """Path, and query, of a request without a session."""
    upstream: int = 200
    agent: int = 200


LOG_BOUNDS = LogBounds()

LINK_PART = 3600
"""Characters of a link in one cookie, of which browsers keep 4096 bytes (RFC 6265, 6.1)."""
LINK_PARTS = 4
"""All of a request line that the gateway takes."""

_NUMBER, _COMMA = r"[0-9]{1,6}(?:\.[0-9]{1,6})?", r"(?:,|%2C)"
_SIDE = r"(?:[1-9][0-9]{0,2}|1[0-9]{3}|20[0-3][0-9]|204[0-8])"
RENDER_PARAMETER = (
    rf"(?:window=-?{_NUMBER}{_COMMA}{_NUMBER}{_COMMA}(?:linear|linear-exact|sigmoid)"
    rf"|viewport={_SIDE}{_COMMA}{_SIDE}(?:(?:{_COMMA}[0-9]{{0,4}}){{4}})?"
    r"|quality=(?:100|[1-9]?[0-9])|accept=image/(?:jpeg|png|gif))"
)
"""A query parameter of a rendered image (PS3.18, 8.3.5), as a regular expression. At most 2048 pixels a side: one image
that is scaled much larger would exhaust the archive's memory."""

AUTH_CACHE_SECONDS = 3
"""How long an answer of oauth2-proxy is used again for the same cookies and roles."""
