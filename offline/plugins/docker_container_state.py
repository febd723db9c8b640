"""What the engine shows of a container, as computed outputs and as differences from its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from offline.plugins.docker_body import DURATIONS, HOST_CONFIG, MEBIBYTES, in_mebibytes
from offline.plugins.duration import go_duration
from offline.plugins.resource import Props


def outputs_of(real: Props) -> Props:
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


def drift_of(real: Props, inputs: Props) -> Iterator[tuple[str, Any]]:
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
