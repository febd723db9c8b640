"""The database of the Keycloak that the guide names, under the one of today, and the way back."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container

from offline.images import build
from tests.e2e.harness import state_environment, wait_until
from tools.keycloak_console import console

pytestmark = pytest.mark.skipif("OHIF_IMAGES" not in state_environment(), reason="the old image is built here")

NAME = "ohif-test-old-keycloak"
ORIGIN = "http://127.0.0.1:8495"
OLD = "24.0.5"
"""OHIF's recipe "User Account Control" has it."""
PASSWORD = "radium-88-226-1898"
REALM: dict[str, Any] = {
    "realm": "ohif",
    "enabled": True,
    "roles": {"realm": [{"name": "viewer"}, {"name": "pacsadmin"}]},
    "clients": [{"clientId": "ohif_viewer", "publicClient": True, "directAccessGrantsEnabled": True}],
    "users": [
        {
            "username": "curie",
            "enabled": True,
            "email": "curie@example.org",
            "firstName": "Marie",
            "lastName": "Curie",
            "credentials": [{"type": "password", "value": PASSWORD}],
            "realmRoles": ["viewer"],
        }
    ],
}


class Server:
    """A database, and one Keycloak at a time on it."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine
        self.password = secrets.token_urlsafe(16)
        self.database: Container = engine.containers.run(
            build.name_of("postgres"),
            environment={"POSTGRES_USER": "keycloak", "POSTGRES_PASSWORD": self.password},
            **self._place("db"),
        )

    @staticmethod
    def _place(thing: str) -> dict[str, Any]:
        return {"name": f"{NAME}-{thing}", "network": NAME, "detach": True, "labels": {NAME: ""}}

    @contextmanager
    def keycloak(self, key: str) -> Iterator[None]:
        """A Keycloak of this image, that answers."""
        container = self.engine.containers.run(
            build.name_of(key),
            command=["start", "--optimized"],
            environment={
                "KC_DB_URL_HOST": f"{NAME}-db",
                "KC_DB_USERNAME": "keycloak",
                "KC_DB_PASSWORD": self.password,
                "KC_HTTP_ENABLED": "true",
                "KC_HOSTNAME_STRICT": "false",
                # Before version 26.
                "KEYCLOAK_ADMIN": "admin",
                "KEYCLOAK_ADMIN_PASSWORD": self.password,
            },
            ports={"8080/tcp": ("127.0.0.1", 8495)},
            mem_limit="1g",
            **self._place("server"),
        )

        def answers() -> bool:
            try:
                return httpx.get(f"{ORIGIN}/keycloak/realms/master", timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        try:
            wait_until(answers, f"{key}: {container.logs(tail=5)!r}", 180)
            yield
        finally:
            container.remove(force=True)

    def version(self) -> str:
        """Of the Keycloak that runs."""
        found: str = console(ORIGIN, self.password, "master").get_server_info()["systemInfo"]["version"]
        return found

    def in_database(self, *command: str, standard_input: bytes | None = None) -> bytes:
        """What a client of PostgreSQL prints, next to the server."""
        run = ["docker", "exec", "--interactive", "--user", "999", self.database.id or "", *command]
        return subprocess.run(run, input=standard_input, capture_output=True, check=True).stdout


def roles_of(user: str) -> set[str]:
    """Roles in the token that a user's password gets."""
    asked = {"client_id": "ohif_viewer", "grant_type": "password", "username": user, "password": PASSWORD}
    token = httpx.post(f"{ORIGIN}/keycloak/realms/ohif/protocol/openid-connect/token", data=asked)
    assert token.status_code == 200, token.text
    claims = json.loads(base64.urlsafe_b64decode(token.json()["access_token"].split(".")[1] + "=="))
    return set(claims["realm_access"]["roles"])


@pytest.fixture
def server(engine: docker.DockerClient) -> Iterator[Server]:
    build.ensure_for_tests("upgrade")
    engine.networks.create(NAME)
    try:
        yield Server(engine)
    finally:
        for container in engine.containers.list(all=True, filters={"label": NAME}):
            container.remove(force=True, v=True)
        engine.networks.get(NAME).remove()


def test_users_of_the_guides_keycloak_sign_in_at_todays_and_after_the_way_back(server: Server) -> None:
    with server.keycloak("keycloak-24"):
        assert server.version() == OLD
        console(ORIGIN, server.password, "master").create_realm(REALM)
        assert "viewer" in roles_of("curie")
    dump = server.in_database("pg_dump", "--username=keycloak", "--format=custom", "keycloak")
    with server.keycloak("keycloak"):
        assert server.version().startswith("26.")
        assert "viewer" in roles_of("curie")
    restore = ("pg_restore", "--username=keycloak", "--clean", "--if-exists", "--dbname=keycloak")
    server.in_database("psql", "--username=keycloak", "--command", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    server.in_database(*restore, standard_input=dump)
    with server.keycloak("keycloak-24"):
        assert server.version() == OLD
        assert "viewer" in roles_of("curie")
