"""What a resource accepts, read from the SDK's own input classes: nothing of the official schema is copied.

A `Shape` is built from a class such as `pulumi_docker.ContainerArgs`; `problems` holds a value against it.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Union, get_args, get_origin

from pulumi import Archive, Asset, Output
from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

_SCALARS: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True)
class Shape:
    """One type of the SDK: a scalar, or a list, map or object of further shapes."""

    kind: str
    item: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


@cache
def shape_of(reference: str) -> Shape:
    """The shape of an input class named like `pulumi_docker:ContainerArgs`; imported on first use."""
    module, _, name = reference.partition(":")
    return _of_class(getattr(importlib.import_module(module), name))


def _of_class(cls: type) -> Shape:
    parameters = inspect.signature(cls).parameters
    names = input_type_py_to_pulumi_names(cls)
    return Shape(
        "object",
        fields={name: _of_type(tp) for name, tp in input_type_types(cls).items()},
        required=frozenset(names[p] for p, v in parameters.items() if v.default is inspect.Parameter.empty),
    )


def _of_type(tp: Any) -> Shape:
    origin = get_origin(tp)
    if origin is Union:  # an Input[T]: T first, then the ways to have it later
        return _of_type(next(a for a in get_args(tp) if get_origin(a) is not Output and a is not type(None)))
    if origin is not None and issubclass(origin, Mapping):
        return Shape("map", item=_of_type(get_args(tp)[1]))
    if origin is not None and issubclass(origin, Sequence):
        return Shape("list", item=_of_type(get_args(tp)[0]))
    if is_input_type(tp):
        return _of_class(tp)
    if tp in _SCALARS:
        return Shape(_SCALARS[tp])
    raise TypeError(f"the SDK uses a type that the stand-in plugins do not know: {tp!r}")


def _kind(value: PropertyValue) -> str:
    inner = value.value
    if isinstance(inner, bool):
        return "boolean"
    if isinstance(inner, float):
        return "integer" if inner.is_integer() else "number"
    if isinstance(inner, str):
        return "string"
    if isinstance(inner, Mapping):
        return "map"
    if isinstance(inner, Asset | Archive):
        return "asset"
    return "list" if isinstance(inner, Sequence) else "other"


def problems(value: PropertyValue, shape: Shape, path: str, owner: str) -> Iterator[tuple[str, str]]:
    """Every (path, reason) for which a value does not fit. Values are never quoted: they may be secret."""
    if value.value == UNKNOWN or value.value is None:
        return
    found, inner = _kind(value), value.value
    wanted = "map" if shape.kind == "object" else shape.kind
    if found != wanted and (found, wanted) != ("integer", "number"):
        yield path, f"must be of type {shape.kind}, not {found}"
    elif isinstance(inner, Mapping):
        if shape.kind == "object":
            yield from missing(inner, shape, path)
        for key, child in inner.items():
            below = f"{path}.{key}" if path else key
            expected = shape.fields.get(key) if shape.kind == "object" else shape.item
            if expected is None:
                yield below, f"unknown property {below!r} of {owner}"
            else:
                yield from problems(child, expected, below, owner)
    elif isinstance(inner, Sequence) and not isinstance(inner, str) and shape.item is not None:
        for index, child in enumerate(inner):
            yield from problems(child, shape.item, f"{path}[{index}]", owner)


def missing(given: Mapping[str, PropertyValue], shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    """The properties that the SDK demands and that are not given."""
    for name in sorted(shape.required):
        if name not in given or given[name].value is None:
            where = f"{path}.{name}" if path else name
            yield where, f"missing required property {where!r}"


def plain(value: PropertyValue) -> Any:
    """The value as plain Python data, whole numbers as int. Unknown values stay the engine's marker."""
    inner = value.value
    if isinstance(inner, float) and not isinstance(inner, bool) and inner.is_integer():
        return int(inner)
    if isinstance(inner, Mapping):
        return {key: plain(child) for key, child in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [plain(child) for child in inner]
    return inner


def wrapped(value: Any, *, secret: bool = False) -> PropertyValue:
    """Plain Python data as a property value."""
    if isinstance(value, Mapping):
        return PropertyValue({key: wrapped(child) for key, child in value.items()}, secret)
    if isinstance(value, list | tuple):
        return PropertyValue([wrapped(child) for child in value], secret)
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return PropertyValue(value, secret)


def secrets_in(values: Mapping[str, PropertyValue]) -> frozenset[str]:
    """The texts that are marked secret, and of those like `NAME=value` the value too."""

    def walk(value: PropertyValue, secret: bool) -> Iterator[str]:
        inner, secret = value.value, secret or value.is_secret
        children: Iterable[PropertyValue] = ()
        if isinstance(inner, str):
            yield from (inner, inner.partition("=")[2]) if secret else ()
        elif isinstance(inner, Mapping):
            children = inner.values()
        elif isinstance(inner, tuple):
            children = inner
        for child in children:
            yield from walk(child, secret)

    # Shorter ones would hide half of the message, and are no secrets.
    return frozenset(text for value in values.values() for text in walk(value, False) if len(text) > 5)


def redacted(text: str, secrets: frozenset[str]) -> str:
    """The text without the secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def canonical(value: Any, name: str, ordered: frozenset[str]) -> Any:
    """A value in which only what counts differs: nothing that is empty, and lists sorted unless their order counts."""
    if isinstance(value, dict):
        return {key: canonical(child, key, ordered) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        items = [canonical(child, "", ordered) for child in value]
        return items if name in ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Plain values of those that are set."""
    return {name: plain(value) for name, value in values.items() if value.value is not None}


def paths(values: Mapping[str, PropertyValue], above: str = "") -> frozenset[str]:
    """All property paths in use, nested ones dotted, list indexes left out."""
    found: set[str] = set()
    for name, value in values.items():
        path = f"{above}.{name}" if above else name
        found.add(path)
        inner = value.value
        for child in [value] if isinstance(inner, Mapping) else inner if isinstance(inner, tuple) else ():
            if isinstance(child, PropertyValue) and isinstance(child.value, Mapping):
                found |= paths(child.value, path)
    return frozenset(found)
