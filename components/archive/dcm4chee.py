"""DCM4chee (dcm4chee-arc-light), with its LDAP directory, its PostgreSQL and its files on volumes."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pulumi

from components.archive.dcm4chee_directory import BASE_DN, LDAP_PORT, LDAP_URL, make_directory
from components.archive.dcm4chee_images import AS_ROOT, ASSETS, DIMSE_PORT, SECRET_FILES, STORAGE, secret_files
from components.archive.interface import ArchiveArgs, ArchiveData, DicomWebSource
from components.containers.healthcheck import Healthcheck, http_probe
from components.containers.networks import data_volume
from components.containers.service import File, Service, ServiceArgs
from components.database.own import OwnDatabase, OwnDatabaseArgs
from public_paths import ADMIN_PATH
from route import ArchiveRoot
from settings import Archive as ArchiveSettings

WEB_ROOT = "/dcm4chee-arc"
HTTP_PORT = 8080

LOADED_STYLES = "this.media='all'"
"""How Angular's build lets a page's styles load later (`inlineCritical`)."""


class Dcm4chee(pulumi.ComponentResource):
    """DCM4chee behind the gateway, in the variant of its image that knows no login of its own.

    That variant checks no credential, so it shares a network with the gateway alone, which enforces the route table.
    Its own passwords (directory, database, application server, key stores) are generated.

    Settings: README of dcm4che-dockerfiles/dcm4chee-arc-psql and …/slapd-dcm4chee; "Running on Docker" in the wiki of
    dcm4che/dcm4chee-arc-light.
    """

    SECRETS: ClassVar[Sequence[str]] = (
        "archive-database",
        "archive-ldap",
        "archive-ldap-config",
        "archive-console",
        "archive-keystore",
        "archive-truststore",
    )
    ROOTS: ClassVar[Sequence[ArchiveRoot]] = (
        ArchiveRoot(
            route="archive-admin",
            public=ADMIN_PATH,
            target=f"{WEB_ROOT}/ui2/",
            example=f"{ADMIN_PATH}/",
            pages=True,
            handlers=(LOADED_STYLES,),
        ),
        ArchiveRoot(
            route="archive-pages",
            public=f"{WEB_ROOT}/ui2",
            target=f"{WEB_ROOT}/ui2/",
            example=f"{WEB_ROOT}/ui2/",
            pages=True,
            handlers=(LOADED_STYLES,),
        ),
        # Its pages name themselves and the API by this path.
        ArchiveRoot(route="archive-api", public=WEB_ROOT, target=f"{WEB_ROOT}/", example=f"{WEB_ROOT}/aets"),
    )

    address: str
    dimse_address: str
    dicomweb_root: str
    rewrite_links: bool
    misreads_searches: bool
    scripted_root: str | None
    zip_path: str
    authorization: pulumi.Output[str] | None
    source: DicomWebSource
    data: ArchiveData

    @staticmethod
    def immutable_settings(settings: ArchiveSettings) -> Mapping[str, str]:
        """Settings that its directory is made with."""
        return {"aeTitle": settings.ae_title, "dcm4chee.deviceName": settings.device_name}

    def __init__(self, name: str, args: ArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Dcm4chee", name, None, opts)
        self.address = f"dcm4chee:{HTTP_PORT}"
        self.dimse_address = f"dcm4chee:{DIMSE_PORT}"
        self.dicomweb_root = f"{WEB_ROOT}/aets/{args.settings.ae_title}/rs"
        self.rewrite_links = True
        self.misreads_searches = False
        self.scripted_root = None
        self.zip_path = f"{self.dicomweb_root}/studies/$study?accept=application/zip"
        self.authorization = None
        self.restricted_authorization = None
        self.source = DicomWebSource(
            name="DCM4chee",
            # As in OHIF's own configuration for it (platform/app/public/config/docker-nginx-dcm4chee.js), but for
            # rejecting: that goes past DICOMweb to the archive's API. No WADO-URI: OHIF asks for it only where
            # `imageRendering` or `thumbnailRendering` is `wadouri`.
            capabilities={
                "qidoSupportsIncludeField": True,
                "supportsReject": False,
                "supportsFuzzyMatching": True,
                "supportsWildcard": True,
                "bulkDataURI": {"enabled": True},
                "singlepart": "bulkdata,video",
            },
        )
        secrets = args.secrets
        database = OwnDatabase(
            f"{name}-database",
            OwnDatabaseArgs(
                stack=args.stack,
                owner="dcm4chee",
                password=secrets["archive-database"],
                # PostgreSQL's own image, and the archive's tables for a new database.
                image="dcm4chee-db",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        connection = database.connection
        address = connection.address
        directory = make_directory(f"{name}-directory", args, connection.network, self)
        volume = data_volume(f"{name}-volume", "dcm4chee", args.stack, self)
        self.data = ArchiveData(files=volume, dumps=[database.dump, directory.dump])
        Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="dcm4chee",
                alias="dcm4chee",
                networks=[args.networks.archive, connection.network],
                user=None,
                # It becomes its own user by way of chroot(8).
                capabilities=[*AS_ROOT, "CAP_SYS_CHROOT"],
                entrypoint=["/bin/bash", "/start.sh"],
                # The application server's console answers inside the container only.
                command=["standalone.sh", "-b", "0.0.0.0", "-bmanagement", "127.0.0.1"],  # noqa: S104 - in a container
                environment={
                    "LDAP_URL": LDAP_URL,
                    "LDAP_BASE_DN": BASE_DN,
                    "LDAP_ROOTPASS_FILE": f"{SECRET_FILES}/archive-ldap",
                    "ARCHIVE_DEVICE_NAME": args.settings.device_name,
                    "POSTGRES_HOST": address.host,
                    "POSTGRES_DB": address.name,
                    "POSTGRES_USER": address.user,
                    "POSTGRES_PASSWORD_FILE": f"{SECRET_FILES}/archive-database",
                    "WILDFLY_ADMIN_USER": "admin",
                    "WILDFLY_ADMIN_PASSWORD_FILE": f"{SECRET_FILES}/archive-console",
                    "WILDFLY_CHOWN": f"/opt/wildfly/standalone {STORAGE}",
                    "WILDFLY_WAIT_FOR": f"dcm4chee-ldap:{LDAP_PORT} {address.host}:{address.port}",
                    "KEYSTORE": "/run/keystores/key.p12",
                    "KEYSTORE_TYPE": "PKCS12",
                    "KEYSTORE_PASSWORD_FILE": f"{SECRET_FILES}/archive-keystore",
                    "TRUSTSTORE": "/run/keystores/trust.p12",
                    "TRUSTSTORE_TYPE": "PKCS12",
                    "TRUSTSTORE_PASSWORD_FILE": f"{SECRET_FILES}/archive-truststore",
                    # A sample authority that the image would trust.
                    "EXTRA_CACERTS": "",
                    "JBOSS_JAVA_SIZING": java_sizing(args.settings.memory_mib),
                    # Its links begin with the scheme that the browser used.
                    "HTTP_PROXY_ADDRESS_FORWARDING": "true",
                    "REVERSE_DNS": "false",
                },
                files=[
                    File(path="/start.sh", content=(ASSETS / "start-archive.sh").read_text()),
                    *secret_files(
                        secrets,
                        *("archive-ldap", "archive-database", "archive-console"),
                        *("archive-keystore", "archive-truststore"),
                    ),
                ],
                volumes={STORAGE: volume},
                temporary=["/tmp", "/run/keystores"],  # noqa: S108
                healthcheck=Healthcheck(
                    # The archive's own word that its device is started, which takes directory and database.
                    command=http_probe(HTTP_PORT, f"{WEB_ROOT}/ctrl/status"),
                    start_period=240,
                ),
                memory_mib=args.settings.memory_mib,
                stop_seconds=60,
                depends_on=[*database.ready, directory.service],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def java_sizing(memory_mib: int) -> str:
    """Options of the Java machine in a container of so much memory.

    Half is heap; classes, threads and buffers of the network and of images take the rest.
    """
    return f"-Xms256m -Xmx{memory_mib // 2}m -XX:MetaspaceSize=96m -XX:MaxMetaspaceSize=384m"
