"""Mails about backups that fail or are overdue."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.backup.dump import ASSETS
from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks
from components.containers.service import File, Mount, Service, ServiceArgs
from components.containers.stack_context import StackContext
from settings import Smtp

SCRIPT = "/mails.py"


@dataclass(frozen=True, kw_only=True)
class BackupMailsArgs:
    """To whom, by which server, and about what."""

    stack: StackContext
    networks: Networks
    smtp: Smtp
    recipients: tuple[str, ...]
    overdue: int
    """Seconds after which the last complete backup is too old."""
    work: Mapping[str, docker.Volume]
    """Where the backup says how it went, by its path."""


class BackupMails(pulumi.ComponentResource):
    """Reads what the backup says of itself and sends a mail when something is wrong, and when it is right again.

    It sees that volume read-only and no data, and has no key to the repository. It is unhealthy while a mail cannot be
    sent. Source: Python's documentation, "smtplib".
    """

    def __init__(self, name: str, args: BackupMailsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:BackupMails", name, None, opts)
        smtp = args.smtp
        login: dict[str, pulumi.Input[str]] = {}
        if smtp.user is not None and smtp.password is not None:
            login = {"SMTP_USER": smtp.user, "SMTP_PASSWORD": smtp.password}
        Service(
            f"{name}-sender",
            ServiceArgs(
                stack=args.stack,
                # It has Python.
                image="certbot",
                alias="backup-mails",
                networks=[args.networks.edge],
                user="65534:65534",
                entrypoint=["python3", SCRIPT],
                command=[],
                environment={
                    "STACK": args.stack.stack,
                    "MAIL_TO": ", ".join(args.recipients),
                    "BACKUP_OVERDUE": str(args.overdue),
                    "SMTP_HOST": smtp.host,
                    "SMTP_PORT": str(smtp.port),
                    "SMTP_FROM": smtp.sender,
                    "SMTP_START_TLS": "true" if smtp.start_tls else "false",
                    **login,
                },
                files=[File(path=SCRIPT, content=(ASSETS / "mails.py").read_text())],
                volumes={path: Mount(volume=volume, read_only=True) for path, volume in args.work.items()},
                healthcheck=Healthcheck(command=["python3", SCRIPT, "check"], interval=30, pause=0),
                memory_mib=64,
                # Without a mail server, all else works.
                wait=False,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
