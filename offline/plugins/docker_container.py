"""The container of the `docker` stand-in: made, waited for, looked at, changed, removed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from offline.plugins.docker_body import (
    CONFIG,
    DURATIONS,
    HOST_CONFIG,
    MEBIBYTES,
    api_config,
    archive_of,
    in_bytes,
    restart_policy,
)
from offline.plugins.docker_container_state import drift_of, outputs_of
from offline.plugins.docker_engine import Engine, gone
from offline.plugins.duration import is_duration
from offline.plugins.resource import Found, InitError, PluginError, Props, Resource, pause

# What `docker update` can change, and what needs no change of the object at all.
_IN_PLACE = frozenset({"cpuSet", "cpuShares", "memory", "memoryReservation", "memorySwap", "restart"})
_SETTINGS = frozenset({"destroyGraceSeconds", "mustRun", "removeVolumes", "rm", "start", "wait", "waitTimeout"})
# Changes of these are reported as updated and have no effect until the next replacement: as the official
# plugin does, so that a program which forgets `replace_on_changes` fails here too.
_WITHOUT_EFFECT = frozenset({"healthcheck", "init", "tmpfs"})
_STRUCTURED = frozenset(
    {"capabilities", "labels", "logDriver", "logOpts", "name", "networksAdvanced", "ports", "ulimits", "uploads"}
    | {"volumes"}
)


class Container(Resource[Engine]):
    resource_type = "docker:index/container:Container"
    args = "pulumi_docker:ContainerArgs"
    implemented = frozenset({*CONFIG, *HOST_CONFIG, *MEBIBYTES, *_STRUCTURED}) | _IN_PLACE | _SETTINGS | _WITHOUT_EFFECT
    refused = frozenset(
        [f"networksAdvanced.{name}" for name in ("driverOpts", "gwPriority", "linkLocalIps", "macAddress")]
        + [f"volumes.{name}" for name in ("fromContainer", "hostPath", "selinuxRelabel")]
    )
    replace = implemented - _IN_PLACE - _SETTINGS - _WITHOUT_EFFECT
    ordered = frozenset({"command", "entrypoints", "ports", "tests"})
    read_back = frozenset({"ports"})
    defaults = {  # noqa: RUF012 # declared once, in the base class
        "mustRun": True,
        "networkMode": "bridge",
        "readOnly": False,
        "removeVolumes": True,
        "restart": "no",
        "rm": False,
        "start": True,
        "stdinOpen": False,
        "tty": False,
        "wait": False,
        "waitTimeout": 60,
    }
    autoname = "name"

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs["readOnly"] is True and inputs.get("uploads"):
            yield "uploads", "the engine refuses uploads into a container whose root is readOnly"
        for index, upload in enumerate(inputs.get("uploads", [])):
            if isinstance(upload, dict) and len(upload.keys() & {"content", "contentBase64", "source"}) != 1:
                yield f"uploads[{index}]", "needs exactly one of content, contentBase64 and source"
        for name, value in (inputs.get("healthcheck") or {}).items():
            if name in DURATIONS and isinstance(value, str) and not is_duration(value):
                yield f"healthcheck.{name}", "must be a duration such as 1m30s"

    def as_read(self, name: str, value: Any, real: Any) -> Any:
        if name != "ports" or not isinstance(value, list):
            return value
        there = real if isinstance(real, list) else []
        return [
            {
                "ip": "0.0.0.0",  # noqa: S104 # official default
                "protocol": "tcp",
                **port,
                # None, or 0: the engine chooses one.
                "external": port.get("external") or (there[index]["external"] if index < len(there) else 0),
            }
            for index, port in enumerate(value)
        ]

    # Making one

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        self._check_image(client, inputs["image"])
        config = api_config(inputs)
        if (config.get("Healthcheck") or {}).get("StartInterval") and _version(client) < (1, 44):
            version = client.api.api_version
            raise PluginError(f"healthcheck.startInterval needs an engine with API 1.44, this has {version}")
        created: str = client.api.create_container_from_config(config, inputs["name"])["Id"]
        try:
            self._prepare(client, created, inputs)
            if inputs["start"]:
                client.api.start(created)
        except Exception:
            # Nothing has run in it: no reason to leave it in the way of the next try.
            client.api.remove_container(created, force=True, v=True)
            raise
        self._await(client, created, inputs)
        return created, outputs_of(client.api.inspect_container(created))

    def _check_image(self, client: Engine, image: str) -> None:
        if gone(lambda: client.api.inspect_image(image)):
            client.pull(image, None)

    def _prepare(self, client: Engine, container: str, inputs: Props) -> None:
        real = client.api.inspect_container(container)
        test = (real["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
        if inputs["wait"] and test == ["NONE"]:
            raise PluginError("wait needs a healthcheck: neither the container nor its image has one")
        if inputs.get("networksAdvanced"):
            if "bridge" in real["NetworkSettings"]["Networks"]:
                client.api.disconnect_container_from_network(container, "bridge")
            for network in inputs["networksAdvanced"]:
                client.api.connect_container_to_network(
                    container,
                    network["name"],
                    aliases=network.get("aliases"),
                    ipv4_address=network.get("ipv4Address"),
                    ipv6_address=network.get("ipv6Address"),
                )
        if inputs.get("uploads"):
            client.api.put_archive(container, "/", archive_of(inputs["uploads"]))

    def _await(self, client: Engine, container: str, inputs: Props) -> None:
        """Waits until the container is as its inputs want it: running, and healthy if asked."""
        if not inputs["start"]:
            return
        deadline = time.monotonic() + inputs["waitTimeout"]
        while True:
            real = client.api.inspect_container(container)
            state = real["State"]
            status = (state.get("Health") or {}).get("Status", "none")
            dead = not (state["Running"] or state["Restarting"])
            if dead and inputs["mustRun"]:
                problem = f"exited with code {state['ExitCode']}"
            elif dead or not inputs["wait"] or status == "healthy":
                return
            elif time.monotonic() > deadline:
                problem = f"is not healthy after {inputs['waitTimeout']} s: {status}"
                if real["RestartCount"]:
                    problem += f", exited and restarted {real['RestartCount']} times"
            else:
                try:
                    pause(0.3)
                    continue
                except PluginError:
                    problem = "was not healthy yet when Pulumi was cancelled"
            reason = f"container {inputs['name']} {problem}{_said(client, real)}"
            raise InitError(container, outputs_of(real), reason)

    # Afterwards

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_container(resource_id)):
            return None
        real = client.api.inspect_container(resource_id)
        return Found(outputs_of(real), dict(drift_of(real, inputs)))

    def update(self, client: Engine, resource_id: str, state: Props, inputs: Props) -> Props:
        if any(state.get(name) != inputs.get(name) for name in _IN_PLACE):
            client.api.update_container(
                resource_id,
                cpu_shares=inputs.get("cpuShares"),
                cpuset_cpus=inputs.get("cpuSet"),
                mem_limit=in_bytes(inputs.get("memory", 0)) or None,
                mem_reservation=in_bytes(inputs.get("memoryReservation", 0)) or None,
                memswap_limit=in_bytes(inputs.get("memorySwap", 0)) or None,
                restart_policy=restart_policy(inputs),
            )
        running = client.api.inspect_container(resource_id)["State"]["Running"]
        if inputs["start"] and inputs["mustRun"] and not running:
            client.api.start(resource_id)
        self._await(client, resource_id, inputs)
        return outputs_of(client.api.inspect_container(resource_id))

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        from docker.errors import APIError

        def remove() -> None:
            if state.get("destroyGraceSeconds"):
                client.api.stop(resource_id, timeout=state["destroyGraceSeconds"])
            try:
                client.api.remove_container(resource_id, force=True, v=state.get("removeVolumes", True))
            except APIError as error:
                if "already in progress" not in (error.explanation or ""):
                    raise

        if gone(remove):
            return
        while not gone(lambda: client.api.inspect_container(resource_id)):
            pause(0.1)


def _version(client: Engine) -> tuple[int, ...]:
    return tuple(map(int, client.api.api_version.split(".")))


def _said(client: Engine, real: Props) -> str:
    """The container's own last words, for an error message."""
    text = ""
    checks = (real["State"].get("Health") or {}).get("Log") or []
    if checks:
        text += f"\nlast health check (code {checks[-1]['ExitCode']}): {checks[-1]['Output'].strip()[-1000:]}"
    lines = client.api.logs(real["Id"], tail=15).decode(errors="replace").strip()
    return text + (f"\nlast log lines:\n{lines}" if lines else "\nit wrote no log")
