"""A PostgreSQL server for one service, on a network that only this service shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.backup.dump import DumpSource
from components.containers.healthcheck import Healthcheck
from components.containers.networks import data_volume, private_network
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.database.address import DatabaseAddress
from components.database.dump import database_dump
from components.database.interface import Connection
from names import OWN_DATABASE_TYPE

ASSETS = Path(__file__).parents[2] / "assets" / "database"
PORT = 5432
PASSWORD_FILE = "/run/database-password"  # noqa: S105 - a path, not a password
POSTGRES_UID = "999:999"
"""User `postgres` of the Debian variant of the official image."""


@dataclass(frozen=True, kw_only=True)
class OwnDatabaseArgs:
    """Whose database, and with what."""

    stack: StackContext
    owner: str
    """The service that uses it: name of the role and of the database, and first part of the Docker names."""
    password: pulumi.Output[str]
    image: str = "postgres"
    """Key of the table of images."""


class OwnDatabase(pulumi.ComponentResource):
    """PostgreSQL with one role and one database, both named after the service that uses them.

    It makes no backups itself (`dump` is how components/backup does) and opens no port.
    """

    connection: Connection
    ready: Sequence[pulumi.Resource]
    dump: DumpSource
    lasts_with: pulumi.Resource

    def __init__(self, name: str, args: OwnDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(OWN_DATABASE_TYPE, name, None, opts)
        host = f"{args.owner}-db"
        network = private_network(f"{name}-network", host, args.stack, self)
        self.lasts_with = volume = data_volume(f"{name}-volume", host, args.stack, self)
        self.connection = Connection(
            address=DatabaseAddress(host=host, port=PORT, name=args.owner, user=args.owner, encrypted=False),
            password=args.password,
            network=network,
            ca_certificate=None,
        )
        server = Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image=args.image,
                alias=host,
                networks=[network],
                user=POSTGRES_UID,
                entrypoint=["/bin/sh", "/start.sh"],
                # Small: some dozen connections and an index of studies, not a data warehouse.
                command=["postgres", "-c", "shared_buffers=64MB", "-c", "max_connections=60"],
                environment={
                    "POSTGRES_USER": args.owner,
                    "POSTGRES_DB": args.owner,
                    "POSTGRES_PASSWORD_FILE": PASSWORD_FILE,
                    "PGDATA": "/var/lib/postgresql/data/pgdata",
                },
                files=[
                    File(path=PASSWORD_FILE, content=args.password),
                    File(path="/start.sh", content=(ASSETS / "start.sh").read_text()),
                ],
                volumes={"/var/lib/postgresql/data": volume},
                temporary=["/tmp", "/var/run/postgresql"],  # noqa: S108
                healthcheck=Healthcheck(
                    # By TCP: while the image makes a new database, its server listens on the socket only.
                    command=["pg_isready", "--quiet", "--host=127.0.0.1", f"--username={args.owner}"],
                ),
                memory_mib=512,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = [server]
        self.dump = database_dump(self.connection, host=host, image=args.image, after=server)
        self.register_outputs({})
