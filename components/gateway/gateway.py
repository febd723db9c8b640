"""The only entrance: nginx, which enforces the table in access.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from access import ANY_ROLE, routes
from components.archive.interface import Archive
from components.auth_proxy.auth_proxy import AuthProxy
from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks
from components.containers.service import File, Mount, Port, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.gateway import nginx_config
from components.gateway.files import (
    ASSETS,
    AUDIT,
    CERTIFICATES,
    PROVIDED_CHAIN,
    PROVIDED_KEY,
    ROOT,
    certificate_files,
    certificate_path,
    credential_files,
    dicom_tls_files,
    page_files,
    viewer_files,
)
from components.gateway.model import Dimse, GatewayConfig, ProxyConfig, TlsConfig
from components.keycloak.server import CLIENT_ID, REALM_PATH, Keycloak
from components.logs.logs import AUDIT_FILE, AuditLog
from components.public_name.certificate import AcmeCertificate, ServedCertificate
from components.viewer.viewer import Viewer
from public_endpoint import PublicEndpoint
from route import Access, Role, WithShareLink
from settings import EVERY_NETWORK, Listeners, ProvidedCertificate, ProxyProtocol, Rights, SessionLimits, ViewerSettings

MEMORY_MIB, TEMPORARY_MIB = 640, 16
"""Enough for everything that clients may hold by the limits in nginx's files (test_gateway_memory.py)."""


@dataclass(frozen=True, kw_only=True)
class Upstreams:
    """Services that the gateway forwards to."""

    keycloak: Keycloak
    auth_proxy: AuthProxy
    viewer: Viewer
    archive: Archive


@dataclass(frozen=True)
class GatewayArgs:
    """Listeners and upstreams of the gateway."""

    stack: StackContext
    networks: Networks
    endpoint: pulumi.Output[PublicEndpoint]
    listeners: Listeners
    certificate: ServedCertificate | None
    """`None`: HTTP."""
    sessions: SessionLimits
    download_roles: frozenset[Role]
    rights: Rights | None
    audit: AuditLog | None
    upstreams: Upstreams
    viewer: ViewerSettings


class Gateway(pulumi.ComponentResource):
    """nginx: the only container that publishes a port.

    It asks oauth2-proxy about every request that needs a session, shows the archive its credential, and serves
    OHIF's configuration and its own error pages. It looks at the address of who sends by DICOM, and forwards that to
    the archive. It keeps no data.
    """

    container_id: pulumi.Output[str]
    """Known once nginx is healthy. HTTPS may not be available yet."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Gateway", name, None, opts)
        configuration = args.endpoint.apply(lambda endpoint: gateway_config(args, endpoint))
        issued = args.certificate if isinstance(args.certificate, AcmeCertificate) else None
        share_links = share_readers(args.rights) is not None
        server = Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="gateway",
                alias="gateway",
                networks=[
                    args.networks.edge,
                    args.networks.identity,
                    args.networks.imaging,
                    args.networks.archive,
                ],
                user="101:101",
                entrypoint=["/bin/sh", f"{ROOT}/start.sh"],
                command=[],
                environment={
                    **({"CERTIFICATE": certificate_path(issued)} if issued else {}),
                    **({"AUDIT": AUDIT, "AUDIT_DAYS": str(args.audit.days)} if args.audit else {}),
                },
                files=[
                    File(path=f"{ROOT}/start.sh", content=(ASSETS / "gateway" / "start.sh").read_text()),
                    File(path=f"{ROOT}/wait.js", content=(ASSETS / "gateway" / "wait.js").read_text()),
                    File(path=f"{ROOT}/nginx.conf", content=configuration.apply(nginx_config.render)),
                    *certificate_files(args.certificate, configuration),
                    *credential_files(args.upstreams.archive),
                    *dicom_tls_files(args.listeners.dicom),
                    *viewer_files(
                        args.upstreams.archive.source, args.sessions.idle, args.viewer, share_links=share_links
                    ),
                    *page_files(share_links=share_links),
                ],
                volumes={
                    **({CERTIFICATES: Mount(volume=issued.volume.volume, read_only=True)} if issued else {}),
                    **({AUDIT: args.audit.volume} if args.audit else {}),
                },
                ports=[
                    Port(
                        address=address,
                        external=external,
                        internal=internal + (nginx_config.IPV6_SHIFT if ":" in address else 0),
                    )
                    for address in args.listeners.addresses
                    for external, internal in published_ports(args)
                ],
                healthcheck=Healthcheck(
                    command=[
                        "wget",
                        "-q",
                        "-O",
                        "/dev/null",
                        f"http://127.0.0.1:{nginx_config.HEALTH_PORT}/healthz",
                    ],
                ),
                memory_mib=MEMORY_MIB,
                temporary_mib=TEMPORARY_MIB,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container_id = server.container_id
        self.register_outputs({})


def published_ports(args: GatewayArgs) -> Sequence[tuple[int, int]]:
    """Ports of the engine's machine, and those inside that answer them."""
    ports = [(args.listeners.http_port, nginx_config.HTTP_PORT)]
    if args.certificate is not None:
        ports.append((args.listeners.https_port, nginx_config.HTTPS_PORT))
    if args.listeners.dicom is not None:
        ports.append((args.listeners.dicom.port, nginx_config.DICOM_PORT))
    return ports


