"""A database on a PostgreSQL server that others run."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.backup.dump import DumpSource
from components.containers.networks import private_network
from components.containers.stack_context import StackContext
from components.database.address import DatabaseAddress
from components.database.dump import database_dump
from components.database.interface import Connection
from settings import DatabaseLogin, DatabaseServer


@dataclass(frozen=True, kw_only=True)
class ExternalDatabaseArgs:
    """Which database, and whose."""

    stack: StackContext
    owner: str
    """The service that uses it: first part of the Docker names."""
    server: DatabaseServer
    login: DatabaseLogin


class ExternalDatabase(pulumi.ComponentResource):
    """A network by which the one service that uses the database reaches the server.

    It makes neither the database nor its user, and removes nothing of them.
    """

    connection: Connection
    ready: Sequence[pulumi.Resource] = ()
    dump: DumpSource
    lasts_with: pulumi.Resource

    def __init__(self, name: str, args: ExternalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:ExternalDatabase", name, None, opts)
        network = private_network(f"{name}-network", f"{args.owner}-external-db", args.stack, self, internal=False)
        self.lasts_with = network
        self.connection = Connection(
            address=DatabaseAddress(
                host=args.server.host,
                port=args.server.port,
                name=args.login.name,
                user=args.login.user,
                encrypted=True,
            ),
            password=args.login.password,
            network=network,
            ca_certificate=args.server.ca_certificate,
        )
        self.dump = database_dump(self.connection, host=f"{args.owner}-db", image="postgres")
        self.register_outputs({})
