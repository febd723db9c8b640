"""The one way in: nginx, which decides by access.py's table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from access import Route
from components.archive import Archive, DicomWebSource
from components.auth_proxy import AuthProxy
from components.certificate import CertificateVolume
from components.keycloak import CLIENT_ID, REALM_PATH, Keycloak
from components.network import Networks
from components.service import File, Healthcheck, Mount, Port, Service, ServiceArgs
from components.site import Site
from components.viewer import Viewer
from rendering import nginx, ohif
from settings import EVERY_NETWORK, ProvidedCertificate, PublicEndpoint, Settings

ASSETS = Path(__file__).parent.parent / "assets"
ROOT = "/etc/ohif"
"""Where the gateway's files are in the container."""


CERTIFICATES = "/certificates"
PROVIDED_CHAIN, PROVIDED_KEY = f"{ROOT}/tls/chain.pem", f"{ROOT}/tls/key.pem"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate that certificate.py lays on a volume, some time after the gateway has started."""

    host: str
    volume: CertificateVolume


ServedCertificate = Issued | ProvidedCertificate


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What the gateway listens on and forwards to."""

    site: Site
    endpoint: pulumi.Output[PublicEndpoint]
    told: Settings
    certificate: ServedCertificate | None
    """`None`: HTTP."""
    routes: Sequence[Route]
    networks: Networks
    keycloak: Keycloak
    auth_proxy: AuthProxy
    viewer: Viewer
    archive: Archive


class Gateway(pulumi.ComponentResource):
    """nginx: the only container that publishes a port.

    It asks oauth2-proxy about every request that needs a session, shows the archive its credential, and serves
    OHIF's configuration and its own error pages. It keeps no data.
    """

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Gateway", name, None, opts)
        configuration = args.endpoint.apply(lambda endpoint: gateway_config(args, endpoint))
        issued = args.certificate if isinstance(args.certificate, Issued) else None
        Service(
            f"{name}-server",
            ServiceArgs(
                site=args.site,
                image="gateway",
                alias="gateway",
                networks=[args.networks.edge, args.networks.identity, args.networks.imaging],
                user="101:101",
                entrypoint=["/bin/sh", f"{ROOT}/start.sh"],
                command=[],
                environment={"CERTIFICATE": certificate_path(issued)} if issued else {},
                files=[
                    File(path=f"{ROOT}/start.sh", content=(ASSETS / "nginx" / "start.sh").read_text()),
                    File(path=f"{ROOT}/nginx.conf", content=configuration.apply(nginx.render)),
                    *certificate_files(args.certificate, configuration),
                    File(
                        path=f"{ROOT}/archive-credential.conf",
                        content=pulumi.Output.concat(
                            'proxy_set_header Authorization "', args.archive.authorization, '";\n'
                        ),
                    ),
                    *viewer_files(args.archive.source, args.told.sessions.idle),
                    *page_files(),
                ],
                volumes={CERTIFICATES: Mount(volume=issued.volume.volume, read_only=True)} if issued else {},
                ports=[
                    Port(address=address, external=external, internal=internal)
                    for address in args.told.bind_addresses
                    for external, internal in doors(args)
                ],
                healthcheck=Healthcheck(
                    command=[
                        "wget",
                        "-q",
                        "-O",
                        "/dev/null",
                        f"http://127.0.0.1:{nginx.HEALTH_PORT}/healthz",
                    ],
                    interval=3,
                ),
                memory_mib=256,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def doors(args: GatewayArgs) -> Sequence[tuple[int, int]]:
    """Ports of the engine's machine, and those inside that answer them."""
    http = (args.told.http_port, nginx.HTTP_PORT)
    return [http] if args.certificate is None else [http, (args.told.https_port, nginx.HTTPS_PORT)]


def certificate_path(issued: Issued) -> str:
    """Chain and key in one file."""
    return f"{CERTIFICATES}/served/{issued.host}.pem"


def gateway_config(args: GatewayArgs, endpoint: PublicEndpoint) -> nginx.GatewayConfig:
    """What nginx's files depend on."""
    return nginx.GatewayConfig(
        scheme=endpoint.scheme,
        tls=tls_config(args.certificate),
        ipv6=args.told.dual_stack,
        trusts_bridges=tuple(args.told.admin_networks) == EVERY_NETWORK,
        host=endpoint.host,
        authority=endpoint.authority,
        port=endpoint.port,
        routes=args.routes,
        admin_networks=args.told.admin_networks,
        upstreams={
            "auth_proxy": args.auth_proxy.address,
            "keycloak": args.keycloak.address,
            "viewer": args.viewer.address,
            "archive": args.archive.address,
        },
        dicomweb_root=args.archive.dicomweb_root,
        realm_path=REALM_PATH,
        client_id=CLIENT_ID,
        session_cookie=args.auth_proxy.session_cookie,
        asset_root=ROOT,
    )


def tls_config(certificate: ServedCertificate | None) -> nginx.TlsConfig | None:
    """Where nginx finds the certificate."""
    match certificate:
        case None:
            return None
        case Issued():
            path = certificate_path(certificate)
            return nginx.TlsConfig(certificate=path, key=path, staples=False, webroot=f"{CERTIFICATES}/webroot")
        case ProvidedCertificate():
            return nginx.TlsConfig(
                certificate=PROVIDED_CHAIN, key=PROVIDED_KEY, staples=certificate.staples, webroot=None
            )


def certificate_files(
    certificate: ServedCertificate | None, configuration: pulumi.Output[nginx.GatewayConfig]
) -> Sequence[File]:
    """What the gateway needs of its certificate beside its own configuration."""
    match certificate:
        case None:
            return []
        case Issued():
            return [File(path=f"{ROOT}/waiting.conf", content=configuration.apply(nginx.render_waiting))]
        case ProvidedCertificate():
            return [
                File(path=PROVIDED_CHAIN, content=certificate.chain),
                File(path=PROVIDED_KEY, content=certificate.key),
            ]


def viewer_files(source: DicomWebSource, session_idle: int) -> Sequence[File]:
    """OHIF's configuration, one for those who may store and one for those who only read."""
    behaviour = (ASSETS / "ohif" / "behaviour.js").read_text()
    return [
        File(
            path=f"{ROOT}/www/app-config.{variant}.js",
            content=ohif.render(
                ohif.ViewerConfig(
                    archive_name=source.name,
                    capabilities=source.capabilities,
                    can_store=can_store,
                    session_idle=session_idle,
                    behaviour=behaviour,
                )
            ),
        )
        for variant, can_store in (("read", False), ("store", True))
    ]


def page_files() -> Sequence[File]:
    """The gateway's own pages."""
    pages = ASSETS / "nginx" / "pages"
    return [File(path=f"{ROOT}/pages/{page.name}", content=page.read_text()) for page in sorted(pages.iterdir())]
