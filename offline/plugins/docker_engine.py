"""The Docker engine as the `docker` stand-in uses it: connection, registries, and how calls fail."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from bootstrap.remote_engine import REMOTE_SOCKET, forward
from offline.plugins.resource import PluginError, Props, pause

# The longest call is a stop with a long grace period.
_TIMEOUT = 300
# An SSH connection that was not used for so long is asked whether it still leads anywhere.
_IDLE = 5.0


class Engine:
    """A Docker engine: its API client and the credentials for registries."""

    def __init__(self, config: Props) -> None:
        self.host = config.get("host") or os.environ.get("DOCKER_HOST") or f"unix://{REMOTE_SOCKET}"
        self.registries = {entry["address"]: entry for entry in config.get("registryAuth", [])}
        self._ssh_options: list[str] = config.get("sshOpts", [])
        self._lock = threading.Lock()
        self._api = self._connected()
        self._used = time.monotonic()

    @property
    def api(self) -> Any:  # its type stubs lack much of what is used here
        """The engine's API. A machine that was replaced meanwhile is found by a connection of its own."""
        with self._lock:
            idle = time.monotonic() - self._used > _IDLE
            if idle and self.host.startswith("ssh://") and not self._answers():
                self._api = self._connected()
            self._used = time.monotonic()
            return self._api

    def _connected(self) -> Any:
        import docker  # takes a quarter of a second: only when it is needed

        address = self.host
        if address.startswith("ssh://"):
            try:
                address = forward(address, self._ssh_options, pause)
            except ConnectionError as error:
                raise PluginError(str(error)) from error
        try:
            return docker.APIClient(address, version="auto", timeout=_TIMEOUT)
        except docker.errors.DockerException as error:
            raise PluginError(f"no Docker engine answers at {self.host}: {error}") from error

    def _answers(self) -> bool:
        from requests.exceptions import RequestException

        try:
            return bool(self._api.get(self._api._url("/_ping", versioned_api=False), timeout=_IDLE).ok)
        except RequestException:
            return False

    def pull(self, name: str, platform: str | None) -> None:
        """Fetches an image from its registry."""
        from docker.auth import resolve_repository_name
        from docker.utils import parse_repository_tag

        repository, tag = parse_repository_tag(name)
        registry, _ = resolve_repository_name(repository)
        entry = self.registries.get(registry)
        auth = {"username": entry.get("username"), "password": entry.get("password")} if entry else None
        try:
            for line in self.api.pull(
                repository, tag or "latest", stream=True, decode=True, auth_config=auth, platform=platform
            ):
                if "error" in line:
                    raise PluginError(line["error"])
        except Exception as error:
            raise PluginError(
                f"image {name} is not on the engine at {self.host} and cannot be pulled: {explain(error)}"
            ) from error


def explain(error: Exception) -> str:
    """The engine's own words, without the client's about HTTP."""
    return getattr(error, "explanation", None) or str(error)


def labels(pairs: list[dict[str, str]]) -> dict[str, str]:
    """Labels as the engine wants them."""
    return {pair["label"]: pair["value"] for pair in pairs}


def gone(call: Callable[[], Any]) -> bool:
    """Whether the engine does not know the object that the call is about."""
    from docker.errors import NotFound

    try:
        call()
    except NotFound:
        return True
    return False


def until_free(call: Callable[[], Any], seconds: float = 30) -> None:
    """Removes an object that the engine may still count as in use for a moment after its container went."""
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + seconds
    while True:
        try:
            call()
            return
        except NotFound:
            return
        except APIError as error:
            in_use = error.response is not None and error.response.status_code in (403, 409)
            if not in_use or time.monotonic() > deadline:
                raise
        pause(0.5)
