"""The volume with lines about users' requests, and a syslog-ng that sends those and all others to a log server."""

from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_docker as docker
from pulumi.resource import create_urn

from components.containers.healthcheck import Healthcheck
from components.containers.log_driver import LogDriver
from components.containers.networks import Networks, data_volume, working_volume
from components.containers.service import File, Mount, Port, Service, ServiceArgs
from components.containers.stack_context import StackContext
from settings import LogServer

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "logs"
AUDIT_FILE = "today.log"
CONFIGURATION, AUTHORITY, CHECK = "/etc/logs/syslog-ng.conf", "/etc/logs/ca.pem", "/etc/logs/check.sh"
WORK = "/var/lib/syslog-ng"
"""Lines that wait for the server, and how far the file of users' requests has been read."""
CONTROL = "/tmp/syslog-ng.ctl"  # noqa: S108 - a path in the container
INTERNAL_PORT = 5514


@dataclass(frozen=True)
class AuditLog:
    """Where lines about users' requests are kept, and for how long."""

    volume: docker.Volume
    days: int


@dataclass(frozen=True)
class LogsArgs:
    """How long lines are kept, and where they are sent."""

    stack: StackContext
    networks: Networks
    audit_days: int
    server: LogServer | None


class Logs(pulumi.ComponentResource):
    """What outlives the containers of a stack's lines.

    With a log server, Docker hands each line to syslog-ng on the engine's machine by UDP, so that no container waits
    when syslog-ng is away, and keeps a copy for `docker logs`. Users' requests are read from their file instead,
    from where reading stopped, so that none is lost. Lines that wait for the server are on a volume, at most 256 MiB.

    Source: syslog-ng's administration guide, "syslog: Sending messages to a remote log server using the IETF-syslog
    protocol", and components/containers/log_driver.py.
    """

    audit: AuditLog
    stack: StackContext
    """For the services whose lines are sent."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Logs", name, None, opts)
        before = pulumi.Alias(name="gateway-audit-volume", parent=create_urn("gateway", "ohif:index:Gateway"))
        # Without the setting again, it is left behind.
        volume = data_volume(f"{name}-audit-volume", "audit", args.stack, self, may_leave=True, aliases=[before])
        self.audit = AuditLog(volume, args.audit_days)
        self.stack = args.stack
        if args.server is not None:
            shipper = Service(
                f"{name}-shipper",
                ServiceArgs(
                    stack=args.stack,
                    image="logs",
                    alias="logs",
                    networks=[args.networks.edge],
                    # The image's own user, root, without any capability.
                    user=None,
                    entrypoint=["/usr/sbin/syslog-ng", "-F", "-e", "--no-caps", f"--cfgfile={CONFIGURATION}"],
                    command=[f"--persist-file={WORK}/persist", f"--control={CONTROL}", "--pidfile=/tmp/syslog-ng.pid"],
                    environment={
                        "STACK": f"{args.stack.project}-{args.stack.stack}",
                        "AUDIT_FILE": AUDIT_FILE,
                        "LOCAL_PORT": str(INTERNAL_PORT),
                        "SERVER": args.server.host,
                        "SERVER_PORT": str(args.server.port),
                        "CONTROL": CONTROL,
                    },
                    files=[
                        File(path=CONFIGURATION, content=(ASSETS / "syslog-ng.conf").read_text()),
                        File(path=CHECK, content=(ASSETS / "check.sh").read_text()),
                        File(path=AUTHORITY, content=args.server.ca_certificate),
                    ],
                    volumes={
                        WORK: working_volume(f"{name}-volume", "logs", args.stack, self),
                        "/audit": Mount(volume=volume, read_only=True),
                    },
                    ports=[
                        Port(
                            address="127.0.0.1",
                            external=args.server.local_port,
                            internal=INTERNAL_PORT,
                            protocol="udp",
                        )
                    ],
                    healthcheck=Healthcheck(command=["/bin/sh", CHECK], interval=30, pause=0),
                    memory_mib=128,
                    # A server that is away must be seen, and must not keep the stack from being changed.
                    wait=False,
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.stack = replace(args.stack, logs=LogDriver(args.server.local_port, shipper))
        self.register_outputs({})
