"""Keycloak's admin API for the `keycloak` stand-in: a client, and tables from Pulumi's properties to its JSON."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from offline.plugins.duration import go_duration, nanoseconds
from offline.plugins.resource import Found, PluginError, Props, Resource

MASK = "**********"
"""What Keycloak gives back in place of a secret."""


class NotFoundError(PluginError):
    """Keycloak does not know the object."""


class Admin:
    """A session at Keycloak's admin API; logs in on the first call and again when the token has expired.

    As officially, nothing is tried a second time: a server that does not answer yet is an error.
    """

    def __init__(self, config: Props) -> None:
        from keycloak import KeycloakOpenIDConnection  # half a second: only when it is needed

        if not config.get("url"):
            raise PluginError("the keycloak provider needs a url")
        if not config.get("clientId"):
            raise PluginError("the keycloak provider needs a clientId, for example admin-cli")
        verify: bool | str = not config.get("tlsInsecureSkipVerify", False)
        if verify and config.get("rootCaCertificate"):
            with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as authority:
                authority.write(config["rootCaCertificate"])
            verify = authority.name
        self._address = config["url"].rstrip("/") + config.get("basePath", "").rstrip("/") + "/"
        self._connection = KeycloakOpenIDConnection(
            server_url=self._address,
            username=config.get("username"),
            password=config.get("password"),
            realm_name=config.get("realm", "master"),
            client_id=config["clientId"],
            client_secret_key=config.get("clientSecret"),
            verify=verify,
            timeout=config.get("clientTimeout", 15),
            custom_headers=config.get("additionalHeaders"),
        )
        self._lock = threading.Lock()

    def login(self) -> None:
        """Takes a new token, which also holds the rights on realms made since the last one."""
        with self._lock:
            self._once(self._connection.get_token)

    def _token(self) -> None:
        with self._lock:
            expires = self._connection.expires_at
            if self._connection.token is None or expires is None or expires <= datetime.now(UTC):
                self._once(self._connection.get_token)

    def _once(self, call: Callable[[], Any]) -> Any:
        from keycloak.exceptions import KeycloakError

        try:
            return call()
        except KeycloakError as error:
            raise PluginError(f"no session at Keycloak ({self._address}): {_said(error)}") from error

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request below `/admin/realms`; returns the JSON, or the id of what was made. Raises NotFoundError."""
        self._token()
        send = getattr(self._connection, f"raw_{method.lower()}")
        data = {} if method == "GET" else {"data": None if body is None else json.dumps(body)}
        answer = self._once(lambda: send(f"admin/realms{path}", **data, **query))
        if answer.status_code >= 400:
            error = NotFoundError if answer.status_code == 404 else PluginError
            raise error(f"Keycloak answered {answer.status_code} to {method} {path}: {_message(answer.text)}")
        if method == "POST" and "Location" in answer.headers:
            return answer.headers["Location"].rpartition("/")[2]
        return answer.json() if answer.content else None


def _said(error: Any) -> str:
    body = getattr(error, "response_body", None)
    return _message(body.decode(errors="replace")) if body else str(error)


def _message(text: str) -> str:
    try:
        body = json.loads(text)
    except ValueError:
        return text[:300]
    if not isinstance(body, dict):
        return text[:300]
    return str(body.get("errorMessage") or body.get("error_description") or body.get("error") or text[:300])


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """Where a property is in Keycloak's JSON and how it is written there."""

    path: tuple[str, ...]
    encode: Callable[[Any], Any] = _same
    decode: Callable[[Any], Any] = _same
    absent: Any = None
    """What is sent when the property is not given, as the official plugin does; None leaves it to Keycloak."""


def text_bool(*path: str, absent: bool | None = None) -> Field:
    """A flag that Keycloak keeps as text."""
    return Field(path, _bool_text, lambda text: text == "true", None if absent is None else _bool_text(absent))


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


