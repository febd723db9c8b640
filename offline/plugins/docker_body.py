"""A container as the engine's API takes it, for the `docker` stand-in."""

from __future__ import annotations

import base64
import io
import tarfile
import time
from pathlib import Path

from offline.plugins.docker_engine import labels
from offline.plugins.duration import nanoseconds
from offline.plugins.provider import Props

# Pulumi's name -> the API's, for what is handed over as it is.
CONFIG = {
    "command": "Cmd",
    "domainname": "Domainname",
    "entrypoints": "Entrypoint",
    "envs": "Env",
    "hostname": "Hostname",
    "image": "Image",
    "stdinOpen": "OpenStdin",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
    "tty": "Tty",
    "user": "User",
    "workingDir": "WorkingDir",
}
HOST_CONFIG = {
    "cgroupParent": "CgroupParent",
    "cgroupnsMode": "CgroupnsMode",
    "cpuPeriod": "CpuPeriod",
    "cpuQuota": "CpuQuota",
    "cpuSet": "CpusetCpus",
    "cpuShares": "CpuShares",
    "dns": "Dns",
    "dnsOpts": "DnsOptions",
    "dnsSearches": "DnsSearch",
    "groupAdds": "GroupAdd",
    "init": "Init",
    "ipcMode": "IpcMode",
    "networkMode": "NetworkMode",
    "pidMode": "PidMode",
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "readOnly": "ReadonlyRootfs",
    "rm": "AutoRemove",
    "runtime": "Runtime",
    "securityOpts": "SecurityOpt",
    "storageOpts": "StorageOpt",
    "sysctls": "Sysctls",
    "tmpfs": "Tmpfs",
    "usernsMode": "UsernsMode",
}
# In MiB here, in bytes there; -1 (no limit) stays.
MEBIBYTES = {
    "memory": "Memory",
    "memoryReservation": "MemoryReservation",
    "memorySwap": "MemorySwap",
    "shmSize": "ShmSize",
}
DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "startPeriod": "StartPeriod",
    "startInterval": "StartInterval",
}


def in_bytes(mebibytes: int) -> int:
    """MiB as bytes; -1 (no limit) stays."""
    return mebibytes * 2**20 if mebibytes > 0 else mebibytes


def in_mebibytes(value: int) -> int:
    """Bytes as MiB; -1 (no limit) stays."""
    return value // 2**20 if value > 0 else value


def restart_policy(inputs: Props) -> Props:
    """The restart policy as the API takes it."""
    return {"Name": inputs["restart"], "MaximumRetryCount": inputs.get("maxRetryCount", 0)}


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
    if "cpus" in inputs:
        host["NanoCpus"] = round(float(inputs["cpus"]) * 10**9)
    if "capabilities" in inputs:
        host["CapAdd"] = inputs["capabilities"].get("adds", [])
        host["CapDrop"] = inputs["capabilities"].get("drops", [])
    host["ExtraHosts"] = [f"{entry['host']}:{entry['ip']}" for entry in inputs.get("hosts", [])]
    host["Ulimits"] = [
        {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]} for limit in inputs.get("ulimits", [])
    ]
    host["Devices"] = [
        {
            "PathOnHost": device["hostPath"],
            "PathInContainer": device.get("containerPath", device["hostPath"]),
            "CgroupPermissions": device.get("permissions", "rwm"),
        }
        for device in inputs.get("devices", [])
    ]
    ports = {f"{port['internal']}/{port.get('protocol', 'tcp')}": port for port in inputs.get("ports", [])}
    config["ExposedPorts"] = {key: {} for key in ports}
    host["PortBindings"] = {key: [] for key in ports}
    for port in inputs.get("ports", []):
        host["PortBindings"][f"{port['internal']}/{port.get('protocol', 'tcp')}"].append(
            {"HostIp": port.get("ip", "0.0.0.0"), "HostPort": str(port.get("external", 0))}  # noqa: S104 # official default
        )
    host["Mounts"] = [_mount(mount) for mount in inputs.get("mounts", [])]
    host["Binds"], host["VolumesFrom"], config["Volumes"] = [], [], {}
    for volume in inputs.get("volumes", []):
        mode = "ro" if volume.get("readOnly") else "rw"
        source = volume.get("volumeName") or volume.get("hostPath")
        if "fromContainer" in volume:
            host["VolumesFrom"].append(f"{volume['fromContainer']}:{mode}")
        elif source:
            relabel = f",{volume['selinuxRelabel']}" if volume.get("selinuxRelabel") else ""
            host["Binds"].append(f"{source}:{volume['containerPath']}:{mode}{relabel}")
        else:
            config["Volumes"][volume["containerPath"]] = {}
    return {**config, "HostConfig": host}


def _mount(mount: Props) -> Props:
    body: Props = {
        "Type": mount["type"],
        "Target": mount["target"],
        "Source": mount.get("source", ""),
        "ReadOnly": mount.get("readOnly", False),
    }
    if "bindOptions" in mount:
        body["BindOptions"] = {"Propagation": mount["bindOptions"].get("propagation", "")}
    if "tmpfsOptions" in mount:
        options = mount["tmpfsOptions"]
        body["TmpfsOptions"] = {"SizeBytes": options.get("sizeBytes", 0), "Mode": options.get("mode", 0)}
    if "volumeOptions" in mount:
        options = mount["volumeOptions"]
        driver = {"Name": options.get("driverName", ""), "Options": options.get("driverOptions", {})}
        body["VolumeOptions"] = {
            "NoCopy": options.get("noCopy", False),
            "Labels": labels(options.get("labels", [])),
            **({"DriverConfig": driver} if "driverName" in options or "driverOptions" in options else {}),
        }
    return body


def archive_of(uploads: list[Props]) -> bytes:
    """The uploads as one tar archive, owned by root as the official plugin's are."""
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
