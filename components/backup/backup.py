"""Backups of everything that lasts, made by restic while the stack runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.archive.interface import Archive
from components.backup import repository
from components.backup.dump import ASSETS, DUMPS, Dump, DumpSource
from components.backup.mails import BackupMails, BackupMailsArgs
from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks, folder_volume, private_network, working_volume
from components.containers.service import File, Mount, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.keycloak.server import Keycloak
from components.public_name.certificate import AcmeCertificate, ServedCertificate
from settings import Backup as BackupSettings
from settings import Smtp

SCRIPT = "/backup.sh"
DATA = "/data"
"""Below it are the volumes with files."""
WORK = "/var/lib/backup"
"""restic's cache, and how the last backup went."""
DESCRIPTION = "/etc/backup/set.json"
LATE = 2 * 3600
"""Seconds after the longest time between two backups, after which one is overdue."""


@dataclass(frozen=True, kw_only=True)
class StackData:
    """Everything of a stack that lasts."""

    archive: str
    """The archive's kind, which a set belongs to."""
    dumps: Sequence[DumpSource]
    files: Mapping[str, docker.Volume]
    """Volumes whose files are added and removed, and never changed while they are read; by their name in the set."""


def stack_data(kind: str, archive: Archive, keycloak: Keycloak, certificate: ServedCertificate | None) -> StackData:
    """What of a stack's parts is backed up."""
    files = {"archive": archive.data.files} if archive.data.files else {}
    if isinstance(certificate, AcmeCertificate):
        files["certificates"] = certificate.volume.volume
    return StackData(archive=kind, dumps=[keycloak.database.dump, *archive.data.dumps], files=files)


@dataclass(frozen=True)
class BackupArgs:
    """What is backed up, and where to."""

    stack: StackContext
    networks: Networks
    settings: BackupSettings
    repository: repository.Repository
    password: pulumi.Output[str]
    """Encrypts the repository."""
    data: StackData
    smtp: Smtp | None


class Backup(pulumi.ComponentResource):
    """restic, at the times of the settings, and a container for each dump.

    The dumps are made first and the files are read afterwards, while the stack runs: an index then never names a file
    that was not there yet, and files without an index entry do no harm (docs/adr/0024). It cannot write to the
    volumes of the others, and restores nothing by itself; `make restore` does that.

    Source: restic's documentation, "Backing up", "Removing backup snapshots", "Scripting".
    """

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Backup", name, None, opts)
        dumps_volume = working_volume(f"{name}-dumps-volume", "dumps", args.stack, self)
        dumps = [
            Dump(f"{name}-{it.host}", args.stack, it, dumps_volume, pulumi.ResourceOptions(parent=self))
            for it in args.data.dumps
        ]
        settings, folder = args.settings, args.settings.folder
        repository_volumes = (
            {repository.FOLDER: folder_volume(f"{name}-repository", "repository", folder, args.stack, self)}
            if folder
            else {}
        )
        work = working_volume(f"{name}-volume", "backup", args.stack, self)
        overdue = settings.longest_gap + LATE
        server = Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="backup",
                alias="backup",
                networks=[
                    private_network(f"{name}-network", "backup", args.stack, self) if folder else args.networks.edge
                ],
                # The image's own user, root, whose only privilege is to read the files of others.
                user=None,
                capabilities=["CAP_DAC_READ_SEARCH"],
                entrypoint=["/bin/sh", SCRIPT],
                command=["pause" if settings.paused else "serve"],
                environment={
                    **repository.environment(args.repository, args.password),
                    "STACK": args.stack.stack,
                    "BACKUP_TIMES": " ".join(map(str, settings.times)),
                    "BACKUP_OVERDUE": str(overdue),
                    "DUMPS": " ".join(it.name for it in dumps),
                    "KEEP_DAILY": str(settings.keep.daily),
                    "KEEP_WEEKLY": str(settings.keep.weekly),
                    "KEEP_MONTHLY": str(settings.keep.monthly),
                },
                files=[
                    File(path=SCRIPT, content=(ASSETS / "backup.sh").read_text()),
                    File(path=DESCRIPTION, content=description(args)),
                    *repository.files(args.repository),
                ],
                volumes={
                    WORK: work,
                    DUMPS: dumps_volume,
                    **{f"{DATA}/{it}": Mount(volume=volume, read_only=True) for it, volume in args.data.files.items()},
                    **repository_volumes,
                },
                healthcheck=Healthcheck(command=["/bin/sh", SCRIPT, "check"], interval=30, pause=0),
                memory_mib=512,
                background=True,
                # A failed backup must be seen, and must not keep the stack from being changed, which may correct it.
                wait=False,
                depends_on=dumps,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        if args.smtp and settings.mail_to:
            mails = BackupMailsArgs(
                stack=args.stack,
                networks=args.networks,
                smtp=args.smtp,
                recipients=settings.mail_to,
                overdue=overdue,
                work={WORK: work},
            )
            BackupMails(f"{name}-mails", mails, pulumi.ResourceOptions(parent=self, depends_on=[server]))
        self.register_outputs({})


def description(args: BackupArgs) -> str:
    """What the set belongs to and was made with, as JSON; it is part of each set."""
    return json.dumps(
        {
            "project": args.stack.project,
            "stack": args.stack.stack,
            "archive": args.data.archive,
            "images": {key: image.name for key, image in sorted(args.stack.images.items())},
        },
        indent=2,
    )