def gateway_config(args: GatewayArgs, endpoint: PublicEndpoint) -> GatewayConfig:
    """The values in nginx's files."""
    return GatewayConfig(
        scheme=endpoint.scheme,
        tls=tls_config(args.certificate),
        proxy=proxy_config(args.listeners),
        ipv6=args.listeners.dual_stack,
        trust_bridge_address=args.listeners.loopback_only or args.listeners.admin_networks == EVERY_NETWORK,
        host=endpoint.host,
        authority=endpoint.authority,
        port=endpoint.port,
        routes=routes(args.upstreams.archive.ROOTS, args.download_roles, share_readers(args.rights)),
        admin_networks=args.listeners.admin_networks,
        upstreams={
            "auth_proxy": args.upstreams.auth_proxy.address,
            "keycloak": args.upstreams.keycloak.address,
            "viewer": args.upstreams.viewer.address,
            "archive": args.upstreams.archive.address,
        },
        dicomweb_root=args.upstreams.archive.dicomweb_root,
        rewrite_links=args.upstreams.archive.rewrite_links,
        misreads_searches=args.upstreams.archive.misreads_searches,
        zip_path=args.upstreams.archive.zip_path,
        scripted_root=args.upstreams.archive.scripted_root,
        unrestricted_roles=sorted(args.rights.unrestricted) if args.rights else None,
        dimse=dimse(args),
        realm_path=REALM_PATH,
        client_id=CLIENT_ID,
        session_cookie=args.upstreams.auth_proxy.session_cookie,
        accept_tokens=args.upstreams.auth_proxy.accepts_tokens,
        audit_file=f"{AUDIT}/{AUDIT_FILE}" if args.audit else None,
        frame_ancestors=args.viewer.frame_ancestors,
        asset_root=ROOT,
    )


def share_readers(rights: Rights | None) -> Access | None:
    """Who may open share links; `None`: there are none."""
    if rights is None or rights.shares is None:
        return None
    return WithShareLink() if rights.shares.without_login else ANY_ROLE


def proxy_config(listeners: Listeners) -> ProxyConfig | None:
    """Whose word about clients the gateway takes."""
    proxy = listeners.proxy
    if proxy is None:
        return None
    return ProxyConfig(
        trusted=proxy.trusted,
        trust_bridge_address=listeners.loopback_only and any(network.is_loopback for network in proxy.trusted),
        proxy_protocol=proxy.protocol is ProxyProtocol.PROXY,
        hops=proxy.hops,
    )


def tls_config(certificate: ServedCertificate | None) -> TlsConfig | None:
    """Where nginx finds the certificate."""
    match certificate:
        case None:
            return None
        case AcmeCertificate():
            path = certificate_path(certificate)
            return TlsConfig(certificate=path, key=path, ocsp_stapling=False, webroot=f"{CERTIFICATES}/webroot")
        case ProvidedCertificate():
            return TlsConfig(
                certificate=PROVIDED_CHAIN, key=PROVIDED_KEY, ocsp_stapling=certificate.ocsp_stapling, webroot=None
            )


def dimse(args: GatewayArgs) -> Dimse | None:
    """How DICOM associations are forwarded, if they are."""
    dicom = args.listeners.dicom
    if dicom is None:
        return None
    return Dimse(
        upstream=args.upstreams.archive.dimse_address,
        networks=dicom.networks,
        trust_bridge_address=args.listeners.loopback_only or dicom.networks == EVERY_NETWORK,
        tls=dicom.tls is not None,
        client_certificates=dicom.tls is not None and dicom.tls.client_ca is not None,
    )
