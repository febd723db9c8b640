"""A PostgreSQL server that others run, as far as the tests are concerned: on this machine, with TLS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from offline.images import build
from tests.certificates import signed
from tests.e2e.harness import listens, wait_until
from tools.container_exec import run as run_in

LOGINS = {"keycloak": "kc:p@ss/word", "archive": "in\\dex"}


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A server with two databases."""

    container: Container
    settings: dict[str, Any]
    """`ohif:database` of a stack that uses it."""

    def sql(self, *statements: str) -> str:
        """What the administrator's statements show."""
        port = self.settings["port"]
        words = [f"--command={it}" for it in statements]
        answer = run_in(self.container, ["psql", f"--port={port}", "--username=postgres", "-XAqt", *words])
        assert answer.code == 0, answer.reason
        return answer.output


@contextmanager
def database_server(engine: docker.DockerClient, folder: Path, address: str, port: int) -> Iterator[Elsewhere]:
    """A server with empty databases, outside of any stack's networks, under an address of this machine."""
    authority = signed("authority of the hospital")
    server = signed("database", by=authority, covers=(address,))
    for name, text in (("certificate.pem", server.pem), ("key.pem", server.key_pem)):
        (folder / name).write_text(text)
        os.chown(folder / name, 999, 999)
        (folder / name).chmod(0o600)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    options = {"port": port, "ssl": "on", "ssl_cert_file": "/tls/certificate.pem", "ssl_key_file": "/tls/key.pem"}
    container = engine.containers.run(
        build.name_of("postgres"),
        command=["postgres", *(word for name, value in options.items() for word in ("-c", f"{name}={value}"))],
        environment={"POSTGRES_PASSWORD": "administrator", "PGDATA": "/var/lib/postgresql/data/of-tests"},
        volumes={str(folder): {"bind": "/tls", "mode": "ro"}},
        tmpfs={"/var/lib/postgresql/data": "uid=999"},
        network_mode="host",
        detach=True,
    )
    made = Elsewhere(
        container=container,
        settings={
            "host": address,
            "port": port,
            "caCertificate": authority.pem,
            **{key: {"name": f"ohif-{key}", "user": key, "password": it} for key, it in LOGINS.items()},
        },
    )
    try:
        wait_until(lambda: listens("127.0.0.1", port), "database server", 30)
        for key, password in LOGINS.items():
            made.sql(
                f"CREATE ROLE {key} LOGIN CREATEDB PASSWORD '{password}'", f'CREATE DATABASE "ohif-{key}" OWNER {key}'
            )
        yield made
    finally:
        container.remove(force=True)
