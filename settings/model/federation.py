"""Where users come from besides the configuration and Keycloak's console."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pulumi

GroupRoles = Mapping[str, frozenset[str]]
"""Realm roles by the name of a group. A group that is not listed gives no role."""


class DirectoryKind(StrEnum):
    """Which attributes and object classes the directory uses."""

    ACTIVE_DIRECTORY = "activeDirectory"
    LDAP = "ldap"


@dataclass(frozen=True, kw_only=True)
class Directory:
    """An LDAP directory whose users sign in with their passwords there. Nothing is written to it."""

    kind: DirectoryKind
    url: str
    start_tls: bool
    ca_certificate: str | None
    """PEM of a private authority that signed the directory's certificate."""
    bind_dn: str
    bind_password: pulumi.Output[str]
    users_dn: str
    user_filter: str | None
    """LDAP filter (RFC 4515) that users must match in addition."""
    username_attribute: str | None
    """`None`: that of the kind."""
    groups_dn: str | None
    """`None` if no group gives a role."""
    groups: GroupRoles


@dataclass(frozen=True, kw_only=True)
class OfferedProvider:
    """Somebody else's server that signs users in, as the login page offers it."""

    name: str
    """Alias at Keycloak; part of the address that is registered with the provider."""
    label: str
    """On the login page."""
    groups: GroupRoles


@dataclass(frozen=True, kw_only=True)
class OpenIdProvider(OfferedProvider):
    """By OpenID Connect Core 1.0."""

    issuer: str
    authorization_url: str
    token_url: str
    keys_url: str
    """JSON Web Key Set (RFC 7517) with which the provider's tokens are verified."""
    client_id: str
    client_secret: pulumi.Output[str]
    scopes: str
    claim: str
    """Claim of the ID token that holds the groups."""
    ca_certificate: str | None
    """PEM of a private authority that signed the provider's certificate."""


@dataclass(frozen=True, kw_only=True)
class SamlProvider(OfferedProvider):
    """By SAML 2.0, Web Browser SSO Profile. Keycloak never connects to it: browsers carry all messages."""

    entity_id: str
    sign_on_url: str
    """Takes requests by the HTTP-Redirect binding."""
    signing_certificates: tuple[str, ...]
    """Base64 of DER. One at least."""
    attribute: str | None
    """Attribute of the assertion that holds the groups; `None` if no group gives a role."""
    username_attribute: str | None
    """Attribute that holds the user's name; `None`: the NameID."""


LoginProvider = OpenIdProvider | SamlProvider
