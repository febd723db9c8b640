"""The one way in: nginx, which decides by access.py's table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from access import Route
from components.archive import Archive, DicomWebSource
from components.auth_proxy import AuthProxy
from components.keycloak import CLIENT_ID, REALM_PATH, Keycloak
from components.network import Networks
from components.service import File, Healthcheck, Port, Service, ServiceArgs
from components.site import Site
from components.viewer import Viewer
from rendering import nginx, ohif
from settings import Dicom, Network, PublicEndpoint, SessionLimits

ASSETS = Path(__file__).parent.parent / "assets"
ROOT = "/etc/ohif"
"""Where the gateway's files are in the container."""


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What the gateway listens on and forwards to."""

    site: Site
    endpoint: PublicEndpoint
    bind_address: str
    admin_networks: Sequence[Network]
    routes: Sequence[Route]
    sessions: SessionLimits
    networks: Networks
    keycloak: Keycloak
    auth_proxy: AuthProxy
    viewer: Viewer
    archive: Archive
    dicom: Dicom | None


class Gateway(pulumi.ComponentResource):
    """nginx: the only container that publishes a port.

    It asks oauth2-proxy about every request that needs a session, shows the archive its credential, and serves
    OHIF's configuration and its own error pages. It looks at the address of who sends by DICOM, and forwards that to
    the archive. It keeps no data.
    """

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Gateway", name, None, opts)
        configuration = nginx.render(
            nginx.GatewayConfig(
                scheme=args.endpoint.scheme,
                host=args.endpoint.host,
                authority=args.endpoint.authority,
                port=args.endpoint.port,
                routes=args.routes,
                admin_networks=args.admin_networks,
                upstreams={
                    "auth_proxy": args.auth_proxy.address,
                    "keycloak": args.keycloak.address,
                    "viewer": args.viewer.address,
                    "archive": args.archive.address,
                },
                dicomweb_root=args.archive.dicomweb_root,
                own_links=args.archive.own_links,
                dimse=dimse(args.dicom, args.archive),
                realm_path=REALM_PATH,
                client_id=CLIENT_ID,
                session_cookie=args.auth_proxy.session_cookie,
                asset_root=ROOT,
            )
        )
        Service(
            f"{name}-server",
            ServiceArgs(
                site=args.site,
                image="gateway",
                alias="gateway",
                networks=[
                    args.networks.edge,
                    args.networks.identity,
                    args.networks.imaging,
                    args.networks.archive,
                ],
                user="101:101",
                entrypoint=["nginx"],
                command=["-c", f"{ROOT}/nginx.conf", "-e", "/dev/stderr", "-g", "daemon off;"],
                files=[
                    File(path=f"{ROOT}/nginx.conf", content=configuration),
                    File(path=f"{ROOT}/archive-credential.conf", content=credential(args.archive)),
                    *dicom_tls_files(args.dicom),
                    *viewer_files(args.archive.source, args.sessions.idle),
                    *page_files(),
                ],
                ports=[
                    Port(address=args.bind_address, external=args.endpoint.port, internal=nginx.HTTP_PORT),
                    *dicom_ports(args.dicom, args.bind_address),
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


def credential(archive: Archive) -> pulumi.Input[str]:
    """What the gateway shows to the archive, in nginx's language."""
    if archive.authorization is None:
        return "# This archive checks no credential; nobody but the gateway is on its network.\n"
    return pulumi.Output.concat('proxy_set_header Authorization "', archive.authorization, '";\n')


def dimse(dicom: Dicom | None, archive: Archive) -> nginx.Dimse | None:
    """How DICOM associations are forwarded, if they are."""
    if dicom is None:
        return None
    return nginx.Dimse(
        upstream=archive.dimse_address,
        networks=dicom.networks,
        tls=dicom.tls is not None,
        client_certificates=dicom.tls is not None and dicom.tls.client_ca is not None,
    )


def dicom_ports(dicom: Dicom | None, bind_address: str) -> Sequence[Port]:
    """The DICOM port, if it is open."""
    return [] if dicom is None else [Port(address=bind_address, external=dicom.port, internal=nginx.DICOM_PORT)]


def dicom_tls_files(dicom: Dicom | None) -> Sequence[File]:
    """Certificate, key and, if modalities must show a certificate too, who signs theirs."""
    if dicom is None or dicom.tls is None:
        return []
    files = [
        File(path=f"{ROOT}/dicom/certificate.pem", content=dicom.tls.certificate),
        File(path=f"{ROOT}/dicom/key.pem", content=dicom.tls.key),
    ]
    if dicom.tls.client_ca is not None:
        files.append(File(path=f"{ROOT}/dicom/client-ca.pem", content=dicom.tls.client_ca))
    return files


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
