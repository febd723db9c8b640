"""How the services reach their databases, wherever these are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_docker as docker

from components.backup.dump import DumpSource
from components.containers.service import File
from components.database.address import CA_FILE, DatabaseAddress


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a service reaches its database, and signs in."""

    address: DatabaseAddress
    password: pulumi.Output[str]
    network: docker.Network
    """On which the host is reached."""
    ca_certificate: str | None
    """PEM for `CA_FILE`. `None`: nobody else is on the network, and nothing is encrypted."""

    @property
    def files(self) -> Sequence[File]:
        """What a client needs besides."""
        return [File(path=CA_FILE, content=self.ca_certificate)] if self.ca_certificate else []


class Database(Protocol):
    """A database that one service has for itself."""

    @property
    def connection(self) -> Connection:
        """How it is reached."""
        ...

    @property
    def ready(self) -> Sequence[pulumi.Resource]:
        """What has to be there before the service starts."""
        ...

    @property
    def dump(self) -> DumpSource:
        """For backups."""
        ...

    @property
    def lasts_with(self) -> pulumi.Resource:
        """When this leaves the stack, all that the database holds is out of the stack's reach."""
        ...
