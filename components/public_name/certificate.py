"""The certificate that the gateway serves."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks, data_volume
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.machine.remote_shell import MachineError, Shell, run_when_ready, unless_explained
from settings import Acme, ProvidedCertificate

ASSETS = Path(__file__).parents[2] / "assets" / "public_name"
HOME = "/etc/letsencrypt"
"""certbot's own place; `served/` and `webroot/` in it are what the gateway reads."""
SCRIPT = "/keeper.py"  # glossary: allow
"""Its path in the container; another one would replace the containers of running stacks."""
MODULE = "served_certificate.py"
"""Imported by the script, so it lies next to it."""
CA_FILE = "/run/ca.pem"
TIMEOUT = 1200
"""Seconds for the first certificate: a fresh record may take a quarter of an hour to be seen."""
DNS_TIMEOUT = 900
"""Seconds. Linode's name servers take up changes every few minutes."""


class CertificateVolume(pulumi.ComponentResource):
    """Volume with issued certificates and the ACME account. Retained, as authorities limit how many they issue."""

    volume: docker.Volume

    def __init__(self, name: str, stack: StackContext, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:CertificateVolume", name, None, opts)
        # A stack that goes back to HTTP leaves it behind, and finds it when it comes again.
        self.volume = data_volume(f"{name}-volume", "certificates", stack, self, may_leave=True)
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class AcmeCertificate:
    """A certificate that certbot writes to a volume, some time after the gateway has started."""

    acme: Acme
    volume: CertificateVolume

    @property
    def ca_certificate(self) -> str | None:
        """PEM of a private authority, for clients that have to trust it."""
        return self.acme.ca_certificate


ServedCertificate = AcmeCertificate | ProvidedCertificate


def served_certificate(
    name: str,
    stack: StackContext,
    certificate: Acme | ProvidedCertificate | None,
    opts: pulumi.ResourceOptions,
) -> ServedCertificate | None:
    """The certificate that the gateway serves, or the volume where one from a certification authority will be."""
    match certificate:
        case Acme() as acme:
            return AcmeCertificate(acme=acme, volume=CertificateVolume(f"{name}-kept", stack, opts))
        case ProvidedCertificate() | None:
            return certificate


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    """Name, authority and volume of the certificate."""

    stack: StackContext
    networks: Networks
    acme: Acme
    volume: CertificateVolume
    shell: pulumi.Output[Shell]
    """Runs commands on the Docker host."""
    addresses: pulumi.Output[list[str]]
    """Addresses that the name has to resolve to; empty: not checked."""
    made_record: bool
    """Whether the program created the DNS record, which then may not be visible everywhere yet."""


class Certificate(pulumi.ComponentResource):
    """certbot next to the gateway: the first certificate, then renewals, each served without a dropped connection.

    It needs the gateway on port 80 of the name. Source: RFC 8555 (HTTP-01), certbot's documentation.
    """

    ready: pulumi.Output[bool]
    """Known once the gateway has a certificate to serve. In a preview nothing is waited for."""

    def __init__(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Certificate", name, None, opts)
        ca = args.acme.ca_certificate
        certbot = Service(
            f"{name}-keeper",  # glossary: allow
            ServiceArgs(
                stack=args.stack,
                image="certbot",
                alias="certificate",
                networks=[args.networks.edge],
                # The gateway's group reads what root's file modes allow it; root has no other privilege left.
                user="0:101",
                entrypoint=["python3", SCRIPT],
                command=[],
                environment={
                    "DOMAIN": args.acme.host,
                    "ACME_DIRECTORY": args.acme.directory,
                    "ACME_EMAIL": args.acme.email,
                    "EXPECTED_ADDRESSES": args.addresses.apply(" ".join),
                    "DNS_PATIENCE": str(DNS_TIMEOUT if args.made_record else 0),  # glossary: allow
                },
                files=[
                    File(path=SCRIPT, content=(ASSETS / "certbot_loop.py").read_text()),
                    File(path=f"/{MODULE}", content=(ASSETS / MODULE).read_text()),
                    *([File(path=CA_FILE, content=ca)] if ca else []),
                ],
                volumes={HOME: args.volume.volume},
                healthcheck=Healthcheck(command=["python3", SCRIPT, "check"], interval=60, pause=0),
                memory_mib=192,
                # The result is requested below, for a readable error.
                wait=False,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        container = args.stack.docker_name("certificate")

        async def issued(shell: Shell) -> bool:
            if not pulumi.runtime.is_dry_run():
                pulumi.log.info(f"waiting for the certificate of {args.acme.host}", self, ephemeral=True)
                answer = await shell.settled(
                    f"docker exec {container} python3 {SCRIPT} wait", timeout=TIMEOUT, repeat=unless_explained
                )
                if answer.code:
                    reason = answer.output.strip() or f"{answer.failure}."
                    raise MachineError(
                        f"No certificate for {args.acme.host}: {reason} Then run again; all else is kept."
                    )
            return True

        self.ready = run_when_ready(certbot.container_id, args.shell, issued)
        self.register_outputs({})
