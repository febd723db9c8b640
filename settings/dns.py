"""DNS provider of the host's records."""

import re

import pulumi

from settings import addresses, parsing
from settings.model.entrance import Dns, DuckDns, LinodeZone
from settings.model.machine import Machine, Vm
from settings.parsing import ConfigurationError

ZONE_FIELDS = frozenset({"zone", "new", "email"})
DUCKDNS_FIELDS = frozenset({"token", "server"})
DUCKDNS = "https://www.duckdns.org"
DUCKDNS_SUFFIX = ".duckdns.org"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def dns(config: pulumi.Config, host: str | None, machine: Machine) -> LinodeZone | DuckDns | None:
    """DNS provider that manages the record; `None`: managed by hand."""
    choice = parsing.choice(config, "dns", Dns)
    linode = parsing.fields(config, "linodeDns", ZONE_FIELDS)
    duck = parsing.fields(config, "duckDns", DUCKDNS_FIELDS)
    for key, entry, of in (("linodeDns", linode, Dns.LINODE), ("duckDns", duck, Dns.DUCKDNS)):
        if entry and choice is not of:
            raise ConfigurationError(key, f"has no effect with dns {choice}; remove it.")
    match choice:
        case Dns.LINODE:
            return _linode(linode, _named(host, choice), machine)
        case Dns.DUCKDNS:
            return _duckdns(duck, _named(host, choice))
        case Dns.NONE:
            return None


def _named(host: str | None, choice: Dns) -> str:
    if host is None or not addresses.is_name(host):
        raise ConfigurationError("host", f"must be a name such as pacs.example.org for a record by dns {choice}.")
    return host


def _linode(entry: dict[str, object], host: str, machine: Machine) -> LinodeZone:
    if not isinstance(machine, Vm):
        raise ConfigurationError("dns", "linode is for target linode, whose addresses the program knows.")
    zone = parsing.text("linodeDns", entry, "zone")
    if not zone or not (host == zone or host.endswith(f".{zone}")):
        raise ConfigurationError("linodeDns", f"needs zone, the domain that Linode serves and {host} lies in.")
    new, email = entry.get("new", False), parsing.text("linodeDns", entry, "email")
    if not isinstance(new, bool):
        raise ConfigurationError("linodeDns", "new must be true or false.")
    if new != (email is not None) or (email and not EMAIL.fullmatch(email)):
        raise ConfigurationError("linodeDns", "a new zone, and it only, needs email: its contact's address.")
    return LinodeZone(host=host, zone=zone, new=new, email=email)


def _duckdns(entry: dict[str, object], host: str) -> DuckDns:
    domain = host.removesuffix(DUCKDNS_SUFFIX)
    if domain == host or "." in domain:
        raise ConfigurationError("host", f"{host!r} is not a name at DuckDNS such as my-lab{DUCKDNS_SUFFIX}.")
    token = parsing.text("duckDns", entry, "token")
    if token is None:
        raise ConfigurationError(
            "duckDns", "needs token: pulumi config set --path --secret ohif:duckDns.token <token of your account>."
        )
    server = parsing.text("duckDns", entry, "server") or DUCKDNS
    if not re.fullmatch(r"https?://[^\s/?#]+", server):
        raise ConfigurationError("duckDns", f"server {server!r} is not an address such as {DUCKDNS}.")
    return DuckDns(domain=domain, token=pulumi.Output.secret(token), server=server)
