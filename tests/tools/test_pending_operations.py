"""Objects that a killed update left are removed, and no others."""

import json
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from bootstrap.console import UserError
from tools import pending_operations
from tools.preflight import Found

PROVIDER = {
    "type": "pulumi:providers:keycloak",
    "inputs": {
        "url": "http://127.0.0.1:8480",
        "basePath": "/keycloak",
        "clientId": "admin-cli",
        "username": "admin",
        "password": {pending_operations.SECRET_MARKER: "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"s3cret"'},
    },
}
DEPLOYMENT = {"resources": [PROVIDER]}


class Keycloak:
    """An admin API with one client and one user; it records deletions."""

    def __init__(self, password: str = "s3cret") -> None:
        self.deleted: list[str] = []
        self._password = password

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/keycloak/")
        if path.endswith("/token"):
            fits = f"password={self._password}".encode() in request.content
            return httpx.Response(200, json={"access_token": "t"}) if fits else httpx.Response(401)
        assert request.headers["Authorization"] == "Bearer t"
        if request.method == "DELETE":
            self.deleted.append(path)
            return httpx.Response(404 if "gone" in path else 204)
        lists: dict[str, Any] = {
            "admin/realms/ohif/users": [{"id": "u1", "username": "viewer"}],
            "admin/realms/ohif/clients": [{"id": "c1", "clientId": "ohif_viewer"}],
            "admin/realms/ohif/clients/c1/protocol-mappers/models": [
                {"id": "m1", "name": "audience"},
                {"id": "m2", "name": "another"},
            ],
        }
        return httpx.Response(200, json=lists[path]) if path in lists else httpx.Response(404)


@pytest.fixture
def keycloak(monkeypatch: pytest.MonkeyPatch) -> Keycloak:
    """A Keycloak in this process that receives all requests."""
    server = Keycloak()
    answer_from(server, monkeypatch)
    return server


def answer_from(server: Keycloak, monkeypatch: pytest.MonkeyPatch) -> None:
    real = httpx.Client

    def client(**arguments: Any) -> httpx.Client:
        return real(transport=httpx.MockTransport(server), **arguments)

    monkeypatch.setattr(httpx, "Client", client)


@pytest.mark.parametrize(
    ("kind", "inputs", "deleted"),
    [
        ("keycloak:index/realm:Realm", {"realm": "ohif"}, ["admin/realms/ohif"]),
        ("keycloak:index/role:Role", {"realmId": "ohif", "name": "viewer"}, ["admin/realms/ohif/roles/viewer"]),
        ("keycloak:index/user:User", {"realmId": "ohif", "username": "viewer"}, ["admin/realms/ohif/users/u1"]),
        ("keycloak:index/user:User", {"realmId": "ohif", "username": "nobody"}, []),
        ("keycloak:index/user:User", {"realmId": "absent", "username": "viewer"}, []),
        (
            "keycloak:openid/client:Client",
            {"realmId": "ohif", "clientId": "ohif_viewer"},
            ["admin/realms/ohif/clients/c1"],
        ),
        (
            "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper",
            {"realmId": "ohif", "clientId": "c1", "name": "audience"},
            ["admin/realms/ohif/clients/c1/protocol-mappers/models/m1"],
        ),
        ("keycloak:index/realmEvents:RealmEvents", {"realmId": "ohif"}, []),
    ],
)
def test_each_type_is_found_by_its_name(
    keycloak: Keycloak, kind: str, inputs: dict[str, str], deleted: list[str]
) -> None:
    pending_operations.remove_from_keycloak([{"type": kind, "inputs": inputs}], DEPLOYMENT)
    assert keycloak.deleted == deleted


def test_an_object_that_was_never_created_is_no_error(keycloak: Keycloak) -> None:
    pending_operations.remove_from_keycloak(
        [{"type": "keycloak:index/role:Role", "inputs": {"realmId": "ohif", "name": "gone"}}], DEPLOYMENT
    )
    assert keycloak.deleted == ["admin/realms/ohif/roles/gone"]


def test_a_rejected_request_is_an_error_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_from(Keycloak(password="other"), monkeypatch)
    with pytest.raises(UserError, match="401"):
        pending_operations.remove_from_keycloak([], DEPLOYMENT)


def test_only_pending_creations_count() -> None:
    realm = {"type": "keycloak:index/realm:Realm", "inputs": {}}
    deployment = {
        "pending_operations": [
            {"type": "creating", "resource": realm},
            {"type": "updating", "resource": {"type": "keycloak:index/role:Role"}},
            {"type": "creating", "resource": {"type": "docker:index/container:Container"}},
        ]
    }
    assert pending_operations.in_keycloak(deployment) == [realm]
    assert pending_operations.in_keycloak({}) == []


class Thing:
    """A container or network."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.removed = False

    def remove(self, **_: object) -> None:
        self.removed = True


def test_objects_in_the_state_and_all_volumes_are_kept() -> None:
    known, half, network, volume = Thing("k"), Thing("h"), Thing("n"), Thing("v")
    found = cast("Found", SimpleNamespace(containers=[known, half], networks=[network], volumes=[volume]))
    pending_operations.remove_from_engine(found, json.loads('{"resources": [{"id": "k"}, {"type": "component"}]}'))
    assert [thing.removed for thing in (known, half, network, volume)] == [False, True, True, False]
