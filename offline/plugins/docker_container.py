"""The container of the `docker` stand-in: made, waited for, looked at, changed, removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from offline.plugins.docker_body import (
    CONFIG,
    DURATIONS,
    HOST_CONFIG,
    MEBIBYTES,
    api_config,
    archive_of,
    in_bytes,
    in_mebibytes,
    restart_policy,
)
from offline.plugins.docker_engine import Engine, gone
from offline.plugins.duration import go_duration, is_duration
from offline.plugins.provider import Found, InitError, PluginError, Props, Resource, pause

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
        return created, _outputs(client.api.inspect_container(created))

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
            raise InitError(container, _outputs(real), reason)

    # Afterwards

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_container(resource_id)):
            return None
        real = client.api.inspect_container(resource_id)
        return Found(_outputs(real), dict(_drift(real, inputs)))

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
        return _outputs(client.api.inspect_container(resource_id))

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


def _outputs(real: Props) -> Props:
    config, host, network = real["Config"], real["HostConfig"], real["NetworkSettings"]
    outputs: Props = {
        "bridge": network.get("Bridge", ""),
        "command": config.get("Cmd") or [],
        "containerLogs": "",
        "entrypoints": config.get("Entrypoint") or [],
        "envs": config.get("Env") or [],
        "hostname": config["Hostname"],
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode", ""),
        "logDriver": host["LogConfig"]["Type"],
        "name": real["Name"].lstrip("/"),
        "networkDatas": [
            {
                "networkName": name,
                "gateway": data["Gateway"],
                "globalIpv6Address": data["GlobalIPv6Address"],
                "globalIpv6PrefixLength": data["GlobalIPv6PrefixLen"],
                "ipAddress": data["IPAddress"],
                "ipPrefixLength": data["IPPrefixLen"],
                "ipv6Gateway": data["IPv6Gateway"],
                "macAddress": data["MacAddress"],
            }
            for name, data in sorted((network.get("Networks") or {}).items())
        ],
        "platform": real.get("Platform", ""),
        "ports": _ports(network),
        "runtime": host.get("Runtime", ""),
        "securityOpts": host.get("SecurityOpt") or [],
        "shmSize": in_mebibytes(host["ShmSize"]),
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
    }
    if not real["State"]["Running"]:
        outputs["exitCode"] = real["State"]["ExitCode"]
    return outputs


def _ports(network: Props) -> list[Props]:
    """Published ports in the order of the official plugin: by port inside, each with its bindings as the engine lists
    them. A container that does not run has none."""
    found = []
    for key, bindings in (network.get("Ports") or {}).items():
        number, _, protocol = key.partition("/")
        for binding in bindings or []:
            port = {"internal": int(number), "external": int(binding["HostPort"] or 0), "ip": binding["HostIp"]}
            found.append({**port, "protocol": protocol})
    return sorted(found, key=lambda port: (port["internal"], port["protocol"]))


def _drift(real: Props, inputs: Props) -> Iterator[tuple[str, Any]]:
    """Inputs whose real value is another one. As with the official plugin, this counts what the engine writes
    in its own way: a capability without CAP_, a duration of `60s`, a memory limit without one for swap."""
    host = real["HostConfig"]
    seen: Props = {
        "mustRun": real["State"]["Running"],
        "name": real["Name"].lstrip("/"),
        "restart": host["RestartPolicy"]["Name"] or "no",
        **{name: host[HOST_CONFIG[name]] for name in ("cpuSet", "cpuShares")},
        **{name: in_mebibytes(host[api]) for name, api in MEBIBYTES.items()},
    }
    if not inputs["mustRun"] or not inputs["start"]:
        del seen["mustRun"]
    for name, value in seen.items():
        if value != inputs.get(name, type(value)()):
            yield name, value
    wanted = inputs.get("capabilities", {})
    caps = {"adds": _full_names(host.get("CapAdd")), "drops": _full_names(host.get("CapDrop"))}
    if any(sorted(wanted.get(name, [])) != sorted(caps[name]) for name in caps):
        yield "capabilities", caps
    if "healthcheck" in inputs:
        check, has = inputs["healthcheck"], real["Config"].get("Healthcheck") or {}
        now = {name: go_duration(has.get(DURATIONS[name], 0)) for name in DURATIONS if name in check}
        if any(check[name] != value for name, value in now.items()):
            yield "healthcheck", {**check, **now}


def _full_names(capabilities: list[str] | None) -> list[str]:
    """As newer engines tell them; version 20.10 does not."""
    names = capabilities or []
    return [name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in names]
