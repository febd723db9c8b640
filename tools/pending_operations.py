"""Removal of the objects that a killed update left in the engine and in Keycloak.

Pulumi records an operation as pending before it starts. If the process is killed, Pulumi cannot know whether the object
exists; creating it again would conflict with an incomplete one. Only objects with a pending creation are removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from bootstrap.console import UserError
from tools.preflight import Found

SECRET_MARKER = "4dabf18193072939515e22adb298388d"  # noqa: S105 - Pulumi's key that marks a secret, not one
Deployment = Mapping[str, Any]


def creations(deployment: Deployment) -> list[Mapping[str, Any]]:
    """Resources whose creation was started and has no known result."""
    operations = deployment.get("pending_operations") or []
    return [operation["resource"] for operation in operations if operation["type"] == "creating"]


def remove_from_engine(found: Found, deployment: Deployment) -> None:
    """Remove containers and networks of the stack whose ids are not in its state.

    Volumes are kept: they may hold data, and creating an existing one is no error.
    """
    known = {resource.get("id") for resource in deployment.get("resources") or []}
    for container in found.containers:
        if container.id not in known:
            container.remove(force=True)
    for network in found.networks:
        if network.id not in known:
            network.remove()


def in_keycloak(deployment: Deployment) -> list[Mapping[str, Any]]:
    """The pending creations of Keycloak's objects."""
    return [resource for resource in creations(deployment) if resource["type"].startswith("keycloak:")]


def plain(value: Any) -> Any:
    """A value from an export with secrets shown."""
    if isinstance(value, dict) and SECRET_MARKER in value:
        return json.loads(value["plaintext"])
    return value


def remove_from_keycloak(resources: Iterable[Mapping[str, Any]], deployment: Deployment) -> None:
    """Delete these objects. `deployment` has its secrets shown, because its provider has the credentials.

    Raises UserError if Keycloak does not answer or rejects the request.
    """
    providers = [entry for entry in deployment["resources"] if entry["type"] == "pulumi:providers:keycloak"]
    inputs = {key: plain(value) for key, value in providers[0]["inputs"].items()}
    try:
        with httpx.Client(base_url=f"{inputs['url']}{inputs.get('basePath', '')}/", timeout=30) as client:
            answer = client.post(
                "realms/master/protocol/openid-connect/token",
                data={
                    "grant_type": "password",
                    "client_id": inputs["clientId"],
                    "username": inputs["username"],
                    "password": inputs["password"],
                },
            ).raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            for resource in resources:
                for path in _paths(client, resource["type"], resource["inputs"]):
                    deleted = client.delete(path)
                    if deleted.status_code != httpx.codes.NOT_FOUND:
                        deleted.raise_for_status()
    except httpx.HTTPError as error:
        raise UserError(
            f"Keycloak: objects of a killed update cannot be removed: {error}",
            "Check its log (docker logs of the keycloak container), then run the command again.",
        ) from error


def _paths(client: httpx.Client, kind: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Admin API paths of an object, found by its name; none if it does not exist."""
    if kind.endswith(":Realm"):
        yield f"admin/realms/{quote(inputs['realm'])}"
        return
    realm = f"admin/realms/{quote(inputs.get('realmId', ''))}"
    match kind.rpartition(":")[2]:
        case "Role":
            yield f"{realm}/roles/{quote(inputs['name'], safe='')}"
        case "User":
            query = {"username": inputs["username"], "exact": "true"}
            yield from _each(client, f"{realm}/users", query, "username", inputs["username"])
        case "Client":
            query = {"clientId": inputs["clientId"]}
            yield from _each(client, f"{realm}/clients", query, "clientId", inputs["clientId"])
        case name if name.endswith("ProtocolMapper"):
            mappers = f"{realm}/clients/{inputs['clientId']}/protocol-mappers/models"
            yield from _each(client, mappers, {}, "name", inputs["name"])
        case _:
            # Settings of an existing object; setting them twice is no conflict.
            return


def _each(client: httpx.Client, path: str, query: Mapping[str, str], field: str, value: str) -> Iterator[str]:
    answer = client.get(path, params=dict(query))
    if answer.status_code == httpx.codes.NOT_FOUND:
        return
    for entry in answer.raise_for_status().json():
        if entry.get(field) == value:
            yield f"{path}/{entry['id']}"
