"""Which machine, which records, which certificate: what the settings ask for, as components."""

from collections.abc import Sequence

import pulumi

from components.containers.networks import Networks
from components.containers.stack_context import StackContext
from components.gateway.files import AcmeCertificate, ServedCertificate
from components.gateway.gateway import Gateway
from components.machine.host import SSH_PORT, Host, LocalHost, LocalHostArgs, RemoteHost, RemoteHostArgs
from components.machine.vm import IngressRule, VmHost, VmHostArgs
from components.public_name.certificate import Certificate, CertificateArgs, CertificateVolume
from components.public_name.dns import DuckRecords, DuckRecordsArgs, LinodeRecords, LinodeRecordsArgs
from settings import (
    EVERY_NETWORK,
    Acme,
    DuckDns,
    LinodeZone,
    LocalMachine,
    ProvidedCertificate,
    Server,
    Settings,
    Vm,
)


def make_host(name: str, stack: StackContext, told: Settings) -> Host:
    """The machine of the stack's target."""
    match told.machine:
        case LocalMachine():
            return LocalHost(name, LocalHostArgs())
        case Server():
            return RemoteHost(
                name,
                RemoteHostArgs(
                    stack=stack,
                    server=told.machine,
                    ports=[opening.port for opening in ingress_rules(told) if opening.port != SSH_PORT],
                ),
            )
        case Vm():
            return VmHost(
                name,
                VmHostArgs(
                    stack=stack,
                    vm=told.machine,
                    keeps_dns=isinstance(told.dns, LinodeZone),
                    ingress_rules=ingress_rules(told),
                ),
            )


def public_ports(told: Settings) -> Sequence[int]:
    """Ports that browsers come to."""
    return [told.http_port, told.https_port] if told.secure else [told.http_port]


def ingress_rules(told: Settings) -> Sequence[IngressRule]:
    """What the firewall lets in; all else is shut."""
    return [
        IngressRule(label="ssh", port=SSH_PORT, networks=told.admin_networks),
        *(IngressRule(label=f"web-{port}", port=port, networks=EVERY_NETWORK) for port in public_ports(told)),
        *([IngressRule(label="dicom", port=told.dicom.port, networks=told.dicom.networks)] if told.dicom else []),
    ]


def make_records(
    name: str, stack: StackContext, told: Settings, networks: Networks, host: Host, opts: pulumi.ResourceOptions
) -> Sequence[pulumi.Resource]:
    """The host's records, for what has to wait for them; none where they are a person's own matter."""
    match told.dns, host:
        case LinodeZone() as zone, VmHost() as vm:
            return LinodeRecords(
                name,
                LinodeRecordsArgs(
                    zone=zone,
                    zone_id=None if zone.new else vm.cloud.zone_id(zone.zone),
                    addresses=vm.addresses,
                    caa_identity=told.certificate.caa_identity if isinstance(told.certificate, Acme) else None,
                    provider=vm.cloud.provider,
                    keep=stack.protect_data,
                ),
            ).records
        case DuckDns() as duck, _:
            return DuckRecords(
                name, DuckRecordsArgs(stack=stack, networks=networks, duck=duck, addresses=host.addresses), opts
            ).records
        case _:
            return []


def served_certificate(
    name: str, stack: StackContext, told: Settings, opts: pulumi.ResourceOptions
) -> ServedCertificate | None:
    """What the gateway serves: a given certificate, or the place where an issued one will lie."""
    match told.certificate:
        case Acme(host=host):
            return AcmeCertificate(host=host, volume=CertificateVolume(f"{name}-kept", stack, opts))
        case ProvidedCertificate() | None:
            return told.certificate


def obtain_certificate(
    name: str,
    stack: StackContext,
    told: Settings,
    networks: Networks,
    host: Host,
    gateway: Gateway,
    served: ServedCertificate | None,
    records: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[bool]:
    """See to it that the gateway has a certificate. Known when it has."""
    if not isinstance(told.certificate, Acme) or not isinstance(served, AcmeCertificate):
        return pulumi.Output.from_input(True)
    return Certificate(
        name,
        CertificateArgs(
            stack=stack,
            networks=networks,
            acme=told.certificate,
            volume=served.volume,
            shell=host.shell,
            addresses=host.addresses,
            made_record=bool(records),
        ),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[gateway, *records])),
    ).ready
