"""A load balancer or reverse proxy in front of the gateway."""

import pulumi

from settings import addresses, parsing
from settings.model.entrance import Proxy, ProxyProtocol
from settings.parsing import ConfigurationError
from settings.tls import certificates

FIELDS = frozenset({"trusted", "protocol", "port", "hops", "caCertificate"})
MOST_HOPS = 5


def proxy(config: pulumi.Config) -> Proxy | None:
    """The proxy; `None`: browsers connect to the gateway itself."""
    entry = parsing.fields(config, "proxy", FIELDS)
    if not entry:
        return None
    if not config.require("host"):
        raise ConfigurationError("host", "is needed with proxy: the name that browsers use.")
    trusted = entry.get("trusted", [])
    if not isinstance(trusted, list) or not trusted:
        raise ConfigurationError("proxy.trusted", "must be a list of the networks that the proxy connects from.")
    port = parsing.whole_number("proxy.port", entry.get("port", 443), at_least=1, at_most=65535)
    hops = parsing.whole_number("proxy.hops", entry.get("hops", 1), at_least=1, at_most=MOST_HOPS)
    protocol = parsing.one_of("proxy.protocol", entry.get("protocol", ProxyProtocol.FORWARDED_FOR), ProxyProtocol)
    if protocol is ProxyProtocol.PROXY and hops != 1:
        raise ConfigurationError("proxy.hops", "has no effect with proxyProtocol; remove it.")
    authority = parsing.text("proxy", entry, "caCertificate")
    if authority is not None:
        certificates("proxy.caCertificate", authority)
    return Proxy(
        trusted=addresses.networks("proxy.trusted", trusted),
        protocol=protocol,
        port=port,
        hops=hops,
        ca_certificate=authority,
    )
