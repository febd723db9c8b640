"""The public entrance: DNS records, certificate, and the wait until the gateway answers at its origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.containers.networks import Networks
from components.containers.stack_context import StackContext
from components.gateway.gateway import Gateway
from components.keycloak.server import Keycloak
from components.machine.host import Host
from components.machine.vm import VmHost
from components.public_name.certificate import AcmeCertificate, Certificate, CertificateArgs, ServedCertificate
from components.public_name.dns import DuckRecords, DuckRecordsArgs, LinodeRecords, LinodeRecordsArgs
from components.public_name.origin import origin_when_it_answers
from public_endpoint import PublicEndpoint
from settings import DuckDns, LinodeZone


@dataclass(frozen=True)
class PublicEntranceArgs:
    """The public name, its certificate and the gateway."""

    stack: StackContext
    networks: Networks
    endpoint: pulumi.Output[PublicEndpoint]
    host: Host
    dns: LinodeZone | DuckDns | None
    """`None`: the DNS records are managed by hand, or there is no name."""
    certificate: ServedCertificate | None
    """`None`: the gateway itself speaks HTTP."""
    ca_certificate: str | None
    """PEM of a private authority that signed the certificate which browsers see."""
    gateway: Gateway
    keycloak: Keycloak


class PublicEntrance:
    """Everything between a browser's request for the public name and the gateway.

    It groups components and is no Pulumi resource itself: a parent would change the URN of every record and
    certificate in existing stacks, and replace them. It does not create the zone's delegation at a registrar.
    """

    origin: pulumi.Output[str]
    """Scheme and authority of the public address, known once Keycloak answers there. Whatever needs Keycloak's API
    depends on this output and on nothing else."""

    def __init__(self, args: PublicEntranceArgs, opts: pulumi.ResourceOptions) -> None:
        records = _records(args, opts)
        waits_for: list[pulumi.Output[Any]] = [args.keycloak.container_id, args.gateway.container_id]
        served = args.certificate
        if isinstance(served, AcmeCertificate):
            certificate = Certificate(
                "certificate",
                CertificateArgs(
                    stack=args.stack,
                    networks=args.networks,
                    acme=served.acme,
                    volume=served.volume,
                    shell=args.host.shell,
                    addresses=args.host.addresses,
                    made_record=bool(records),
                ),
                pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[args.gateway, *records])),
            )
            waits_for.append(certificate.ready)
        self.origin = origin_when_it_answers(
            args.endpoint,
            after=waits_for,
            ca_certificate=args.ca_certificate,
        )


def _records(args: PublicEntranceArgs, opts: pulumi.ResourceOptions) -> Sequence[pulumi.Resource]:
    """The DNS records that must exist before a certificate is requested; none if they are managed by hand."""
    match args.dns, args.host:
        case LinodeZone() as zone, VmHost() as vm:
            served = args.certificate
            return LinodeRecords(
                "dns",
                LinodeRecordsArgs(
                    zone=zone,
                    zone_id=None if zone.new else vm.cloud.zone_id(zone.zone),
                    addresses=vm.addresses,
                    caa_identity=served.acme.caa_identity if isinstance(served, AcmeCertificate) else None,
                    provider=vm.cloud.provider,
                    keep=args.stack.protect_data,
                ),
            ).records
        case DuckDns() as duck, _:
            return DuckRecords(
                "dns",
                DuckRecordsArgs(stack=args.stack, networks=args.networks, duck=duck, addresses=args.host.addresses),
                opts,
            ).records
        case _:
            return []
