"""Typed reading of single values. Invalid values are rejected with the key and how to fix it."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import config as raw_config

Choice = TypeVar("Choice", bound=StrEnum)

DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smh])")
HOUR = 3600
UNITS = {"s": 1, "m": 60, "h": HOUR}
SHORTEST = 10
"""Seconds. With a shorter life Keycloak would do little else than refresh tokens."""

_KINDS = {list: "a list", dict: "a map of keys to values"}


FOLDER = re.compile(r"/[^\s\\,:]+")
"""A folder of the machine. Docker hands it to mount(8) as an option."""


class ConfigurationError(pulumi.RunError):
    """A configuration value that cannot be used: the key and how to fix it. Nothing was changed."""

    def __init__(self, key: str, problem: str, *, namespace: str = "ohif") -> None:
        super().__init__(f"Configuration {namespace}:{key}: {problem}")


def refuse_unknown_keys(namespace: str, known: frozenset[str]) -> None:
    """Refuse a key that the program does not know: a value with a slip in its name would have no effect."""
    for full_key in {**raw_config.get_config_env(), **raw_config.CONFIG.get()}:
        prefix, _, key = full_key.partition(":")
        if prefix == namespace and key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(sorted(known))}."
            raise ConfigurationError(key, f"is not a key of this program; {hint}")


def items(config: pulumi.Config, key: str) -> list[Any]:
    """A list, of anything."""
    value: list[Any] = _json(config, key, list)
    return value


def entries(config: pulumi.Config, key: str) -> dict[str, Any]:
    """A map, of anything."""
    value: dict[str, Any] = _json(config, key, dict)
    return value


def fields(config: pulumi.Config, key: str, known: frozenset[str]) -> dict[str, Any]:
    """A map with no other fields than the known ones."""
    value = entries(config, key)
    refuse_fields(key, value, known)
    return value


def _json(config: pulumi.Config, key: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    try:
        value = config.require_object(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, f"must be {_KINDS[kind]}.") from error
    if not isinstance(value, kind):
        raise ConfigurationError(key, f"must be {_KINDS[kind]}.")
    return value


def boolean(config: pulumi.Config, key: str) -> bool:
    """True or false."""
    try:
        return config.require_bool(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, "must be true or false.") from error


def integer(config: pulumi.Config, key: str, *, at_least: int, at_most: int) -> int:
    """A whole number in a range."""
    try:
        value = config.require_int(key)
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError(key, "must be a whole number.") from error
    if not at_least <= value <= at_most:
        raise ConfigurationError(key, f"must lie between {at_least} and {at_most}, and is {value}.")
    return value


def whole_number(key: str, value: object, *, at_least: int, at_most: int) -> int:
    """A value of a map that is a whole number in a range."""
    # In Python true is one too.
    if type(value) is not int or not at_least <= value <= at_most:
        raise ConfigurationError(key, f"must be a whole number from {at_least} to {at_most}.")
    return value


def duration(config: pulumi.Config, key: str, *, at_most: int) -> int:
    """A number with a unit, as in `15m`, in seconds."""
    value = config.require(key)
    found = DURATION.fullmatch(value)
    if not found:
        raise ConfigurationError(key, f"{value!r} is not a number with a unit: 90s, 15m or 10h.")
    seconds = int(found["number"]) * UNITS[found["unit"]]
    if not SHORTEST <= seconds <= at_most:
        raise ConfigurationError(key, f"must lie between {SHORTEST}s and {at_most // HOUR}h, and is {value}.")
    return seconds


def choice(config: pulumi.Config, key: str, kind: type[Choice]) -> Choice:
    """One of a few words."""
    return one_of(key, config.require(key), kind)


def one_of(key: str, value: object, kind: type[Choice]) -> Choice:
    """A value that is one of a few words."""
    try:
        return kind(str(value))
    except ValueError as error:
        raise ConfigurationError(key, f"{value!r} is not one of {', '.join(kind)}.") from error


def address(config: pulumi.Config, key: str) -> str:
    """An IP address."""
    value = config.require(key)
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ConfigurationError(key, f"{value!r} is not an IP address.") from error


def text(key: str, entry: Mapping[str, object], field: str) -> str | None:
    """A field of a map, if it is there: a text that is not empty."""
    value = entry.get(field)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ConfigurationError(key, f"{field} must be a text that is not empty.")
    return value


def refuse_fields(key: str, entry: object, known: frozenset[str]) -> None:
    """Refuse what is not a map with some of the known fields."""
    if not isinstance(entry, dict):
        raise ConfigurationError(key, f"must be a map with {', '.join(sorted(known))}.")
    for field in entry:
        if field not in known:
            raise ConfigurationError(key, f"{field!r} is not known here; known: {', '.join(sorted(known))}.")
