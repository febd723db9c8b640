"""Client of the Linode API (v4), and what its collections have in common."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import httpx

from offline.plugins.resource import Found, PluginError, Props, Resource, pause

_URL = "https://api.linode.com"
_REQUEST_TIMEOUT = 30.0
# As officially: how long an instance may take to run or to go.
TIMEOUT = 900.0
_POLL = 1.0
# Busy, rate limited, or a gateway that has lost its server.
_RETRIED = (408, 429, 502, 503, 504)


def poll() -> None:
    """Wait before the API is asked again."""
    pause(_POLL)


class NotFoundError(PluginError):
    """The API does not know the object."""


class Api:
    """A session at the Linode API."""

    def __init__(self, config: Props) -> None:
        token = config.get("token") or os.environ.get("LINODE_TOKEN")
        if not token:
            raise PluginError("the linode provider needs a token: its argument, or LINODE_TOKEN in the environment")
        url = (config.get("url") or os.environ.get("LINODE_URL") or _URL).rstrip("/")
        version = config.get("apiVersion") or os.environ.get("LINODE_API_VERSION") or "v4"
        self._http = httpx.Client(
            base_url=f"{url}/{version}/", headers={"Authorization": f"Bearer {token}"}, timeout=_REQUEST_TIMEOUT
        )

    def call(self, method: str, path: str, body: Props | None = None, filters: Props | None = None) -> Any:
        """One request; returns the JSON. Raises NotFoundError, and PluginError with the API's own reasons."""
        headers = {"X-Filter": json.dumps(filters)} if filters else {}
        for left in (4, 3, 2, 1, 0):
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise PluginError(f"the Linode API ({self._http.base_url}) does not answer: {error}") from error
            if answer.status_code not in _RETRIED or not left:
                break
            poll()
        if answer.is_success:
            return answer.json() if answer.content else None
        kind = NotFoundError if answer.status_code == 404 else PluginError
        raise kind(f"the Linode API answered {answer.status_code} to {method} {path}: {_reasons(answer)}")

    def list(self, path: str, filters: Props | None = None) -> list[Props]:
        """All objects of a collection, or those that match."""
        found: list[Props] = []
        page, pages = 1, 1
        while page <= pages:
            answer = self.call("GET", f"{path}?page={page}&page_size=100", filters=filters)
            found, pages, page = found + answer["data"], answer["pages"], page + 1
        return found

    def wait(self, path: str, name: str, wanted: Any) -> Props:
        """Polls an object until a property has the value."""
        deadline = time.monotonic() + TIMEOUT
        while (real := self.call("GET", path)).get(name) != wanted:
            if time.monotonic() > deadline:
                raise PluginError(f"{path}: {name} is {real.get(name)!r} and not {wanted!r} after {TIMEOUT:.0f} s")
            poll()
        return dict(real)


def _reasons(answer: httpx.Response) -> str:
    try:
        errors = answer.json()["errors"]
        return "; ".join(f"[{e['field']}] {e['reason']}" if e.get("field") else e["reason"] for e in errors)
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or "no reason given"


class Entity(Resource[Api]):
    """An object of a collection: made by POST, changed by PUT, with the same values under other names."""

    collection: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    """The API's name of each property that is sent and read back as it is."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Those of them that PUT does not take."""
    extra: ClassVar[Mapping[str, str]] = {}
    """The API's name of each further computed output."""

    def path(self, inputs: Props, resource_id: str = "") -> str:
        """The collection's path, or one object's."""
        return f"{self.collection}/{resource_id}" if resource_id else self.collection

    def body(self, inputs: Props) -> Props:
        """What is sent to make it."""
        return {self.fields[name]: inputs[name] for name in self.fields if name in inputs}

    def outputs(self, client: Api, real: Props) -> Props:
        """The computed outputs, of what the API shows."""
        shown = {**self.fields, **self.extra}
        return {name: real[key] for name, key in shown.items() if real.get(key) is not None}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        """Inputs that are otherwise in the cloud."""
        for name in inputs.keys() & self.fields.keys():
            value = real.get(self.fields[name])
            same = sorted(value or []) == sorted(inputs[name]) if isinstance(inputs[name], list) else None
            if not (value == inputs[name] if same is None else same):
                yield name, value

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        real = client.call("POST", self.path(inputs), self.body(inputs))
        return str(real["id"]), self.outputs(client, real)

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", self.path(inputs, resource_id))
        except NotFoundError:
            return None
        return Found(self.outputs(client, real), dict(self.drift(real, inputs)))

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        fixed = {self.fields[name] for name in self.fixed if name in self.fields}
        body = {name: value for name, value in self.body(inputs).items() if name not in fixed}
        return self.outputs(client, client.call("PUT", self.path(inputs, resource_id), body))

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", self.path(state, resource_id))
        except NotFoundError:
            return
