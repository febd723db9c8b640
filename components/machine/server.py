"""An existing server as the host of the Docker engine."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pulumi
import pulumi_docker as docker

from components.containers.stack_context import StackContext
from components.machine.host import SSH_PORT
from components.machine.remote_shell import MachineError, Shell, ssh_shell, unless_explained
from components.machine.ssh_config import client_options
from settings import Server

OLDEST_ENGINE = (20, 10)
NEEDED_MEMORY = 3 * 1024**3
"""Bytes. A stack takes some 2 GiB while it starts, the machine itself the rest."""
NEEDED_DISK = 5 * 1024**3
"""Bytes free where the engine keeps its data: images alone take about 3 GB."""

QUESTIONS = """\
docker info --format '{{json .}}' && echo && \
{ df -Pk "$(docker info --format '{{.DockerRootDir}}')" || echo - - - unknown; } | tail -n 1 && \
docker ps --format '{{json .}}' && echo listeners && { cat /proc/net/tcp /proc/net/tcp6 || true; }
"""
LISTENING = "0A"
"""State of a listening socket (Linux, Documentation/networking/proc_net_tcp.rst)."""


@dataclass(frozen=True, kw_only=True)
class RemoteHostArgs:
    """Which server, and which of its ports the stack needs."""

    stack: StackContext
    server: Server
    ports: Sequence[int]


class RemoteHost(pulumi.ComponentResource):
    """A server that exists, with a Docker engine, reached by SSH with its host key pinned.

    Before anything is made it is asked whether it can do the work. The program installs nothing there and changes
    neither its firewall nor its SSH.
    """

    provider: docker.Provider
    address: pulumi.Output[str]
    addresses: pulumi.Output[list[str]]
    shell: pulumi.Output[Shell]
    known_hosts: pulumi.Output[str] | None

    def __init__(self, name: str, args: RemoteHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:RemoteHost", name, None, opts)
        server = args.server
        options = client_options(server.host_key, server.private_key_file)
        shell = ssh_shell(user=server.user, address=server.address, port=server.port, options=options)

        async def checked(shell: Shell) -> str:
            if not pulumi.runtime.is_dry_run():
                await shell.wait_until_reachable(timeout=20)
                await check_server(shell, args.stack, args.ports)
            return f"ssh://{server.user}@{server.address}:{server.port}"

        self.shell = pulumi.Output.from_input(shell)
        engine: pulumi.Output[str] = self.shell.apply(cast(Callable[[Shell], Awaitable[str]], checked))
        self.provider = docker.Provider(
            f"{name}-docker",
            host=engine,
            ssh_opts=list(options),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.address = pulumi.Output.from_input(server.address)
        name_there = server.address if server.port == SSH_PORT else f"[{server.address}]:{server.port}"
        self.known_hosts = pulumi.Output.from_input(f"{name_there} {server.host_key}")
        self.addresses = pulumi.Output.from_input([])
        self.register_outputs({})


async def check_server(shell: Shell, stack: StackContext, ports: Sequence[int]) -> None:
    """Whether a server can do the work.

    Raises:
        MachineError: no engine, too old, too small, or a port is taken.
    """
    answer = await shell.settled(QUESTIONS, timeout=60, repeat=unless_explained)
    if answer.code:
        raise MachineError(
            f"{shell.machine}: its Docker engine does not answer ({answer.failure}). Install docker, and put the user "
            "into group docker; then run again."
        )
    engine, rest = answer.output.split("\n", 1)
    found = json.loads(engine)
    version = tuple(int(part) for part in found["ServerVersion"].split(".")[:2])
    if version < OLDEST_ENGINE:
        raise MachineError(f"{shell.machine}: Docker {found['ServerVersion']} is too old; 20.10 or newer is needed.")
    if found["MemTotal"] < NEEDED_MEMORY:
        raise MachineError(
            f"{shell.machine}: has {_gib(found['MemTotal'])} of memory; {_gib(NEEDED_MEMORY)} are needed."
        )
    shown, _, sockets = rest.strip().partition("listeners\n")
    disk, *containers = shown.strip().splitlines()
    ours = any(stack.docker_name("gateway") == json.loads(line)["Names"] for line in containers)
    if ours:
        return
    free = disk.split()[3]
    if free.isdigit() and int(free) * 1024 < NEEDED_DISK:
        raise MachineError(
            f"{shell.machine}: {_gib(int(free) * 1024)} of disk are free for the engine; "
            f"{_gib(NEEDED_DISK)} are needed."
        )
    holders = [json.loads(line) for line in containers]
    for port in ports:
        # An engine without a proxy for ports shows no listener for its containers.
        holder = next((it["Names"] for it in holders if f":{port}->" in it["Ports"]), None)
        if holder is None and port in listening(sockets):
            holder = "another program"
        if holder:
            raise MachineError(f"{shell.machine}: port {port} is taken by {holder}; stop it, or choose another port.")


def listening(sockets: str) -> set[int]:
    """Ports with a listener, from the kernel's tables of TCP sockets."""
    rows = (line.split() for line in sockets.splitlines())
    return {int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == LISTENING}


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
