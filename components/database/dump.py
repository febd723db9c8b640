"""How a database is dumped and restored, wherever it is."""

import pulumi

from components.backup.dump import PASSWORD_FILE, DumpSource
from components.database.address import CA_FILE
from components.database.interface import Connection


def database_dump(connection: Connection, *, host: str, image: str, after: pulumi.Resource | None = None) -> DumpSource:
    """For backups; `host` names the dump."""
    address = connection.address
    encrypted = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": CA_FILE} if address.encrypted else {}
    return DumpSource(
        host=host,
        image=image,
        network=connection.network,
        scripts="database",
        password_file=pulumi.Output.concat("*:*:*:*:", connection.password.apply(escaped)),
        environment={
            "PGHOST": address.host,
            "PGPORT": str(address.port),
            "PGUSER": address.user,
            "PGPASSFILE": PASSWORD_FILE,
            "DATABASE": address.name,
            **encrypted,
        },
        files=connection.files,
        healthy=["pg_isready", "--quiet"],
        after=after,
    )


def escaped(password: str) -> str:
    """A password as a field of a password file (libpq, "The Password File")."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
