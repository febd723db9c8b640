"""The request that creates a container, for the `docker` stand-in."""

from __future__ import annotations

import base64
import io
import tarfile
import time
from pathlib import Path

from offline.plugins.docker_engine import labels
from offline.plugins.duration import nanoseconds
from offline.plugins.resource import Props

# Names in Pulumi and in the API of properties whose value is passed unchanged.
CONFIG = {
    "command": "Cmd",
    "entrypoints": "Entrypoint",
    "envs": "Env",
    "hostname": "Hostname",
    "image": "Image",
    "stdinOpen": "OpenStdin",
    "stopTimeout": "StopTimeout",
    "tty": "Tty",
    "user": "User",
}
HOST_CONFIG = {
    "cpuSet": "CpusetCpus",
    "cpuShares": "CpuShares",
    "init": "Init",
    "networkMode": "NetworkMode",
    "readOnly": "ReadonlyRootfs",
    "rm": "AutoRemove",
    "securityOpts": "SecurityOpt",
    "tmpfs": "Tmpfs",
}
# In MiB in Pulumi, in bytes in the API; -1 means no limit in both.
MEBIBYTES = {
    "memory": "Memory",
    "memoryReservation": "MemoryReservation",
    "memorySwap": "MemorySwap",
}
DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "startPeriod": "StartPeriod",
    "startInterval": "StartInterval",
}


def in_bytes(mebibytes: int) -> int:
    """MiB in bytes; -1 (no limit) is unchanged."""
    return mebibytes * 2**20 if mebibytes > 0 else mebibytes


def in_mebibytes(value: int) -> int:
    """Bytes in MiB; -1 (no limit) is unchanged."""
    return value // 2**20 if value > 0 else value


def restart_policy(inputs: Props) -> Props:
    """The restart policy in the format of the API."""
    return {"Name": inputs["restart"], "MaximumRetryCount": 0}


def api_config(inputs: Props) -> Props:
    """The body of the engine's `POST /containers/create`."""
    config: Props = {api: inputs[name] for name, api in CONFIG.items() if name in inputs}
    host: Props = {api: inputs[name] for name, api in HOST_CONFIG.items() if name in inputs}
    host |= {api: in_bytes(inputs[name]) for name, api in MEBIBYTES.items() if name in inputs}
    config["Labels"] = labels(inputs.get("labels", []))
    host["RestartPolicy"] = restart_policy(inputs)
    host["LogConfig"] = {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts", {})}
    if "healthcheck" in inputs:
        check = inputs["healthcheck"]
        config["Healthcheck"] = {"Test": check.get("tests", []), "Retries": check.get("retries", 0)} | {
            api: nanoseconds(check[name]) for name, api in DURATIONS.items() if name in check
        }
    if "capabilities" in inputs:
        host["CapAdd"] = inputs["capabilities"].get("adds", [])
        host["CapDrop"] = inputs["capabilities"].get("drops", [])
    host["Ulimits"] = [
        {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]} for limit in inputs.get("ulimits", [])
    ]
    ports = {f"{port['internal']}/{port.get('protocol', 'tcp')}": port for port in inputs.get("ports", [])}
    config["ExposedPorts"] = {key: {} for key in ports}
    host["PortBindings"] = {key: [] for key in ports}
    for port in inputs.get("ports", []):
        host["PortBindings"][f"{port['internal']}/{port.get('protocol', 'tcp')}"].append(
            {"HostIp": port.get("ip", "0.0.0.0"), "HostPort": str(port.get("external", 0))}  # noqa: S104 # official default
        )
    host["Binds"] = [
        f"{volume['volumeName']}:{volume['containerPath']}:{'ro' if volume.get('readOnly') else 'rw'}"
        for volume in inputs.get("volumes", [])
    ]
    return {**config, "HostConfig": host}


def archive_of(uploads: list[Props]) -> bytes:
    """The uploads as one tar archive, owned by root as with the official plugin."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for upload in uploads:
            if "source" in upload:
                content = Path(upload["source"]).read_bytes()
            elif "contentBase64" in upload:
                content = base64.b64decode(upload["contentBase64"], validate=True)
            else:
                content = upload["content"].encode()
            entry = tarfile.TarInfo(upload["file"].lstrip("/"))
            entry.size = len(content)
            entry.mtime = int(time.time())
            entry.mode = int(upload.get("permissions") or ("0744" if upload.get("executable") else "0644"), 8)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