def seconds(*path: str) -> Field:
    """A duration here, a number of seconds there."""
    return Field(path, lambda text: nanoseconds(text) // 10**9, lambda number: go_duration(number * 10**9))


def multivalued(*path: str) -> Field:
    """A map of texts here, of lists of texts there; `##` parts the values, as with the official plugin."""
    return Field(
        path,
        lambda values: {name: text.split("##") for name, text in values.items()},
        lambda lists: {name: "##".join(texts) for name, texts in lists.items()},
        {},
    )


def put(body: Props, path: tuple[str, ...], value: Any) -> None:
    """Sets a value in nested dicts; a dict is merged into the one that is there."""
    for step in path[:-1]:
        body = body.setdefault(step, {})
    there = body.get(path[-1])
    body[path[-1]] = {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value


def look_up(body: Any, path: tuple[str, ...]) -> Any:
    """The value in nested dicts, or None."""
    for step in path:
        body = body.get(step) if isinstance(body, dict) else None
    return body


def same(real: Any, wanted: Any) -> bool:
    """Whether Keycloak has what is wanted: lists as sets, of maps only the wanted keys, nothing as empty."""
    if isinstance(wanted, dict) and isinstance(real, dict):
        return all(same(real.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(real, list):
        return sorted(map(str, wanted)) == sorted(map(str, real))
    return bool(real == wanted or (not real and not wanted))


Table = Mapping[str, Field]


class Entity(Resource[Admin]):
    """An object with a JSON representation: made by POST, changed by GET, merge and PUT."""

    fields: ClassVar[Table]
    merged: ClassVar[frozenset[str]] = frozenset()
    """Maps of the representation in which Keycloak keeps entries of its own."""
    blank: ClassVar[bool] = False
    """Whether Keycloak drops an entry of these only when it is sent empty."""

    def collection(self, inputs: Props) -> str:
        """The path that takes a new one."""
        raise NotImplementedError

    def item(self, inputs: Props, resource_id: str) -> str:
        """The path of one."""
        return f"{self.collection(inputs)}/{resource_id}"

    def body(self, inputs: Props) -> Props:
        """What Keycloak should have."""
        body: Props = {}
        for name, field in self.fields.items():
            if name in inputs:
                put(body, field.path, field.encode(inputs[name]))
            elif field.absent is not None:
                put(body, field.path, field.absent)
        return body

    def outputs(self, client: Admin, real: Props) -> Props:
        """The computed outputs, from what Keycloak has."""
        values = {name: (field, look_up(real, field.path)) for name, field in self.fields.items()}
        return {name: field.decode(value) for name, (field, value) in values.items() if value is not None}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        """Inputs that are otherwise in Keycloak."""
        for name in inputs.keys() & self.fields.keys():
            field = self.fields[name]
            value = look_up(real, field.path)
            if not same(value, field.encode(inputs[name])):
                decoded = None if value is None else field.decode(value)
                if decoded == MASK:  # the official provider takes it for no difference either
                    continue
                if isinstance(decoded, dict):  # only what was asked for: the rest is Keycloak's own
                    decoded = {key: decoded[key] for key in inputs[name] if key in decoded}
                yield name, decoded

    def finish(self, client: Admin, resource_id: str, inputs: Props) -> None:
        """What creation needs besides the representation."""

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        created = client.call("POST", self.collection(inputs), self.body(inputs))
        self.finish(client, created, inputs)
        return created, self.outputs(client, client.call("GET", self.item(inputs, created)))

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", self.item(inputs, resource_id))
        except NotFoundError:
            return None
        return Found(self.outputs(client, real), dict(self.drift(real, inputs)))

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        path = self.item(inputs, resource_id)
        real, body = client.call("GET", path), self.body(inputs)
        before = self.body(state)
        for name in self.merged & real.keys():
            dropped = before.get(name, {}).keys() - body.get(name, {}).keys()
            kept = {key: value for key, value in real[name].items() if key not in dropped}
            body[name] = {**kept, **(dict.fromkeys(dropped, "") if self.blank else {}), **body.get(name, {})}
        client.call("PUT", path, {**real, **body})
        return self.outputs(client, client.call("GET", path))

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", self.item(state, resource_id))
        except NotFoundError:
            return
