"""Drives a stand-in plugin as the engine does, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import pulumi.provider.experimental.provider as api
from pulumi.provider.experimental.property_value import PropertyValue

from offline.plugins.provider import StandIn
from offline.plugins.shape import plain, wrapped

T = TypeVar("T")
Props = dict[str, Any]


def run(call: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(call)


def values(props: Props) -> dict[str, PropertyValue]:
    """Plain data as property values; what is one already (a secret) is kept."""
    return {k: v if isinstance(v, PropertyValue) else wrapped(v) for k, v in props.items()}


def plain_map(found: Mapping[str, PropertyValue]) -> Props:
    return {name: plain(value) for name, value in found.items()}


class Driver:
    """One resource of a plugin: `inputs` as last checked, `state` as last returned."""

    def __init__(self, plugin: StandIn[Any], kind: str, name: str = "thing") -> None:
        self.plugin = plugin
        self.urn = f"urn:pulumi:test::project::ohif:index:Parent${kind}::{name}"
        self.id = ""
        self.inputs: dict[str, PropertyValue] = {}
        self.state: dict[str, PropertyValue] = {}

    def check(self, **props: Any) -> tuple[dict[str, PropertyValue], dict[str, str]]:
        """The checked inputs, and the reason of each failure by property."""
        answer = run(self.plugin.check(api.CheckRequest(self.urn, self.inputs, values(props), b"seed")))
        return answer.inputs or {}, {f.property: f.reason for f in answer.failures or []}

    def checked(self, **props: Any) -> dict[str, PropertyValue]:
        inputs, failures = self.check(**props)
        assert failures == {}
        return inputs

    def diff(self, **props: Any) -> api.DiffResponse:
        inputs = self.checked(**props)
        # As the servicer does (test_plugins_wire.py).
        old = self.inputs | {name: self.state[name] for name in self.plugin.read_back(self.urn) & self.state.keys()}
        return run(self.plugin.diff(api.DiffRequest(self.urn, self.id, old, inputs, [])))

    def create(self, preview: bool = False, **props: Any) -> Props:
        inputs = self.checked(**props)
        answer = run(self.plugin.create(api.CreateRequest(self.urn, inputs, 0, preview)))
        self.id, self.inputs, self.state = answer.resource_id or "", inputs, answer.properties
        return plain_map(self.state)

    def update(self, **props: Any) -> Props:
        inputs = self.checked(**props)
        request = api.UpdateRequest(self.urn, self.id, self.state, inputs, 0, [], False)
        self.inputs, self.state = inputs, run(self.plugin.update(request)).properties
        return plain_map(self.state)

    def refresh(self) -> Props | None:
        """The state as it is now; None when the object is gone."""
        answer = run(self.plugin.read(api.ReadRequest(self.urn, self.id, self.state, self.inputs)))
        if not answer.resource_id:
            return None
        self.inputs, self.state = answer.inputs, answer.properties
        return plain_map(self.state)

    def delete(self) -> None:
        run(self.plugin.delete(api.DeleteRequest(self.urn, self.id, self.state, 0)))
