"""The records of the host's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_linode as linode

from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext
from settings import DuckDns, LinodeZone

ASSETS = Path(__file__).parents[2] / "assets" / "public_name"

TTL = 300
"""Seconds. Short, so that a machine with another address is found soon."""


@dataclass(frozen=True, kw_only=True)
class LinodeRecordsArgs:
    """The name and its addresses."""

    zone: LinodeZone
    zone_id: pulumi.Input[int] | None
    """Number of an existing zone; `None`: the program creates it."""
    addresses: pulumi.Output[list[str]]
    """IPv4 first, then IPv6."""
    caa_identity: str | None
    """The one certification authority that may issue for the name; `None`: not restricted."""
    provider: linode.Provider
    keep: bool
    """Whether a zone that the program made stays when it leaves the stack."""


class LinodeRecords(pulumi.ComponentResource):
    """A, AAAA and CAA records in a zone at Linode, and the reverse record of the IPv4 address.

    A zone that the account has already is not touched otherwise. That the zone is delegated to Linode's name servers is
    the owner's work at the registrar.
    """

    records: Sequence[pulumi.Resource]
    """Records that must exist before a certificate is requested."""

    def __init__(self, name: str, args: LinodeRecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:LinodeRecords", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        zone_id = args.zone_id
        if zone_id is None:
            zone = linode.Domain(
                f"{name}-zone",
                domain=args.zone.zone,
                type="master",
                soa_email=args.zone.email,
                # Kept in the account when the stack leaves it, with whatever else lies in it; protected, another
                # domain could not be had by one `up`.
                opts=pulumi.ResourceOptions(parent=self, provider=args.provider, retain_on_delete=args.keep),
            )
            zone_id = zone.id.apply(int)
        label = args.zone.host.removesuffix(args.zone.zone).rstrip(".")

        def record(kind: str, target: pulumi.Input[str], tag: str | None = None) -> linode.DomainRecord:
            return linode.DomainRecord(
                f"{name}-{kind.lower()}",
                domain_id=zone_id,
                name=label,
                record_type=kind,
                target=target,
                tag=tag,
                ttl_sec=TTL,
                opts=child,
            )

        ipv4, ipv6 = args.addresses[0], args.addresses[1]
        self.records = [record("A", ipv4), record("AAAA", ipv6)]
        if args.caa_identity:
            self.records = [*self.records, record("CAA", args.caa_identity, tag="issue")]
        linode.Rdns(
            f"{name}-reverse",
            address=ipv4,
            rdns=args.zone.host,
            # Linode looks whether the name points to the address before it takes it.
            wait_for_available=True,
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider, depends_on=list(self.records)),
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class DuckRecordsArgs:
    """Which name at DuckDNS."""

    stack: StackContext
    networks: Networks
    duck: DuckDns
    addresses: pulumi.Output[list[str]]
    """Empty: DuckDNS takes the address that the machine comes from."""


class DuckRecords(pulumi.ComponentResource):
    """Sends DuckDNS the machine's addresses, from the machine and periodically: an address may change.

    It is healthy as long as DuckDNS takes them. Source: DuckDNS, "Specification".
    """

    records: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: DuckRecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:DuckRecords", name, None, opts)
        service = Service(
            f"{name}-updater",
            ServiceArgs(
                stack=args.stack,
                image="certbot",
                alias="dns-updater",
                networks=[args.networks.edge],
                user="65534:65534",
                entrypoint=["python3", "/updater.py"],
                command=[],
                environment={
                    "DUCKDNS_SERVER": args.duck.server,
                    "DUCKDNS_DOMAIN": args.duck.domain,
                    "ADDRESSES": args.addresses.apply(" ".join),
                },
                files=[
                    File(path="/updater.py", content=(ASSETS / "duckdns.py").read_text()),
                    File(path="/run/duckdns-token", content=args.duck.token),
                ],
                healthcheck=Healthcheck(command=["python3", "/updater.py", "check"]),
                memory_mib=64,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.records = [service]
        self.register_outputs({})
