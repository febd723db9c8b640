"""The stack's configuration, read once and checked before anything is made.

This is the only module that reads `pulumi.Config`. Types, defaults and descriptions of the keys are
declared in `Pulumi.yaml`; here they become frozen dataclasses, and what does not fit together is refused
with the key's name and what to do about it. Nothing here asks which stack it is.

The one value that does not come from the stack's configuration is `OHIF_IMAGES`, a path in the
environment: images that exist on one machine only are that machine's matter, not the stack's
(docs/adr/0003-images-of-the-machine.md).
"""

import difflib
import ipaddress
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import config as raw_config

from access import Role
from images import DEFAULT_IMAGES, Image

KEYS = frozenset(
    {
        "target",
        "host",
        "port",
        "bindAddress",
        "adminNetworks",
        "archive",
        "users",
        "sessionIdle",
        "sessionMax",
        "accessTokenLife",
        "mfa",
        "smtp",
        "protectData",
        "images",
    }
)
"""Every key of the namespace `ohif`; a test holds it against Pulumi.yaml."""

CONSOLE_USER = "admin"
"""The person of realm master who administers Keycloak; no user of realm `ohif` may be called so."""

HOST_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
USER_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")

Choice = TypeVar("Choice", bound=StrEnum)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smh])")
HOUR = 3600
UNITS = {"s": 1, "m": 60, "h": HOUR}
SHORTEST = 10
"""Seconds. With a shorter life Keycloak would do little else than refresh tokens."""

ANYWHERE = "anywhere"
"""For `adminNetworks`: every address, as a word that nobody writes by mistake."""
EVERY_NETWORK: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class ConfigurationError(pulumi.RunError):
    """A configuration value that cannot be used: names the key and the mend. Nothing was changed."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"Configuration ohif:{key}: {problem}")


class Target(StrEnum):
    """Where the containers run."""

    LOCAL = "local"


class Archive(StrEnum):
    """Which DICOM archive keeps the studies."""

    ORTHANC = "orthanc"


class Mfa(StrEnum):
    """Whether a one-time code is asked at login."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class PublicEndpoint:
    """The one address under which a browser knows the system.

    Redirect URIs, issuer, cookie flags, listeners and links all derive from it, so they cannot contradict
    each other.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host, with the port unless it is the scheme's own: what a browser sends as `Host`."""
        usual = 443 if self.secure else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without a trailing slash (RFC 6454)."""
        return f"{self.scheme}://{self.authority}"

    @property
    def secure(self) -> bool:
        """Whether the browser's connection is encrypted."""
        return self.scheme == "https"


@dataclass(frozen=True, kw_only=True)
class User:
    """A person of realm `ohif`; the password is generated, never configured."""

    name: str
    roles: frozenset[Role]
    email: str | None
    first_name: str | None
    last_name: str | None


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
class Settings:
    """Everything that the program was told."""

    project: str
    stack: str
    target: Target
    endpoint: PublicEndpoint
    bind_address: str
    admin_networks: tuple[Network, ...]
    """Empty: nobody."""
    archive: Archive
    users: tuple[User, ...]
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    protect_data: bool
    images: Mapping[str, Image]


def load() -> Settings:
    """Read and check the configuration of the stack that runs.

    Raises:
        ConfigurationError: a key is unknown or a value cannot be used.
    """
    config = pulumi.Config()
    _refuse_unknown_keys(config.name)
    bind_address = _address(config, "bindAddress")
    sessions = SessionLimits(
        idle=_duration(config, "sessionIdle", at_most=24 * HOUR),
        maximum=_duration(config, "sessionMax", at_most=7 * 24 * HOUR),
        access_token=_duration(config, "accessTokenLife", at_most=HOUR),
    )
    if sessions.idle > sessions.maximum:
        raise ConfigurationError("sessionIdle", "is longer than sessionMax; make it shorter.")
    if sessions.access_token >= sessions.idle:
        # A session is kept alive by refreshing the access token, so a token must end before the session does.
        raise ConfigurationError("accessTokenLife", "must be shorter than sessionIdle.")
    return Settings(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        target=_choice(config, "target", Target),
        endpoint=PublicEndpoint(
            scheme="http", host=_host(config), port=_integer(config, "port", at_least=1, at_most=65535)
        ),
        bind_address=bind_address,
        admin_networks=_admin_networks(config, bind_address),
        archive=_choice(config, "archive", Archive),
        users=_users(config),
        sessions=sessions,
        mfa=_choice(config, "mfa", Mfa),
        smtp=_smtp(config),
        protect_data=_boolean(config, "protectData"),
        images=_images(config),
    )


