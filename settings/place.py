"""Where the system is reached, and from where it is administered."""

import ipaddress
import re

import pulumi

from settings import reading
from settings.model import Network
from settings.reading import ConfigurationError

HOST_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

ANYWHERE = "anywhere"
"""For `adminNetworks`: every address, as a word that nobody writes by mistake."""
EVERY_NETWORK: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def host(config: pulumi.Config) -> str:
    value = config.require("host")
    if "://" in value or "/" in value or ":" in value:
        raise ConfigurationError(
            "host", f"{value!r} must be a name or an IPv4 address alone: no scheme, no port, no path."
        )
    if not HOST_NAME.fullmatch(value):
        raise ConfigurationError("host", f"{value!r} is not a host name in small letters or an IPv4 address.")
    return value


def admin_networks(config: pulumi.Config, bind_address: str) -> tuple[Network, ...]:
    key = "adminNetworks"
    values = reading.items(config, key)
    if values == [ANYWHERE]:
        return EVERY_NETWORK
    if not values:
        if ipaddress.ip_address(bind_address).is_loopback:
            # Only this machine can reach a loopback listener, and its requests come in by the address of a
            # Docker bridge, which nobody knows beforehand.
            return EVERY_NETWORK
        raise ConfigurationError(
            key,
            "is empty, so nobody could administer Keycloak, this program neither; "
            "name networks such as 192.0.2.0/24, one of them this machine's.",
        )
    networks: list[Network] = []
    for value in values:
        try:
            # A number would be taken as an address.
            network = ipaddress.ip_network(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            raise ConfigurationError(key, f"{value!r} is not a network such as 192.0.2.0/24.") from error
        if network.prefixlen == 0:
            raise ConfigurationError(key, f"{value} is every address; write [{ANYWHERE}] if you mean it.")
        networks.append(network)
    return tuple(networks)
