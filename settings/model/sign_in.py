"""Users, sessions and mail."""

from dataclasses import dataclass
from enum import StrEnum

import pulumi

from route import Role

CONSOLE_USER = "admin"
"""User of realm master who administers Keycloak; no user of realm `ohif` may have this name."""


class Mfa(StrEnum):
    """Whether a one-time code is asked at login."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of realm `ohif`; the password is generated, never configured."""

    name: str
    roles: frozenset[Role]
    email: str | None
    first_name: str | None
    last_name: str | None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that uses DICOMweb with tokens."""

    name: str
    roles: frozenset[Role] | None
    """Its own; the secret with which it gets tokens is generated. `None`: it acts for users who sign in."""


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
class SignIn:
    """Users, sessions, second factor and mail of realm `ohif`."""

    secure: bool
    """Whether browsers use HTTPS."""
    ca_certificate: str | None
    """PEM of a private authority that signed the origin's certificate."""
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    users: tuple[User, ...]
    programs: tuple[Program, ...]
