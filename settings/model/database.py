"""A PostgreSQL server that somebody else runs."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class DatabaseLogin:
    """One service's own database on the server."""

    name: str
    user: str
    """Owns the database, and may make others (`CREATEDB`), as a restore makes one next to it."""
    password: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """Where it is, and how the services sign in."""

    host: str
    """A name or an address that its certificate covers."""
    port: int
    ca_certificate: str
    """PEM of the authority that signed its certificate. There is no connection without TLS."""
    keycloak: DatabaseLogin
    archive: DatabaseLogin
