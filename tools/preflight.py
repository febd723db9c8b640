"""Checks before an update. Each raises UserError with the problem and the fix."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil
from docker.models.containers import Container

from bootstrap import engine, network
from bootstrap.console import UserError
from bootstrap.remote_engine import forward
from names import PROJECT, docker_labels, docker_name

MIB = 1024 * 1024
NEEDED_BYTES = 2048 * MIB
DOCKER_PROVIDER = "pulumi:providers:docker"
DOCKER_TYPES = "docker:"


@dataclass(frozen=True)
class Found:
    """Docker objects with a stack's labels."""

    containers: Sequence[Container]
    networks: Sequence[Any]
    volumes: Sequence[Any]

    @property
    def any(self) -> bool:
        """Whether there is at least one object."""
        return bool(self.containers or self.networks or self.volumes)


def label_filters(stack: str) -> list[str]:
    """Docker's filters for the labels of a stack: `label=value` each."""
    return [f"{label}={value}" for label, value in docker_labels(PROJECT, stack).items()]


def find(client: docker.DockerClient, stack: str) -> Found:
    """All Docker objects of a stack, running or not."""
    chosen: dict[str, str | list[str] | bool] = {"label": label_filters(stack)}
    return Found(
        containers=client.containers.list(all=True, filters=chosen, ignore_removed=True),
        networks=client.networks.list(filters=chosen),
        volumes=client.volumes.list(filters=chosen),
    )


def by_alias(client: docker.DockerClient, stack: str) -> dict[str, Container]:
    """A stack's containers by their host names, running or not."""
    prefix = docker_name(PROJECT, stack, "")
    return {str(it.name).removeprefix(prefix): it for it in find(client, stack).containers}


def connect() -> docker.DockerClient:
    """The engine that the program uses. Raises UserError if it does not answer or this user has no access."""
    address = engine.EngineAddress.of_environment()
    state = engine.probe(address)
    if state is engine.EngineState.NOT_PERMITTED:
        raise engine.not_permitted(address)
    if state is engine.EngineState.UNREACHABLE:
        raise UserError(
            f"Docker engine: {address.url} does not answer", "Start it (make env does on Debian and Ubuntu)."
        )
    return docker.DockerClient(base_url=address.url, use_ssh_client=address.url.startswith("ssh://"))


def connect_remote(deployment: Mapping[str, Any]) -> docker.DockerClient | None:
    """The engine of a stack's server or VM, from its state; None if the state has none.

    Raises UserError if it does not answer.
    """
    for resource in deployment.get("resources") or []:
        inputs = resource.get("inputs", {})
        if resource["type"] == DOCKER_PROVIDER and str(inputs.get("host", "")).startswith("ssh://"):
            try:
                return docker.DockerClient(base_url=forward(inputs["host"], json.loads(inputs.get("sshOpts", "[]"))))
            except (ConnectionError, docker.errors.DockerException) as error:
                raise UserError(
                    str(error),
                    "Check that the machine is running and accepts your SSH key, then run the command again.",
                ) from error
    return None


def refuse_foreign(stack: str, found: Found, state_types: Iterable[str]) -> None:
    """Reject Docker objects of this stack that are not in this state: those of another checkout or a lost state."""
    if not found.any or any(kind.startswith(DOCKER_TYPES) for kind in state_types):
        return
    names = sorted([item.name for item in (*found.containers, *found.volumes, *found.networks)])
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    chosen = " ".join(f"--filter label={entry}" for entry in label_filters(stack))
    raise UserError(
        f"stack {stack}: the engine already has {shown}, and none of them are in this checkout's state",
        "They belong to another checkout: work there, or run `make destroy` there. If it is gone, this removes "
        f"them WITH THEIR DATA:\n  docker rm -f $(docker ps -aq {chosen})"
        f"\n  docker volume rm $(docker volume ls -q {chosen})"
        f"\n  docker network rm $(docker network ls -q {chosen})",
    )


def listener_on(address: str, port: int) -> str | None:
    """The process that listens on a port: `nginx (pid 4711)`, `another process`, or None if the port is free."""
    everywhere = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound
    try:
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if connection.status != psutil.CONN_LISTEN or not local or local.port != port:
                continue
            if local.ip not in (address, *everywhere) and address not in everywhere:
                continue
            if connection.pid is None:
                return "another user's process"
            return f"{_process_name(connection.pid)} (pid {connection.pid})"
        return None
    except psutil.AccessDenied:
        # macOS shows connections to root only.
        with socket.socket() as probe:
            probe.settimeout(1)
            return "another process" if probe.connect_ex((address, port)) == 0 else None


def _process_name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "a process"


def publisher_of(containers: Iterable[Container], port: int) -> Container | None:
    """The running container that publishes a port on this machine."""
    for container in containers:
        for bindings in (container.ports or {}).values():
            if any(int(binding["HostPort"]) == port for binding in bindings or ()):
                return container
    return None


def refuse_taken_port(
    client: docker.DockerClient, stack: str, address: str, port: int, *, setting: str = "ohif:port 8080"
) -> None:
    """Reject a port unless it is free or published by this stack. `setting` shows how to choose another port."""
    another = f"choose another port: pulumi config set {setting} -s {stack}"
    owner = publisher_of(client.containers.list(ignore_removed=True), port)
    if owner is not None:
        if docker_labels(PROJECT, stack).items() <= owner.labels.items():
            return
        raise UserError(
            f"port {port} is in use by container {owner.name}",
            f"docker stop {owner.name}, or {another}",
        )
    holder = listener_on(address, port)
    if holder is not None:
        raise UserError(
            f"port {port} is in use by {holder}",
            f"Stop it, or {another}",
        )


def refuse_little_memory(available: int, total: int, needed: int = NEEDED_BYTES) -> None:
    """Reject an engine with less memory than the stack needs while it starts. All values in bytes."""
    if min(available, total) >= needed:
        return
    raise UserError(
        f"memory: the stack needs about {gib(needed)}; {gib(available)} is available, "
        f"the engine has {gib(total)} in all",
        "Close other programs, or give Docker more memory (Docker Desktop: Settings, Resources). "
        "With less, containers are killed (exit code 137).",
    )


def gib(size: int) -> str:
    """A size in bytes as text in GiB."""
    return f"{size / 1024**3:.1f} GiB"


def refuse_missing_images(client: docker.DockerClient, images: Mapping[str, str]) -> None:
    """Reject images that are not on the engine and whose registry is unreachable. `images`: names by key."""
    missing = {key: name for key, name in images.items() if not _has_image(client, name)}
    if not missing:
        return
    unreachable = [
        f"{key} ({name})"
        for key, name in missing.items()
        if not network.reachable(f"https://{network.registry_of(name)}/v2/")
    ]
    if unreachable:
        raise UserError(
            f"images: not on this machine, and the registry does not answer: {', '.join(unreachable)}",
            "Check the network, or set a mirror in ohif:images; OFFLINE=1 make up builds the images on this machine.",
        )


def _has_image(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _is_pulumi(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "pulumi" in process.name()
    except psutil.Error:
        return False


def locks_held(lock_directory: Path) -> list[dict[str, Any]]:
    """Contents of Pulumi's lock files whose process runs, on this machine or on another one."""
    held = []
    for file in sorted(lock_directory.glob("*.json")):
        try:
            lock = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        other_machine = lock.get("hostname") != socket.gethostname()
        if other_machine or _is_pulumi(lock["pid"]):
            held.append(lock)
    return held
