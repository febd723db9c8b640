"""The database of the Keycloak that the guide names, under the one of today, and the way back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import docker
import httpx
import pytest

from bench.keycloak_server import KeycloakServer, keycloak_server
from offline.images import build
from tests.e2e.harness import state_environment
from tools.container_exec import run
from tools.keycloak_console import console

pytestmark = pytest.mark.skipif("OHIF_IMAGES" not in state_environment(), reason="the old image is built here")

NAME = "ohif-test-old-keycloak"
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


def version(server: KeycloakServer) -> str:
    """Of the Keycloak that runs."""
    found: str = console(server.origin, server.password, "master").get_server_info()["systemInfo"]["version"]
    return found


def in_database(server: KeycloakServer, *command: str, standard_input: bytes | None = None) -> bytes:
    """What a client of PostgreSQL prints, next to the server."""
    answer = run(server.database, command, standard_input)
    assert answer.code == 0, answer.reason
    return answer.standard_output


def roles_of(server: KeycloakServer, user: str) -> set[str]:
    """Roles in the token that a user's password gets."""
    asked = {"client_id": "ohif_viewer", "grant_type": "password", "username": user, "password": PASSWORD}
    token = httpx.post(f"{server.origin}/keycloak/realms/ohif/protocol/openid-connect/token", data=asked)
    assert token.status_code == 200, token.text
    claims = json.loads(base64.urlsafe_b64decode(token.json()["access_token"].split(".")[1] + "=="))
    return set(claims["realm_access"]["roles"])


@pytest.fixture
def server(engine: docker.DockerClient) -> Iterator[KeycloakServer]:
    build.ensure_for_tests("upgrade")
    with keycloak_server(engine, NAME, build.name_of("postgres")) as made:
        yield made


def test_users_of_the_guides_keycloak_sign_in_at_todays_and_after_the_way_back(server: KeycloakServer) -> None:
    old = build.name_of("keycloak-24")
    # Before version 26.
    first_administrator = {"KEYCLOAK_ADMIN": "admin", "KEYCLOAK_ADMIN_PASSWORD": server.password}
    with server.running(old, **first_administrator):
        assert version(server) == OLD
        console(server.origin, server.password, "master").create_realm(REALM)
        assert "viewer" in roles_of(server, "curie")
    dump = in_database(server, "pg_dump", "--username=keycloak", "--format=custom", "keycloak")
    with server.running(build.name_of("keycloak")):
        assert version(server).startswith("26.")
        assert "viewer" in roles_of(server, "curie")
    empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    in_database(server, "psql", "--username=keycloak", "--set=ON_ERROR_STOP=1", "--command", empty)
    restore = ("pg_restore", "--username=keycloak", "--clean", "--if-exists", "--dbname=keycloak")
    in_database(server, *restore, standard_input=dump)
    with server.running(old):
        assert version(server) == OLD
        assert "viewer" in roles_of(server, "curie")
