"""A Keycloak on a database of its own, next to any stack: for measurements and tests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from bootstrap.console import UserError
from tools.restore_drill import free_port

SECONDS = 180
"""Within which it has to answer. The first start on a database makes its tables."""


class KeycloakServer:
    """A database, and one Keycloak at a time on it, which is built for PostgreSQL and the path /keycloak."""

    def __init__(self, engine: docker.DockerClient, name: str, postgres: str) -> None:
        self.engine = engine
        self.name = name
        self.password = secrets.token_urlsafe(16)
        """Of the database's role, and for whatever else wants one."""
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.database: Container = engine.containers.run(
            postgres,
            environment={"POSTGRES_USER": "keycloak", "POSTGRES_PASSWORD": self.password},
            **self._place("db"),
        )

    def _place(self, thing: str) -> dict[str, Any]:
        return {"name": f"{self.name}-{thing}", "network": self.name, "detach": True, "labels": {self.name: ""}}

    @contextmanager
    def running(self, image: str, **environment: str) -> Iterator[Container]:
        """A Keycloak of this image, that answers. Raises UserError if it does not."""
        container: Container = self.engine.containers.run(
            image,
            command=["start", "--optimized"],
            environment={
                "KC_DB_URL_HOST": f"{self.name}-db",
                "KC_DB_USERNAME": "keycloak",
                "KC_DB_PASSWORD": self.password,
                "KC_HTTP_ENABLED": "true",
                "KC_HOSTNAME_STRICT": "false",
                **environment,
            },
            ports={"8080/tcp": ("127.0.0.1", self.port)},
            mem_limit="1g",
            **self._place("server"),
        )
        try:
            deadline = time.monotonic() + SECONDS
            while not self._answers():
                if time.monotonic() > deadline:
                    raise UserError(f"{image} does not answer: {container.logs(tail=5)!r}", "Run the command again.")
                time.sleep(0.1)
            yield container
        finally:
            container.remove(force=True)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.origin}/keycloak/realms/master", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def keycloak_server(engine: docker.DockerClient, name: str, postgres: str) -> Iterator[KeycloakServer]:
    """A network with a database of this image, removed in the end with all that carries the name as a label."""
    engine.networks.create(name)
    try:
        yield KeycloakServer(engine, name, postgres)
    finally:
        for container in engine.containers.list(all=True, filters={"label": name}):
            container.remove(force=True, v=True)
        engine.networks.get(name).remove()
