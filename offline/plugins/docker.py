"""Stand-in for the resource plugin `docker`: images, networks, volumes, containers by the Docker SDK."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from bootstrap.remote_engine import REMOTE_SOCKET, forward
from offline.plugins.provider import Found, PluginError, Props, Resource, StandIn, pause, serve

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


class RemoteImage(Resource[Engine]):
    resource_type = "docker:index/remoteImage:RemoteImage"
    args = "pulumi_docker:RemoteImageArgs"
    implemented = frozenset({"forceRemove", "keepLocally", "name", "platform", "pullTriggers", "triggers"})
    replace = frozenset({"name", "platform", "pullTriggers", "triggers"})

    def _look(self, client: Engine, name: str) -> Props | None:
        from docker.errors import ImageNotFound

        try:
            image = client.api.inspect_image(name)
        except ImageNotFound:
            return None
        return {"imageId": image["Id"], "repoDigest": next(iter(image.get("RepoDigests") or []), "")}

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        name = inputs["name"]
        outputs = self._look(client, name)
        if outputs is None:
            client.pull(name, inputs.get("platform"))
            outputs = self._look(client, name)
        if outputs is None:
            raise PluginError(f"image {name} was pulled but the engine does not have it")
        return outputs["imageId"] + name, outputs

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        outputs = self._look(client, inputs["name"])
        return None if outputs is None else Found(outputs)

    def update(self, client: Engine, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        if not state.get("keepLocally"):
            gone(lambda: client.api.remove_image(state["imageId"], force=state.get("forceRemove", False)))


# The API's names of an address pool -> Pulumi's.
_POOL = {
    "Subnet": "subnet",
    "IPRange": "ipRange",
    "Gateway": "gateway",
    "AuxiliaryAddresses": "auxAddress",
}


class Network(Resource[Engine]):
    resource_type = "docker:index/network:Network"
    args = "pulumi_docker:NetworkArgs"
    implemented = replace = frozenset(
        {"attachable", "driver", "ingress", "internal", "ipamConfigs", "ipamDriver", "ipamOptions"}
        | {"ipv6", "labels", "name", "options"}
    )
    defaults = {"ipamDriver": "default"}  # noqa: RUF012 # declared once, in the base class
    autoname = "name"

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        from docker.types import IPAMConfig, IPAMPool

        pools = [
            IPAMPool(
                subnet=pool.get("subnet"),
                iprange=pool.get("ipRange"),
                gateway=pool.get("gateway"),
                aux_addresses=pool.get("auxAddress"),
            )
            for pool in inputs.get("ipamConfigs", [])
        ]
        created = client.api.create_network(
            inputs["name"],
            driver=inputs.get("driver", "bridge"),
            options=inputs.get("options"),
            ipam=IPAMConfig(inputs["ipamDriver"], pools, inputs.get("ipamOptions")),
            check_duplicate=True,
            internal=inputs.get("internal", False),
            labels=labels(inputs.get("labels", [])),
            enable_ipv6=inputs.get("ipv6", False),
            attachable=inputs.get("attachable"),
            ingress=inputs.get("ingress"),
        )
        return created["Id"], self._outputs(client, created["Id"])

    def _outputs(self, client: Engine, resource_id: str) -> Props:
        real = client.api.inspect_network(resource_id)
        pools = real["IPAM"]["Config"] or []
        return {
            "driver": real["Driver"],
            "internal": real["Internal"],
            "ipamConfigs": [{_POOL[key]: value for key, value in pool.items() if value} for pool in pools],
            "name": real["Name"],
            "options": real["Options"] or {},
            "scope": real["Scope"],
        }

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_network(resource_id)):
            return None
        return Found(self._outputs(client, resource_id))

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        until_free(lambda: client.api.remove_network(resource_id))


class Volume(Resource[Engine]):
    resource_type = "docker:index/volume:Volume"
    args = "pulumi_docker:VolumeArgs"
    implemented = replace = frozenset({"driver", "driverOpts", "labels", "name"})
    autoname = "name"

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        real = client.api.create_volume(
            inputs["name"],
            driver=inputs.get("driver"),
            driver_opts=inputs.get("driverOpts"),
            labels=labels(inputs.get("labels", [])),
        )
        return real["Name"], {"driver": real["Driver"], "mountpoint": real["Mountpoint"]}

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_volume(resource_id)):
            return None
        real = client.api.inspect_volume(resource_id)
        return Found({"driver": real["Driver"], "mountpoint": real["Mountpoint"]})

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        until_free(lambda: client.api.remove_volume(resource_id, force=True))


def plugin() -> StandIn[Engine]:
    from offline.plugins.docker_container import Container

    return StandIn(
        "docker",
        [RemoteImage(), Network(), Volume(), Container()],
        Engine,
        config=frozenset({"disableDockerDaemonCheck", "host", "registryAuth", "sshOpts"}),
        refused_config=frozenset(
            f"registryAuth.{name}" for name in ("authDisabled", "configFile", "configFileContent")
        ),
        explain=explain,
    )


if __name__ == "__main__":
    serve(plugin())
