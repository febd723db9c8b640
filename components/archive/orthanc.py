"""Orthanc, with its index in PostgreSQL and its files on a volume."""

import base64
from dataclasses import dataclass

import pulumi

from components.archive import DicomWebSource
from components.database import Database, DatabaseArgs
from components.network import Networks, data_volume
from components.secrets import Secrets
from components.service import File, Healthcheck, Service, ServiceArgs, http_probe
from components.site import Site
from rendering import orthanc

GATEWAY_USER = "gateway"
STORAGE_PATH = "/var/lib/orthanc/db"
AUTHORIZATION_FILE = "/etc/orthanc-health"


@dataclass(frozen=True, kw_only=True)
class OrthancArgs:
    """What the archive runs with."""

    site: Site
    networks: Networks
    secrets: Secrets


class Orthanc(pulumi.ComponentResource):
    """Orthanc behind the gateway: HTTP only, no DICOM port, no scripts, no writes to the machine's files.

    Settings: Orthanc Book, "Securing Orthanc" and "Scalability of Orthanc".
    """

    address: str
    dicomweb_root: str
    authorization: pulumi.Output[str]
    source: DicomWebSource

    def __init__(self, name: str, args: OrthancArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Orthanc", name, None, opts)
        self.address = f"orthanc:{orthanc.PORT}"
        self.dicomweb_root = orthanc.DICOMWEB_ROOT
        self.authorization = args.secrets.archive.apply(basic_authorization)
        self.source = DicomWebSource(
            name="Orthanc",
            # Orthanc Book, "DICOMweb plugin": QIDO-RS knows includefield and wildcards, not fuzzy matching.
            capabilities={
                "qidoSupportsIncludeField": True,
                "supportsReject": False,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "bulkDataURI": {"enabled": True},
            },
        )
        database = Database(
            f"{name}-database",
            DatabaseArgs(
                site=args.site,
                owner="orthanc",
                password=args.secrets.archive_database,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        volume = data_volume(f"{name}-volume", "orthanc", args.site, self)
        configuration = pulumi.Output.all(args.secrets.archive, args.secrets.archive_database).apply(
            lambda passwords: orthanc.render(
                orthanc.OrthancConfig(
                    name="Archive",
                    user=GATEWAY_USER,
                    password=passwords[0],
                    database_host=database.host,
                    database_name=database.name,
                    database_password=passwords[1],
                    storage_path=STORAGE_PATH,
                )
            )
        )
        Service(
            f"{name}-server",
            ServiceArgs(
                site=args.site,
                image="orthanc",
                alias="orthanc",
                networks=[args.networks.imaging, database.network],
                # By name: the image's own user, whose number differs between its versions.
                user="orthanc",
                # Without root it cannot write the machine's identity, and does not need it.
                environment={"GENERATE_HOST_ID_IF_MISSING": "false"},
                files=[
                    File(path="/etc/orthanc/orthanc.json", content=configuration),
                    File(path=AUTHORIZATION_FILE, content=self.authorization),
                ],
                volumes={STORAGE_PATH: volume},
                healthcheck=Healthcheck(
                    # Answers only to the credential, and only when the index does.
                    command=http_probe(orthanc.PORT, "/system", AUTHORIZATION_FILE),
                    start_period=120,
                    interval=3,
                ),
                memory_mib=1024,
                stop_seconds=60,
                depends_on=[database],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def basic_authorization(password: str) -> str:
    """The gateway's `Authorization` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{GATEWAY_USER}:{password}".encode()).decode()
