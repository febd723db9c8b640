"""Where the system is reached, and from where it is administered."""

import ipaddress
import re

import pulumi

from settings import parsing
from settings.model.machine import LocalMachine, Machine, Network, Server, Vm
from settings.parsing import ConfigurationError

HOST_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

ANYWHERE = "anywhere"
"""For `adminNetworks`: every address, as a word that nobody writes by mistake."""
EVERY_NETWORK: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

LOOPBACK = "127.0.0.1"
SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def host(config: pulumi.Config, machine: Machine) -> str | None:
    """Name or address that browsers use, if it is configured."""
    value = config.require("host")
    if not value:
        match machine:
            case LocalMachine():
                return LOOPBACK
            case Server(address=address):
                return address
            case _:
                return None
    if "://" in value or "/" in value or ":" in value:
        raise ConfigurationError(
            "host", f"{value!r} must be a name or an IPv4 address alone: no scheme, no port, no path."
        )
    if not HOST_NAME.fullmatch(value):
        raise ConfigurationError("host", f"{value!r} is not a host name in small letters or an IPv4 address.")
    return value


def require_elsewhere(key: str, host: str) -> None:
    """Refuse what is no name and no IPv4 address of a server that containers reach."""
    if not SERVER.fullmatch(host):
        raise ConfigurationError(key, f"{host!r} is no name and no IPv4 address of a server.")
    if host == "localhost" or host.startswith("127."):
        raise ConfigurationError(key, f"{host} is each container itself; name the server's address.")


def is_name(host: str | None) -> bool:
    """Whether a certificate of a public CA can be had for it: a name with a dot, not an address."""
    return host is not None and "." in host and not host.rpartition(".")[2].isdigit()


def bind_addresses(config: pulumi.Config, machine: Machine) -> tuple[str, ...]:
    """Addresses of the engine's machine on which the gateway listens."""
    if config.require("bindAddress"):
        return (parsing.address(config, "bindAddress"),)
    match machine:
        case LocalMachine():
            return (LOOPBACK,)
        case Server(ipv6=False):
            return ("0.0.0.0",)  # noqa: S104 - a web server for everybody
        case _:
            return ("0.0.0.0", "::")  # noqa: S104


def is_loopback(bound: tuple[str, ...]) -> bool:
    """Whether nobody but the engine's machine reaches the gateway."""
    return all(ipaddress.ip_address(address).is_loopback for address in bound)


def admin_networks(
    config: pulumi.Config, machine: Machine, bound: tuple[str, ...], *, behind_proxy: bool
) -> tuple[Network, ...]:
    """Networks from which Keycloak, and the machine itself, are administered."""
    key = "adminNetworks"
    values = parsing.items(config, key)
    if not values:
        if is_loopback(bound) and not isinstance(machine, Vm) and not behind_proxy:
            # Only the engine's machine can reach a loopback listener, and its requests come in by the address of a
            # Docker bridge, which nobody knows beforehand. A VM's firewall goes by these networks too.
            return EVERY_NETWORK
        raise ConfigurationError(
            key,
            "is empty, so nobody could administer Keycloak, this program neither; "
            "name networks such as 192.0.2.0/24, one of them this machine's.",
        )
    return networks(key, values)


def networks(key: str, values: list[object]) -> tuple[Network, ...]:
    """Networks by their CIDR; every address only by its word."""
    if values == [ANYWHERE]:
        return EVERY_NETWORK
    found: list[Network] = []
    for value in values:
        try:
            # A number would be taken as an address.
            network = ipaddress.ip_network(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            raise ConfigurationError(key, f"{value!r} is not a network such as 192.0.2.0/24.") from error
        if network.prefixlen == 0:
            raise ConfigurationError(key, f"{value} is every address; write [{ANYWHERE}] if you mean it.")
        found.append(network)
    return tuple(found)
