"""A PostgreSQL server for one service, on a network that only this service shares."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.backup.dump import PASSWORD_FILE as DUMP_PASSWORD_FILE
from components.backup.dump import DumpSource
from components.containers.networks import data_volume, private_network
from components.containers.service import File, Healthcheck, Service, ServiceArgs
from components.containers.stack_context import StackContext

ASSETS = Path(__file__).parents[2] / "assets" / "containers"
PASSWORD_FILE = "/run/database-password"  # noqa: S105 - a path, not a password
POSTGRES_UID = "999:999"
"""User `postgres` of the Debian variant of the official image."""


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """Whose database, and with what."""

    stack: StackContext
    owner: str
    """The service that uses it: name of the role and of the database, and first part of the Docker names."""
    password: pulumi.Output[str]
    image: str = "postgres"
    """Key of the table of images."""


class Database(pulumi.ComponentResource):
    """PostgreSQL with one role and one database, both named after the service that uses them.

    It makes no backups itself (`dump` is how components/backup does) and opens no port.
    """

    host: str
    """Host name on `network`."""
    name: str
    """Name of the database and of its role."""
    network: docker.Network
    """For the one service that uses the database."""
    volume: docker.Volume
    dump: DumpSource

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Database", name, None, opts)
        self.host = f"{args.owner}-db"
        self.name = args.owner
        self.network = private_network(f"{name}-network", self.host, args.stack, self)
        self.volume = data_volume(f"{name}-volume", self.host, args.stack, self)
        server = Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image=args.image,
                alias=self.host,
                networks=[self.network],
                user=POSTGRES_UID,
                entrypoint=["/bin/sh", "/start.sh"],
                # Small: some dozen connections and an index of studies, not a data warehouse.
                command=["postgres", "-c", "shared_buffers=64MB", "-c", "max_connections=60"],
                environment={
                    "POSTGRES_USER": self.name,
                    "POSTGRES_DB": self.name,
                    "POSTGRES_PASSWORD_FILE": PASSWORD_FILE,
                    "PGDATA": "/var/lib/postgresql/data/pgdata",
                },
                files=[
                    File(path=PASSWORD_FILE, content=args.password),
                    File(path="/start.sh", content=(ASSETS / "start.sh").read_text()),
                ],
                volumes={"/var/lib/postgresql/data": self.volume},
                temporary=["/tmp", "/var/run/postgresql"],  # noqa: S108
                healthcheck=Healthcheck(
                    # By TCP: while the image makes a new database, its server listens on the socket only.
                    command=["pg_isready", "--quiet", "--host=127.0.0.1", f"--username={self.name}"],
                    interval=3,
                ),
                memory_mib=512,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.dump = DumpSource(
            host=self.host,
            image=args.image,
            network=self.network,
            scripts="database",
            password_file=pulumi.Output.concat("*:*:*:*:", args.password),
            environment={
                "PGHOST": self.host,
                "PGUSER": self.name,
                "PGPASSFILE": DUMP_PASSWORD_FILE,
                "DATABASE": self.name,
            },
            healthy=["pg_isready", "--quiet"],
            after=server,
        )
        self.register_outputs({})
