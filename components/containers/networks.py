"""Docker networks and volumes, as every component makes them."""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.containers.stack_context import StackContext


def private_network(
    name: str, thing: str, stack: StackContext, parent: pulumi.Resource, *, internal: bool = True, ipv6: bool = False
) -> docker.Network:
    """A network of the stack's own; `internal` has no outbound access."""
    return docker.Network(
        name,
        name=stack.docker_name(thing),
        driver="bridge",
        internal=internal,
        ipv6=ipv6 or None,
        ipam_configs=[docker.NetworkIpamConfigArgs(subnet=local_subnet(stack.docker_name(thing)))] if ipv6 else None,
        labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in stack.labels.items()],
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )


def local_subnet(name: str) -> str:
    """A unique local IPv6 network derived from a name (RFC 4193: 40 bits after `fd`)."""
    digits = hashlib.sha256(name.encode()).hexdigest()[:10]
    return str(ipaddress.ip_network(f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::/64"))


def data_volume(
    name: str,
    thing: str,
    stack: StackContext,
    parent: pulumi.Resource,
    *,
    may_leave: bool = False,
    aliases: Sequence[pulumi.Alias] = (),
) -> docker.Volume:
    """A volume with data that cannot be made again.

    Retained on delete if the stack protects data; also protected in the state unless `may_leave`.
    """
    return docker.Volume(
        name,
        name=stack.docker_name(thing),
        labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in stack.labels.items()],
        opts=pulumi.ResourceOptions(
            parent=parent,
            protect=stack.protect_data and not may_leave,
            retain_on_delete=stack.protect_data,
            aliases=list(aliases),
        ),
    )


def working_volume(name: str, thing: str, stack: StackContext, parent: pulumi.Resource) -> docker.Volume:
    """A volume with what can be made again; it goes with the stack."""
    return docker.Volume(
        name,
        name=stack.docker_name(thing),
        labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in stack.labels.items()],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def folder_volume(name: str, thing: str, folder: str, stack: StackContext, parent: pulumi.Resource) -> docker.Volume:
    """A folder of the stack's machine as a volume, so that a missing one is an error and not made by the engine.

    Source: Docker's documentation, "docker volume create", options of the local driver. Removing the volume leaves the
    folder as it is.
    """
    return docker.Volume(
        name,
        name=stack.docker_name(thing),
        driver="local",
        driver_opts={"type": "none", "o": "bind", "device": folder},
        labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in stack.labels.items()],
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )


@dataclass(frozen=True, kw_only=True)
class NetworksArgs:
    """Arguments of the networks."""

    stack: StackContext
    ipv6: bool
    """Whether IPv6 clients reach the gateway with their own address."""


class Networks(pulumi.ComponentResource):
    """The networks that several services share. Each database, and the store of sessions, has one of its own.

    Identity and imaging services share no network: an attacker who takes over the archive or the viewer reaches
    neither Keycloak nor oauth2-proxy, which trusts the gateway's headers. The archive shares one with the
    gateway alone, because not every archive can ask for a credential.
    """

    edge: docker.Network
    """Has outbound access; only services that publish a port or need the internet are on it."""
    identity: docker.Network
    """No outbound access: the gateway, oauth2-proxy and Keycloak."""
    imaging: docker.Network
    """No outbound access: the gateway and the viewer."""
    archive: docker.Network
    """No outbound access: the gateway and the archive."""

    def __init__(self, name: str, args: NetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Networks", name, None, opts)
        self.edge = private_network(f"{name}-edge", "edge", args.stack, self, internal=False, ipv6=args.ipv6)
        self.identity = private_network(f"{name}-identity", "identity", args.stack, self)
        self.imaging = private_network(f"{name}-imaging", "imaging", args.stack, self)
        self.archive = private_network(f"{name}-archive", "archive", args.stack, self)
        self.register_outputs({})
