"""Users, sessions and mail."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from route import Role
from settings.model.federation import Directory, LoginProvider, OpenIdProvider

CONSOLE_USER = "admin"
"""User of realm master who administers Keycloak; no user of realm `ohif` may have this name."""


class Mfa(StrEnum):
    """Who needs a one-time code at login."""

    OFF = "off"
    OPTIONAL = "optional"
    ADMINISTRATORS = "administrators"
    REQUIRED = "required"

    @property
    def demands(self) -> bool:
        """Whether some users do not get in without a code, and so must not be able to remove it."""
        return self in (Mfa.ADMINISTRATORS, Mfa.REQUIRED)

    def demands_of(self, roles: Collection[str]) -> bool:
        """Whether a user with these roles does not get in without a code."""
        return self is Mfa.REQUIRED or (self is Mfa.ADMINISTRATORS and Role.PACSADMIN in roles)


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of realm `ohif`; the password is generated, never configured."""

    name: str
    roles: frozenset[str]
    """Realm roles: those of the program, and `group:…`."""
    email: str | None
    first_name: str | None
    last_name: str | None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that uses DICOMweb with tokens."""

    name: str
    roles: frozenset[str] | None
    """Its own; the secret with which it gets tokens is generated. `None`: it acts for users who sign in."""


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """The mail server, for Keycloak's mails and those about backups."""

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
class PasswordRules:
    """What a password that a user chooses must be like."""

    length: int
    digits: int
    upper_case: int
    lower_case: int
    history: int
    """How many earlier ones it must differ from."""
    maximum_age_days: int | None
    """After which another has to be chosen; `None`: never, as NIST SP 800-63B advises."""
    temporary: bool
    """Whether a generated password works once, and another has to be chosen then."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Users, their directory and login providers, sessions, second factor and mail of realm `ohif`."""

    secure: bool
    """Whether browsers use HTTPS."""
    ca_certificate: str | None
    """PEM of a private authority that signed the origin's certificate."""
    sessions: SessionLimits
    mfa: Mfa
    passkeys: bool
    """Whether a passkey may be used in place of a one-time code."""
    password_rules: PasswordRules
    smtp: Smtp | None
    users: tuple[User, ...]
    directory: Directory | None
    login_providers: tuple[LoginProvider, ...]
    programs: tuple[Program, ...]
    rights_roles: Mapping[str, str]
    """Realm roles that `rights` adds, with what they are for."""

    @property
    def connects_out(self) -> bool:
        """Whether Keycloak needs outbound access."""
        return bool(self.smtp or self.directory or self._openid_providers)

    @property
    def authorities(self) -> Mapping[str, str]:
        """PEM of private authorities that Keycloak trusts, by the name of what they signed for."""
        found = {f"provider-{provider.name}": provider.ca_certificate for provider in self._openid_providers}
        if self.directory:
            found["directory"] = self.directory.ca_certificate
        return {name: pem for name, pem in found.items() if pem is not None}

    @property
    def _openid_providers(self) -> tuple[OpenIdProvider, ...]:
        return tuple(it for it in self.login_providers if isinstance(it, OpenIdProvider))