def _refuse_unknown_keys(namespace: str) -> None:
    for full_key in {**raw_config.get_config_env(), **raw_config.CONFIG.get()}:
        prefix, _, key = full_key.partition(":")
        if prefix == namespace and key not in KEYS:
            close = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(sorted(KEYS))}."
            raise ConfigurationError(key, f"is not a key of this program; {hint}")


def _json(config: pulumi.Config, key: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    try:
        value = config.require_object(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, f"must be {_KINDS[kind]}.") from error
    if not isinstance(value, kind):
        raise ConfigurationError(key, f"must be {_KINDS[kind]}.")
    return value


_KINDS = {list: "a list", dict: "a map of keys to values"}


def _boolean(config: pulumi.Config, key: str) -> bool:
    try:
        return config.require_bool(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, "must be true or false.") from error


def _integer(config: pulumi.Config, key: str, *, at_least: int, at_most: int) -> int:
    try:
        value = config.require_int(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, "must be a whole number.") from error
    if not at_least <= value <= at_most:
        raise ConfigurationError(key, f"must lie between {at_least} and {at_most}, and is {value}.")
    return value


def _duration(config: pulumi.Config, key: str, *, at_most: int) -> int:
    """A number with a unit, as in `15m`, in seconds."""
    value = config.require(key)
    found = DURATION.fullmatch(value)
    if not found:
        raise ConfigurationError(key, f"{value!r} is not a number with a unit: 90s, 15m or 10h.")
    seconds = int(found["number"]) * UNITS[found["unit"]]
    if not SHORTEST <= seconds <= at_most:
        raise ConfigurationError(key, f"must lie between {SHORTEST}s and {at_most // HOUR}h, and is {value}.")
    return seconds


def _choice(config: pulumi.Config, key: str, kind: type[Choice]) -> Choice:
    value = config.require(key)
    try:
        return kind(value)
    except ValueError as error:
        raise ConfigurationError(key, f"{value!r} is not one of {', '.join(kind)}.") from error


def _address(config: pulumi.Config, key: str) -> str:
    value = config.require(key)
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ConfigurationError(key, f"{value!r} is not an IP address.") from error


def _host(config: pulumi.Config) -> str:
    value = config.require("host")
    if "://" in value or "/" in value or ":" in value:
        raise ConfigurationError(
            "host", f"{value!r} must be a name or an IPv4 address alone: no scheme, no port, no path."
        )
    if not HOST_NAME.fullmatch(value):
        raise ConfigurationError("host", f"{value!r} is not a host name in small letters or an IPv4 address.")
    return value


def _admin_networks(config: pulumi.Config, bind_address: str) -> tuple[Network, ...]:
    key = "adminNetworks"
    values = _json(config, key, list)
    if values == [ANYWHERE]:
        return EVERY_NETWORK
    if not values:
        if ipaddress.ip_address(bind_address).is_loopback:
            # Only this machine can reach a loopback listener, and its requests come in by the address of a
            # Docker bridge, which nobody knows beforehand.
            return EVERY_NETWORK
        raise ConfigurationError(
            key,
            "is empty, so nobody could administer Keycloak, this program neither; "
            "name networks such as 192.0.2.0/24, one of them this machine's.",
        )
    networks: list[Network] = []
    for value in values:
        try:
            # A number would be taken as an address.
            network = ipaddress.ip_network(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            raise ConfigurationError(key, f"{value!r} is not a network such as 192.0.2.0/24.") from error
        if network.prefixlen == 0:
            raise ConfigurationError(key, f"{value} is every address; write [{ANYWHERE}] if you mean it.")
        networks.append(network)
    return tuple(networks)


def _users(config: pulumi.Config) -> tuple[User, ...]:
    users: list[User] = []
    for position, entry in enumerate(_json(config, "users", list)):
        key = f"users[{position}]"
        _refuse_fields(key, entry, {"name", "roles", "email", "firstName", "lastName"})
        name = entry.get("name")
        if not isinstance(name, str) or not USER_NAME.fullmatch(name):
            raise ConfigurationError(key, f"name {name!r} must be small letters, digits and . _ @ -")
        if name == CONSOLE_USER:
            raise ConfigurationError(key, f"the name {name} belongs to Keycloak's console; take another.")
        if name in {user.name for user in users}:
            raise ConfigurationError(key, f"there are two users {name}.")
        users.append(
            User(
                name=name,
                roles=frozenset(_roles(key, entry.get("roles", []))),
                email=_text(key, entry, "email"),
                first_name=_text(key, entry, "firstName"),
                last_name=_text(key, entry, "lastName"),
            )
        )
    return tuple(users)


def _roles(key: str, values: object) -> Sequence[Role]:
    if not isinstance(values, list):
        raise ConfigurationError(key, "roles must be a list.")
    unknown = [value for value in values if value not in list(Role)]
    if unknown:
        raise ConfigurationError(key, f"{unknown[0]!r} is not a role; roles are {', '.join(Role)}.")
    return [Role(value) for value in values]


def _smtp(config: pulumi.Config) -> Smtp | None:
    entry = _json(config, "smtp", dict)
    if not entry:
        return None
    _refuse_fields("smtp", entry, {"host", "port", "from", "startTls", "user", "password"})
    host, sender = _text("smtp", entry, "host"), _text("smtp", entry, "from")
    user, password = _text("smtp", entry, "user"), _text("smtp", entry, "password")
    if not host or not sender:
        raise ConfigurationError("smtp", "needs host and from.")
    if (user is None) != (password is None):
        raise ConfigurationError("smtp", "needs user and password together.")
    port, start_tls = entry.get("port", 587), entry.get("startTls", True)
    if type(port) is not int or not 1 <= port <= 65535 or not isinstance(start_tls, bool):
        raise ConfigurationError("smtp", "port must be a whole number from 1 to 65535, startTls true or false.")
    return Smtp(
        host=host,
        port=port,
        sender=sender,
        start_tls=start_tls,
        user=user,
        password=None if password is None else pulumi.Output.secret(password),
    )


def _images(config: pulumi.Config) -> Mapping[str, Image]:
    images = dict(DEFAULT_IMAGES)
    machine = os.environ.get("OHIF_IMAGES")
    if machine:
        try:
            entries = json.loads(Path(machine).read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError("images", f"OHIF_IMAGES={machine} cannot be read: {error}") from error
        images |= _named_images(f"OHIF_IMAGES={machine}", entries)
    return images | _named_images("images", _json(config, "images", dict))


def _named_images(key: str, entries: object) -> dict[str, Image]:
    if not isinstance(entries, dict):
        raise ConfigurationError(key, "must be a map from names to images.")
    named = {}
    for name, entry in entries.items():
        if name not in DEFAULT_IMAGES:
            raise ConfigurationError(key, f"{name!r} is not one of {', '.join(DEFAULT_IMAGES)}.")
        fields = {"name": entry} if isinstance(entry, str) else entry
        where = f"{key}.{name}"
        _refuse_fields(where, fields, {"name", "optimized"})
        reference, optimized = _text(where, fields, "name"), fields.get("optimized", False)
        if reference is None or not isinstance(optimized, bool):
            raise ConfigurationError(where, "must be an image's name, or a map of name and optimized (true or false).")
        named[name] = Image(name=reference, optimized=optimized)
    return named


def _text(key: str, entry: Mapping[str, object], field: str) -> str | None:
    value = entry.get(field)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ConfigurationError(key, f"{field} must be a text that is not empty.")
    return value


def _refuse_fields(key: str, entry: object, known: set[str]) -> None:
    if not isinstance(entry, dict):
        raise ConfigurationError(key, f"must be a map with {', '.join(sorted(known))}.")
    for field in entry:
        if field not in known:
            raise ConfigurationError(key, f"{field!r} is not known here; known: {', '.join(sorted(known))}.")
