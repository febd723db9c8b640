"""The files in the gateway's container."""

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.archive.interface import Archive, DicomWebSource
from components.containers.service import File
from components.gateway import nginx_config
from components.gateway.model import GatewayConfig
from components.public_name.certificate import AcmeCertificate, ServedCertificate
from components.viewer import ohif_config
from settings import Dicom, ProvidedCertificate, ViewerSettings

ASSETS = Path(__file__).parents[2] / "assets"
ROOT = "/etc/ohif"
"""Where the gateway's files are in the container."""


CERTIFICATES = "/certificates"
AUDIT = "/var/tmp"  # noqa: S108 - a volume of its own
"""Folder of the volume with lines about users' requests. An empty volume takes over who may write from the
image's folder, and everybody may write to this one."""
VIEWER_SCRIPTS = ("ndarray.js", "behaviour.js", "searches.js")
"""What is added to OHIF's configuration (assets/viewer)."""
PROVIDED_CHAIN, PROVIDED_KEY = f"{ROOT}/tls/chain.pem", f"{ROOT}/tls/key.pem"


def certificate_path(issued: AcmeCertificate) -> str:
    """Chain and key in one file."""
    return f"{CERTIFICATES}/served/{issued.acme.host}.pem"


def certificate_files(
    certificate: ServedCertificate | None, configuration: pulumi.Output[GatewayConfig]
) -> Sequence[File]:
    """Files for the certificate, in addition to nginx's configuration."""
    match certificate:
        case None:
            return []
        case AcmeCertificate():
            return [File(path=f"{ROOT}/waiting.conf", content=configuration.apply(nginx_config.render_waiting))]
        case ProvidedCertificate():
            return [
                File(path=PROVIDED_CHAIN, content=certificate.chain),
                File(path=PROVIDED_KEY, content=certificate.key),
            ]


def credential_files(archive: Archive) -> Sequence[File]:
    """nginx's directives with the credentials that the gateway sends to the archive."""
    files = [File(path=f"{ROOT}/archive-credential.conf", content=credential(archive))]
    if archive.restricted_authorization is not None and archive.authorization is not None:
        both = credentials(archive.authorization, archive.restricted_authorization)
        files.append(File(path=f"{ROOT}/archive-credentials.conf", content=both))
    return files


def credential(archive: Archive) -> pulumi.Input[str]:
    """The directive in each location that leads to the archive."""
    if archive.authorization is None:
        return "# This archive checks no credential; nobody but the gateway is on its network.\n"
    if archive.restricted_authorization is not None:
        return "proxy_set_header Authorization $archive_credential;\n"
    return pulumi.Output.concat('proxy_set_header Authorization "', archive.authorization, '";\n')


def credentials(unrestricted: pulumi.Output[str], restricted: pulumi.Output[str]) -> pulumi.Output[str]:
    """The value of that directive, where not everybody may read every study."""
    return pulumi.Output.format(
        'map $restricted $archive_credential {{\n    0 "{0}";\n    default "{1}";\n}}\n', unrestricted, restricted
    )


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


def viewer_files(
    source: DicomWebSource, session_idle: int, settings: ViewerSettings, *, share_links: bool
) -> Sequence[File]:
    """OHIF's configuration, one file for each combination of what a user may do, and a style sheet."""

    def configuration(name: str, *scripts: str, **may: bool) -> File:
        behaviour = "".join((ASSETS / "viewer" / script).read_text() for script in (*scripts, *VIEWER_SCRIPTS))
        text = ohif_config.render(
            ohif_config.ViewerConfig(
                archive_name=source.name,
                capabilities=source.capabilities,
                may=ohif_config.May(**may),
                session_idle=session_idle,
                name=settings.name,
                logo=settings.logo,
                hidden_modes=settings.hidden_modes,
                options=settings.options,
                behaviour=behaviour,
            )
        )
        return File(path=f"{ROOT}/www/app-config.{name}.js", content=text)

    configurations = [
        configuration(f"{store}{download}{share}", store=store == "store", download=bool(download), share=bool(share))
        for store in ("read", "store")
        for download in ("", "-download")
        for share in ("", "-share")[: 1 + share_links]
    ]
    if share_links:
        configurations.append(configuration("shared", "shared.js"))
    style = File(path=f"{ROOT}/www/pages/viewer.css", content=(ASSETS / "viewer" / "viewer.css").read_text())
    return [*configurations, style]


def page_files(*, share_links: bool) -> Sequence[File]:
    """The gateway's own pages."""
    folders = ("pages", "share_pages") if share_links else ("pages",)
    pages = [page for folder in folders for page in sorted((ASSETS / "gateway" / folder).iterdir())]
    return [File(path=f"{ROOT}/www/pages/{page.name}", content=page.read_text()) for page in pages]
