"""The part that all stand-in plugins share: Pulumi's resource provider protocol over a table of resources.

A plugin is a package name, a list of `Resource`s and a function that connects to what they manage. Check and
Diff are done here, from the SDK's input classes and each resource's few declarations. They and previews
contact nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic

import pulumi.provider.experimental.provider as api
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.resource import Client, Found, InitError, PluginError, Props, Resource, Values, cancelled
from offline.plugins.shape import canonical, paths, plain_map, problems, redacted, secrets_in, shape_of, wrapped

# What the engine adds to a provider's own configuration.
_ENGINE_CONFIG = ("version", "pluginDownloadURL", "pluginChecksums")


def _split(urn: str) -> tuple[str, str]:
    """The resource's own type and its name. A name may contain `::`, a type starts with its parents'."""
    parts = urn.split("::", 3)
    return parts[2].rsplit("$", 1)[-1], parts[3]


class StandIn(api.Provider, Generic[Client]):
    """Serves one plugin. `connect` gets the provider's configuration and is called on the first real use."""

    def __init__(
        self,
        package: str,
        resources: Sequence[Resource[Client]],
        connect: Callable[[Props], Client],
        config: frozenset[str] = frozenset(),
        refused_config: frozenset[str] = frozenset(),
        explain: Callable[[Exception], str] = str,
    ) -> None:
        self.package = package
        self.resources = {resource.resource_type: resource for resource in resources}
        self._connect = connect
        self._implemented_config = config
        self._refused_config = refused_config
        self._explain = explain
        self._config: Props = {}
        self._client: Client | None = None
        self._lock = threading.Lock()
        # Waits for health hold a thread each; asyncio's own pool has six on two cores.
        self._pool = ThreadPoolExecutor(32)

    @property
    def version(self) -> str:
        """The SDK's version, so that the engine finds plugin and SDK in agreement."""
        return importlib.metadata.version(f"pulumi_{self.package}")

    def _resource(self, urn: str) -> Resource[Client]:
        token, _ = _split(urn)
        if token not in self.resources:
            raise PluginError(f"the stand-in of the {self.package} plugin has no resource type {token}")
        return self.resources[token]

    def client(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect(self._config)
            return self._client

    async def _work(self, values: Values, call: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a blocking call in a thread of its own; its errors lose whatever is secret in `values`."""

        def work() -> Any:
            try:
                return call(self.client(), *arguments)
            except InitError as error:
                text = redacted(str(error), secrets_in(values))
                raise InitError(error.resource_id, error.outputs, text) from None
            except Exception as error:
                text = redacted(self._explain(error), secrets_in(values))
                raise PluginError(text or type(error).__name__) from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    # Configuration

    def _decoded(self, values: Mapping[str, PropertyValue]) -> Values:
        """The SDK hands over all but strings as JSON text."""
        shape = shape_of(f"pulumi_{self.package}:ProviderArgs")
        decoded: Values = {}
        for name, value in values.items():
            wanted = shape.fields.get(name)
            if wanted and wanted.kind != "string" and isinstance(value.value, str) and value.value != UNKNOWN:
                with contextlib.suppress(json.JSONDecodeError):  # is reported as a wrong type
                    value = wrapped(json.loads(value.value), secret=value.is_secret)
            if not (name.startswith("__") or name in _ENGINE_CONFIG):
                decoded[name] = value
        return decoded

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        owner = f"pulumi:providers:{self.package}"
        shape = shape_of(f"pulumi_{self.package}:ProviderArgs")
        given = self._decoded(request.new_inputs)
        found = list(problems(PropertyValue(given), shape, "", owner))
        known = shape.fields.keys() & given.keys()
        for path in sorted((known - self._implemented_config) | (paths(given) & self._refused_config)):
            found.append((path, f"the stand-in does not implement {path!r} of {owner}"))
        return api.CheckResponse(request.new_inputs, [api.CheckFailure(*failure) for failure in found])

    async def diff_config(self, request: api.DiffRequest) -> api.DiffResponse:
        old, new = plain_map(self._decoded(request.old_state)), plain_map(self._decoded(request.new_inputs))
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        return api.DiffResponse(changes=bool(changed), diffs=changed)

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        self._config = plain_map(self._decoded(request.args))
        return api.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def invoke(self, request: api.InvokeRequest) -> api.InvokeResponse:
        raise PluginError(f"the stand-in of the {self.package} plugin has no function {request.tok}")

    # Check and Diff

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        resource = self._resource(request.urn)
        shape = shape_of(resource.args)
        inputs = {name: value for name, value in request.new_inputs.items() if value.value is not None}
        named = resource.autoname
        if named and named not in inputs:
            seed = hashlib.sha256(request.random_seed or os.urandom(16)).hexdigest()[:7]
            fresh = wrapped(f"{_split(request.urn)[1]}-{seed}")
            inputs[named] = request.old_inputs.get(named, fresh)
        found = list(problems(PropertyValue(inputs), shape, "", resource.resource_type))
        found += self._refused(resource, inputs)
        inputs = {**{name: wrapped(value) for name, value in resource.defaults.items()}, **inputs}
        if not found:
            found += resource.validate(plain_map(inputs))
        return api.CheckResponse(inputs, [api.CheckFailure(*failure) for failure in found])

    @staticmethod
    def _refused(resource: Resource[Client], inputs: Values) -> Iterable[tuple[str, str]]:
        known = shape_of(resource.args).fields.keys() & inputs.keys()
        for path in sorted((known - resource.implemented) | (paths(inputs) & resource.refused)):
            yield path, f"the stand-in does not implement {path!r} of {resource.resource_type}"

    def read_back(self, urn: str) -> frozenset[str]:
        """Inputs of a resource whose old value Diff takes from the old state."""
        return self._resource(urn).read_back

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """Compares the old inputs (the servicer puts them in place of the old state, except what is read back) with
        the new ones."""
        resource = self._resource(request.urn)
        old, new = plain_map(request.old_state), plain_map(request.new_inputs)
        new |= {name: resource.as_read(name, new[name], old.get(name)) for name in resource.read_back & new.keys()}
        details: dict[str, api.PropertyDiff] = {}
        for name in sorted((old.keys() | new.keys()) - resource.creation_only):
            before, after = (canonical(side.get(name), name, resource.ordered) for side in (old, new))
            if name in resource.read_back:
                before, after = before or None, after or None
            if before == after or name in request.ignore_changes:
                continue
            what = "ADD" if before is None else "DELETE" if after is None else "UPDATE"
            kind = api.PropertyDiffKind[f"{what}_REPLACE" if name in resource.replace else what]
            details[name] = api.PropertyDiff(kind, input_diff=True)
        return api.DiffResponse(
            changes=bool(details),
            replaces=[name for name in details if name in resource.replace],
            diffs=list(details),
            detailed_diff=details,
        )

    # The life of an object

    @staticmethod
    def _state(resource: Resource[Client], inputs: Values, outputs: Props) -> Values:
        state = dict(inputs)
        for name, value in outputs.items():
            if name not in inputs or name in resource.read_back:
                state[name] = wrapped(value, secret=name in resource.secret_outputs)
        return {
            name: value.with_secret(True) if name in resource.secret_outputs else value for name, value in state.items()
        }

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        resource = self._resource(request.urn)
        if request.preview:
            # What is not known yet is left out: the SDK has no way to hand over an unknown value.
            return api.CreateResponse("", request.properties)
        inputs = request.properties
        try:
            created, outputs = await self._work(inputs, resource.create, plain_map(inputs))
        except InitError as failure:
            failure.properties = self._state(resource, inputs, failure.outputs)
            raise
        return api.CreateResponse(created, self._state(resource, inputs, outputs))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        resource = self._resource(request.urn)
        if not request.inputs:
            raise PluginError(f"{resource.resource_type}: the stand-in does not implement import or get")
        inputs, state = plain_map(request.inputs), plain_map(request.properties)
        arguments = (request.resource_id, inputs, state)
        found: Found | None = await self._work(request.inputs, resource.read, *arguments)
        if found is None:
            return api.ReadResponse("")
        real = dict(request.inputs)
        for name, value in found.drift.items():
            was_secret = name in real and real[name].contains_secret()
            real[name] = wrapped(value, secret=was_secret)
        real = {name: value for name, value in real.items() if value.value is not None}
        outputs = {**{k: v for k, v in state.items() if k not in request.inputs}, **found.outputs}
        return api.ReadResponse(request.resource_id, self._state(resource, real, outputs), real)

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        resource = self._resource(request.urn)
        state = plain_map(request.olds)
        kept = {name: value for name, value in state.items() if name not in shape_of(resource.args).fields}
        if request.preview:
            return api.UpdateResponse(self._state(resource, request.news, kept))
        arguments = (request.resource_id, state, plain_map(request.news))
        try:
            outputs = await self._work(request.news, resource.update, *arguments)
        except InitError as failure:
            failure.properties = self._state(resource, request.news, {**kept, **failure.outputs})
            raise
        return api.UpdateResponse(self._state(resource, request.news, {**kept, **outputs}))

    async def delete(self, request: api.DeleteRequest) -> None:
        resource = self._resource(request.urn)
        state = request.properties
        await self._work(state, resource.delete, request.resource_id, plain_map(state))

    async def cancel(self) -> None:
        cancelled.set()
