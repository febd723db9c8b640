"""Where the containers run."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

import pulumi

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Target(StrEnum):
    """Where the containers run."""

    LOCAL = "local"
    SERVER = "server"
    LINODE = "linode"


@dataclass(frozen=True, kw_only=True)
class LocalMachine:
    """The engine of the machine that runs the program."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A host that exists, reached by SSH."""

    user: str
    address: str
    port: int
    host_key: str
    """Type and key as in `known_hosts`; no other is taken."""
    ipv6: bool
    """Whether its engine hands IPv6 clients on with their own address."""
    private_key_file: str | None
    """`None`: what `ssh` finds by itself, the agent's keys too."""


@dataclass(frozen=True, kw_only=True)
class Vm:
    """A Linode that the program makes."""

    region: str
    type: str
    image: str
    volume_gb: int
    backups: bool
    reserved_address: bool
    """Whether its IPv4 address is the account's own and outlives it."""
    public_key: str
    """SSH key of the user or machine that runs the program."""
    private_key_file: str | None
    token: pulumi.Output[str] | None
    """Token of the Linode account; a preview works without it."""
    api_url: str
    """Without the version's path."""


Machine = LocalMachine | Server | Vm
