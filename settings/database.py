"""The PostgreSQL server of somebody else, on which the databases are."""

import re
from collections.abc import Mapping

import pulumi

from settings import addresses, parsing
from settings.model.archive import ArchiveKind
from settings.model.database import DatabaseLogin, DatabaseServer
from settings.parsing import ConfigurationError
from settings.tls import certificates

KEY = "database"
LOGINS = ("keycloak", "archive")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,49}")
"""Shorter than PostgreSQL allows: a restore makes databases whose names begin with it."""


def database(config: pulumi.Config, archive: ArchiveKind) -> DatabaseServer | None:
    """The server; `None`: the stack runs its own."""
    entry = parsing.fields(config, KEY, frozenset({"host", "port", "caCertificate", *LOGINS}))
    if not entry:
        return None
    if archive is not ArchiveKind.ORTHANC:
        raise ConfigurationError(KEY, f"has no effect with {archive}, whose tables come with its own image; remove it.")
    host, authority = (parsing.text(KEY, entry, name) for name in ("host", "caCertificate"))
    if host is None or authority is None or not all(name in entry for name in LOGINS):
        raise ConfigurationError(KEY, f"needs host, caCertificate, {' and '.join(LOGINS)}.")
    addresses.require_elsewhere(f"{KEY}.host", host)
    certificates(f"{KEY}.caCertificate", authority)
    keycloak, kept_in = (_login(f"{KEY}.{name}", entry[name]) for name in LOGINS)
    if keycloak.name == kept_in.name or keycloak.user == kept_in.user:
        raise ConfigurationError(
            KEY, "keycloak and archive need a database and a user each: who takes over one must not read the other."
        )
    return DatabaseServer(
        host=host,
        port=parsing.whole_number(f"{KEY}.port", entry.get("port", 5432), at_least=1, at_most=65535),
        ca_certificate=authority,
        keycloak=keycloak,
        archive=kept_in,
    )


def _login(key: str, entry: object) -> DatabaseLogin:
    parsing.refuse_fields(key, entry, frozenset({"name", "user", "password"}))
    assert isinstance(entry, Mapping)  # noqa: S101 - refused above
    name, user, password = (parsing.text(key, entry, it) for it in ("name", "user", "password"))
    if name is None or user is None or password is None:
        raise ConfigurationError(key, "needs name, user and password.")
    for value in (name, user):
        if not NAME.fullmatch(value):
            raise ConfigurationError(
                key, f"{value!r} must be up to 50 letters, digits, _ and -, with no digit in front."
            )
    return DatabaseLogin(name=name, user=user, password=pulumi.Output.secret(password))
