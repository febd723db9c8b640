"""Ports of the host that are open, and to whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.machine.host import SSH_PORT
from settings import EVERY_NETWORK, Network, Settings


@dataclass(frozen=True, kw_only=True)
class IngressRule:
    """A TCP port that the firewall opens to some networks."""

    label: str
    port: int
    networks: Sequence[Network]


def ingress_rules(settings: Settings) -> Sequence[IngressRule]:
    """The firewall's rules; all other ports are closed."""
    listeners = settings.listeners
    web = [listeners.http_port, listeners.https_port] if settings.certificate else [listeners.http_port]
    # Behind a proxy nobody else has to connect, the certification authority neither: it comes by the proxy too.
    clients = listeners.proxy.trusted if listeners.proxy else EVERY_NETWORK
    dicom = listeners.dicom
    return [
        IngressRule(label="ssh", port=SSH_PORT, networks=listeners.admin_networks),
        *(IngressRule(label=f"web-{port}", port=port, networks=clients) for port in web),
        *([IngressRule(label="dicom", port=dicom.port, networks=dicom.networks)] if dicom else []),
    ]
