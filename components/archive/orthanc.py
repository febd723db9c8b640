"""Orthanc, with its index in PostgreSQL and its files on a volume."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pulumi

from components.archive import orthanc_config
from components.archive.interface import DATABASE_SECRET, ArchiveArgs, ArchiveData, DicomWebSource
from components.archive.orthanc_files import orthanc_files
from components.containers.healthcheck import Healthcheck, http_probe
from components.containers.service import File, Service, ServiceArgs
from components.database.database import DatabaseArgs, make_database
from public_paths import ADMIN_PATH
from route import ArchiveRoot
from settings import Archive as ArchiveSettings
from settings import Rights

ASSETS = Path(__file__).parents[2] / "assets" / "archive" / "orthanc"
GATEWAY_USER = "gateway"
STORAGE_PATH = "/var/lib/orthanc/db"
AUTHORIZATION_FILE = "/etc/orthanc-health"
RESTRICTED_AUTHORIZATION_FILE = "/etc/orthanc-restricted"
RESTRICTED_SECRET = "archive-restricted"  # noqa: S105 - a name


class Orthanc(pulumi.ComponentResource):
    """Orthanc behind the gateway: only the program's two scripts, no writes to the machine's files, and no
    open DICOM port unless settings ask for it.

    Settings: Orthanc Book, "Securing Orthanc" and "Scalability of Orthanc".
    """

    SECRETS: ClassVar[Sequence[str]] = (DATABASE_SECRET, "archive")
    ROOTS: ClassVar[Sequence[ArchiveRoot]] = (
        ArchiveRoot(
            route="archive-explorer",
            public=f"{ADMIN_PATH}/app",
            target="/app/",
            example=f"{ADMIN_PATH}/app/explorer.html",
            pages=True,
            handlers=("$('#fileupload').click()",),
        ),
        # Orthanc Explorer 2 compiles its texts in the browser (vue-i18n 9).
        ArchiveRoot(
            route="archive-explorer-2",
            public=f"{ADMIN_PATH}/ui/app",
            target="/ui/app/",
            example=f"{ADMIN_PATH}/ui/app/",
            pages=True,
            evaluates=True,
        ),
        ArchiveRoot(route="archive-admin", public=ADMIN_PATH, target="/", example=f"{ADMIN_PATH}/"),
    )

    address: str
    dimse_address: str
    dicomweb_root: str
    rewrite_links: bool
    misreads_searches: bool
    scripted_root: str | None
    zip_path: str
    authorization: pulumi.Output[str]
    restricted_authorization: pulumi.Output[str] | None
    source: DicomWebSource
    data: ArchiveData

    @staticmethod
    def immutable_settings(settings: ArchiveSettings) -> Mapping[str, str]:
        """Settings that it writes into its data: none."""
        return {}

    def __init__(self, name: str, args: ArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Orthanc", name, None, opts)
        credential = args.secrets["archive"]
        self.address = f"orthanc:{orthanc_config.PORT}"
        self.dimse_address = f"orthanc:{orthanc_config.DIMSE_PORT}"
        self.dicomweb_root = orthanc_config.DICOMWEB_ROOT
        self.rewrite_links = False
        self.misreads_searches = True
        self.scripted_root = orthanc_config.SCRIPTED_ROOT
        self.zip_path = f"{orthanc_config.SCRIPTED_ROOT}/studies/$study/archive"
        self.authorization = credential.apply(lambda password: basic_authorization(GATEWAY_USER, password))
        restricted = args.secrets.get(RESTRICTED_SECRET)
        self.restricted_authorization = (
            None
            if restricted is None
            else restricted.apply(lambda password: basic_authorization(orthanc_config.RESTRICTED_USER, password))
        )
        self.source = DicomWebSource(
            name="Orthanc",
            # Orthanc Book, "DICOMweb plugin": QIDO-RS knows includefield and wildcards, not fuzzy matching.
            capabilities={
                "qidoSupportsIncludeField": True,
                "supportsReject": False,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "bulkDataURI": {"enabled": True},
                "singlepart": "bulkdata,video",
            },
        )
        database_args = DatabaseArgs(
            stack=args.stack,
            owner="orthanc",
            password=args.secrets.get(DATABASE_SECRET),
            server=args.database,
            login=args.database.archive if args.database else None,
        )
        database = make_database(f"{name}-database", database_args, pulumi.ResourceOptions(parent=self))
        connection = database.connection
        kept = orthanc_files(name, args.stack, args.files, self)
        self.data = ArchiveData(files=kept.kept, dumps=[database.dump])
        configuration = pulumi.Output.all(credential, connection.password, restricted, kept.settings).apply(
            lambda passwords: orthanc_config.render(
                orthanc_config.OrthancConfig(
                    name="Archive",
                    user=GATEWAY_USER,
                    password=passwords[0],
                    database=orthanc_config.index(connection.address, passwords[1]),
                    storage_path=STORAGE_PATH,
                    ae_title=args.settings.ae_title,
                    memory_mib=args.settings.memory_mib,
                    callers=() if args.dicom is None else args.dicom.callers,
                    character_set=args.settings.default_character_set,
                    maximum_mb=args.settings.maximum_gb * 1000,
                    restricted_password=passwords[2],
                    further=passwords[3],
                )
            )
        )
        Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="orthanc",
                alias="orthanc",
                networks=[args.networks.archive, connection.network, *kept.networks],
                # By name: the image's own user, whose number differs between its versions.
                user="orthanc",
                # Without root it cannot write the machine's identity, and does not need it.
                environment={"GENERATE_HOST_ID_IF_MISSING": "false"},
                files=[
                    File(path="/etc/orthanc/orthanc.json", content=configuration),
                    *scripts(orthanc_config.IDENTITY_SCRIPT, *orthanc_config.PYTHON_SCRIPTS),
                    File(path=AUTHORIZATION_FILE, content=self.authorization),
                    *connection.files,
                    *kept.files,
                    *rights_files(args.settings.rights, self.restricted_authorization),
                ],
                volumes={STORAGE_PATH: kept.volume},
                healthcheck=Healthcheck(
                    # Answers only to the credential, and only when the index does (`/system` does not ask it). After a
                    # restart of the database it uses up the connections that are dead, which would each fail a store,
                    # and so never pauses.
                    command=http_probe(
                        orthanc_config.PORT,
                        "/changes?last",
                        AUTHORIZATION_FILE,
                        connections=orthanc_config.INDEX_CONNECTIONS,
                    ),
                    start_period=120,
                    interval=3,
                    pause=0,
                ),
                memory_mib=args.settings.memory_mib,
                # The rest is for files in the container's memory and for the kernel. Stacks count although they are
                # hardly used.
                process_memory_mib=args.settings.memory_mib * 7 // 8 + orthanc_config.THREAD_STACKS_MIB,
                stop_seconds=60,
                depends_on=database.ready,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def scripts(*paths: str) -> Sequence[File]:
    """Scripts by their paths in the container."""
    return [File(path=path, content=(ASSETS / Path(path).name).read_text()) for path in paths]


def rights_files(rights: Rights | None, authorization: pulumi.Output[str] | None) -> Sequence[File]:
    """What decides who may read which study; nothing where who has a role reads all."""
    if rights is None or authorization is None:
        return []
    return [
        File(
            path=orthanc_config.RIGHTS_FILE,
            content=orthanc_config.rights(
                rights.groups,
                [(rule.when, rule.labels) for rule in rights.rules],
                rights.shares.maximum_days if rights.shares else None,
            ),
        ),
        File(path=RESTRICTED_AUTHORIZATION_FILE, content=authorization),
        *scripts(*orthanc_config.RIGHTS_SCRIPTS, *(orthanc_config.SHARE_SCRIPTS if rights.shares else ())),
    ]


def basic_authorization(user: str, password: str) -> str:
    """An `Authorization` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
