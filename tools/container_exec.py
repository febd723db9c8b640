"""Commands in a container of the stack, or in one of their own, wherever the engine is."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import docker
from docker.models.containers import Container
from docker.utils import socket as docker_socket

from names import PROJECT, docker_labels


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    standard_output: bytes
    standard_error: bytes

    @property
    def output(self) -> str:
        """Both as text."""
        return (self.standard_output + self.standard_error).decode(errors="replace")

    @property
    def reason(self) -> str:
        """The line that says why it failed: ssh's last word, restic's or PostgreSQL's own error, else the last one."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        if said_by_ssh := [line for line in lines if line.startswith("subprocess ssh:")]:
            return said_by_ssh[-1]
        marks = ("Fatal:", "error:", "ERROR:")
        return next(
            (line for line in lines if any(mark in line for mark in marks)), lines[-1] if lines else "no output"
        )


def run(container: Container, command: Sequence[str], standard_input: bytes | None = None) -> Result:
    """Run a command and wait for its end. Raises docker.errors.APIError if the container does not run."""
    api: Any = container.client.api if container.client else None
    created = api.exec_create(container.id, list(command), stdin=standard_input is not None)["Id"]
    stream = api.exec_start(created, socket=True)
    if standard_input is not None:
        connection = getattr(stream, "_sock", stream)
        # A command that has ended before it read everything says why in its output.
        with suppress(BrokenPipeError):
            connection.sendall(standard_input)
            connection.shutdown(socket.SHUT_WR)
    frames: Any = docker_socket
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    # The connection is reset if the command has ended before it read everything.
    with suppress(ConnectionResetError):
        for number, part in frames.frames_iter(stream, tty=False):
            parts[number].append(part)
    return Result(api.exec_inspect(created)["ExitCode"], b"".join(parts[1]), b"".join(parts[2]))


def run_once(
    engine: docker.DockerClient,
    stack: str,
    image: str,
    command: Sequence[str],
    *,
    user: str,
    capabilities: Sequence[str] = (),
    **more: Any,
) -> bytes:
    """What a command prints in a container that is made for it and removed, without a network.

    `more` is handed on to `containers.run` of Docker's SDK: environment, volumes. Raises docker.errors.DockerException
    if it cannot start or the command fails.
    """
    return bytes(
        engine.containers.run(
            image,
            entrypoint=list(command),
            user=user,
            network_mode="none",
            cap_drop=["ALL"],
            cap_add=list(capabilities),
            security_opt=["no-new-privileges:true"],
            labels=dict(docker_labels(PROJECT, stack)),
            remove=True,
            **more,
        )
    )
