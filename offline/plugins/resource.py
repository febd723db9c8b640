"""A resource of a stand-in plugin: what it takes, how it is made, read, changed and deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pulumi.provider.experimental.property_value import PropertyValue

Client = TypeVar("Client")
Props = dict[str, Any]
Values = dict[str, PropertyValue]

cancelled = threading.Event()
"""Set when the engine cancels."""


class PluginError(Exception):
    """An error for the person at the terminal, in full sentences and without secrets."""


class InitError(Exception):
    """The object exists but is not as asked for; it is kept in the state, so that the next `up` heals it."""

    def __init__(self, resource_id: str, outputs: Props, reason: str) -> None:
        super().__init__(reason)
        self.resource_id = resource_id
        self.outputs = outputs
        self.properties: Values = {}


@dataclass(frozen=True)
class Found:
    """What Read saw: computed outputs, and inputs whose real value has drifted (None: no longer set)."""

    outputs: Props = field(default_factory=dict)
    drift: Props = field(default_factory=dict)


def pause(seconds: float) -> None:
    """Sleeps; raises as soon as the engine cancels."""
    if cancelled.wait(seconds):
        raise PluginError("cancelled")


class Resource(Generic[Client]):
    """One resource type of a plugin. Subclasses declare what differs and work with plain Python data."""

    resource_type: ClassVar[str]
    """Pulumi's type, e.g. `docker:index/network:Network`."""
    args: ClassVar[str]
    """The SDK's input class, e.g. `pulumi_docker:NetworkArgs`."""
    implemented: ClassVar[frozenset[str]]
    """Top-level properties that have an effect here; the SDK's others are refused."""
    refused: ClassVar[frozenset[str]] = frozenset()
    """Nested properties that have none, dotted: `mounts.volumeOptions.subpath`."""
    replace: ClassVar[frozenset[str]] = frozenset()
    """Properties whose change replaces the object, as in the official schema."""
    ordered: ClassVar[frozenset[str]] = frozenset()
    """Lists in which order counts; the official plugins treat the others as sets."""
    read_back: ClassVar[frozenset[str]] = frozenset()
    """Inputs that Diff compares as the real object has them, not as they were given: for these the official plugin
    keeps in its state what it read after the last call, in its own order."""
    creation_only: ClassVar[frozenset[str]] = frozenset()
    """Properties whose later change is no difference."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    autoname: ClassVar[str | None] = None
    """The property that gets `<resource name>-<7 hex digits>` when it is not given."""
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        """Further (property, reason) failures of Check. Values may be the marker of an unknown."""
        return ()

    def as_read(self, name: str, value: Any, real: Any) -> Any:
        """An input of `read_back` in the form in which it is read; what it leaves to the object comes from `real`."""
        return value

    def create(self, client: Client, inputs: Props) -> tuple[str, Props]:
        """Makes the object; returns its id and computed outputs."""
        raise NotImplementedError

    def read(self, client: Client, resource_id: str, inputs: Props, state: Props) -> Found | None:
        """Looks at the real object; None when it is gone."""
        return Found()

    def update(self, client: Client, resource_id: str, state: Props, inputs: Props) -> Props:
        """Changes the object in place; returns the computed outputs that changed."""
        return {}

    def delete(self, client: Client, resource_id: str, state: Props) -> None:
        """Removes the object; one that is gone already is no error."""
