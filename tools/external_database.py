"""A PostgreSQL server that others run, asked before a stack begins to use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import docker
import docker.errors

from advisories import version_of
from bootstrap.console import UserError
from components.database.address import CA_FILE
from names import PROJECT, docker_labels
from settings.database import LOGINS
from tools.container_exec import run
from tools.pulumi_run import Pulumi
from tools.stack_state import read_with_secrets

QUERY = """
SELECT current_setting('server_version_num')::int / 10000,
       (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),
       (SELECT count(*) FROM pg_tables WHERE schemaname = 'public')
"""


def check(engine: docker.DockerClient, pulumi: Pulumi, image: str, *, must_be_empty: bool) -> None:
    """Sign in to each database as its service will, from the engine's machine.

    Raises UserError if that fails, if a backup could not be made or restored, or if a database that has to be empty is
    not. Without the image on the engine, as before a first update of a remote machine, nothing is asked.
    """
    server = read_with_secrets(pulumi, "database")
    if not server:
        return
    try:
        engine.images.get(image)
    except docker.errors.ImageNotFound:
        return
    for login in LOGINS:
        major, may_create, tables = _ask(engine, pulumi.stack, image, server, server[login])
        where = f"ohif:database.{login}: {server[login]['name']} at {server['host']}"
        if version_of(image)[:1] not in ((), (major,)):
            # pg_dump reads no newer server, and what pg_restore writes is not understood by an older one.
            raise UserError(
                f"{where} is of PostgreSQL {major}, and the programs for its backups are of {version_of(image)[0]}",
                f"Set ohif:images.postgres to an image of PostgreSQL {major} (16 or 17). Nothing was changed.",
            )
        if not may_create:
            raise UserError(
                f"{where}: {server[login]['user']} may not make databases, which a restore does",
                f'ALTER ROLE "{server[login]["user"]}" CREATEDB; as its administrator. Nothing was changed.',
            )
        if must_be_empty and tables:
            raise UserError(
                f"{where} has {tables} tables already, which would be replaced",
                "Name an empty one, or drop and create it. Nothing was changed.",
            )


def _ask(
    engine: docker.DockerClient, stack: str, image: str, server: Mapping[str, Any], login: Mapping[str, Any]
) -> tuple[int, bool, int]:
    container = engine.containers.run(
        image,
        entrypoint=["sleep", "60"],
        user="nobody",
        environment={
            "PGHOST": str(server["host"]),
            "PGPORT": str(server.get("port", 5432)),
            "PGDATABASE": str(login["name"]),
            "PGUSER": str(login["user"]),
            "PGPASSWORD": str(login["password"]),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": CA_FILE.replace("/etc", "/tmp"),  # noqa: S108 - in a container
            "PGCONNECT_TIMEOUT": "10",
            "CA": str(server["caCertificate"]),
        },
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        labels=dict(docker_labels(PROJECT, stack)),
        detach=True,
    )
    script = 'printf %s "$CA" > "$PGSSLROOTCERT" && exec psql -XAt -F " " -c "$0"'
    try:
        answer = run(container, ["/bin/sh", "-c", script, QUERY])
    finally:
        container.remove(force=True)
    if answer.code:
        raise UserError(
            f"ohif:database: {answer.reason}",
            "Correct it, or make the database and its user (docs/how-to/use-your-database.md). Nothing was changed.",
        )
    major, may_create, tables = answer.output.split()
    return int(major), may_create == "t", int(tables)
