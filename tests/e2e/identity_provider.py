"""A second Keycloak as somebody else's login provider, with HTTPS, in a container next to the stack."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx

from tests.certificates import Certificate, signed
from tests.e2e.containers import put

IMAGES = ("ohif-offline/keycloak:", "quay.io/keycloak/keycloak:")
HOST, PORT = "login.example.org", 8443
"""Where the stack's Keycloak reaches it."""
BROWSER_PORT = 8482
"""On loopback, for the browser."""
REALM = "hospital"
USERS: Mapping[str, Sequence[str]] = {
    "curie": ["radiologists"],
    "meitner": ["physicians"],
    "hahn": ["porters"],
    "viewer": ["radiologists"],
    "noether": ["radiologists"],
    "franck": ["porters"],
}
"""Groups by user. One has the name of a user of the stack's configuration."""


@dataclass(frozen=True)
class Callbacks:
    """Where the stack takes logins: by OpenID Connect, and as a SAML service provider with this entity id."""

    openid: str
    saml: str
    entity_id: str


@dataclass(frozen=True)
class IdentityProvider:
    """The provider, its users' password, and its certificate's authority."""

    http: httpx.Client
    password: str
    authority: Certificate

    @property
    def issuer(self) -> str:
        return f"https://127.0.0.1:{BROWSER_PORT}/realms/{REALM}"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One call of its admin API, below /admin/realms."""
        login = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self.password}
        token = self.http.post("/realms/master/protocol/openid-connect/token", data=login).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        answer = self.http.request(method, f"/admin/realms{path}", json=body, headers=headers).raise_for_status()
        return answer.json() if answer.content else None

    def saml_metadata(self) -> str:
        """As its administrators would send it."""
        return self.http.get(f"/realms/{REALM}/protocol/saml/descriptor").raise_for_status().text

    def leave(self, user: str, group: str) -> None:
        """Take a user out of a group."""
        (found,) = self.ask("GET", f"/{REALM}/users?username={user}&exact=true")
        (left,) = self.ask("GET", f"/{REALM}/groups?search={group}&exact=true")
        self.ask("DELETE", f"/{REALM}/users/{found['id']}/groups/{left['id']}")


def realm(password: str, callbacks: Callbacks, client_secret: str) -> dict[str, Any]:
    """The realm with its users, groups and the stack as a client of both protocols."""
    return {
        "realm": REALM,
        "enabled": True,
        "groups": [{"name": name} for name in sorted({group for groups in USERS.values() for group in groups})],
        "users": [
            {
                "username": name,
                "email": f"{name}@example.org",
                "firstName": name.title(),
                "lastName": "Example",
                "enabled": True,
                "groups": list(groups),
                "credentials": [{"type": "password", "value": password}],
            }
            for name, groups in USERS.items()
        ],
        "clients": [
            {
                "clientId": "pacs",
                "secret": client_secret,
                "redirectUris": [callbacks.openid],
                "protocolMappers": [
                    {
                        "name": "groups",
                        "protocol": "openid-connect",
                        "protocolMapper": "oidc-group-membership-mapper",
                        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
                    }
                ],
            },
            {
                "clientId": callbacks.entity_id,
                "protocol": "saml",
                "redirectUris": [callbacks.saml],
                "attributes": {
                    "saml.client.signature": "false",
                    "saml.server.signature": "true",
                    "saml_name_id_format": "username",
                },
                "protocolMappers": [
                    {
                        "name": "groups",
                        "protocol": "saml",
                        "protocolMapper": "saml-group-membership-mapper",
                        "config": {"attribute.name": "memberOf", "full.path": "false", "single": "true"},
                    }
                ],
            },
        ],
    }


@contextmanager
def identity_provider(
    engine: docker.DockerClient, network: str, callbacks: Callbacks, client_secret: str
) -> Iterator[IdentityProvider]:
    """The provider on one of the engine's networks; only the callbacks may be redirected to."""
    tags = [tag for image in engine.images.list() for tag in image.tags]
    image = next(tag for prefix in IMAGES for tag in tags if tag.startswith(prefix))
    authority, password = signed("the provider's authority", covers=()), secrets.token_urlsafe(18)
    server = signed(HOST, by=authority, covers=(HOST, "127.0.0.1"))
    container = engine.containers.create(
        image,
        ["start-dev", "--https-certificate-file=/tls/server.pem", "--https-certificate-key-file=/tls/server.key"],
        environment={
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
            "KC_HOSTNAME": f"https://127.0.0.1:{BROWSER_PORT}",
            "KC_HOSTNAME_BACKCHANNEL_DYNAMIC": "true",
            "KC_HTTP_RELATIVE_PATH": "/",
        },
        ports={f"{PORT}/tcp": ("127.0.0.1", BROWSER_PORT)},
        networking_config={network: engine.api.create_endpoint_config(aliases=[HOST])},
        network=network,
        mem_limit="1g",
    )
    trusted = ssl.create_default_context(cadata=authority.pem)
    try:
        put(container, {"tls/server.pem": server.pem, "tls/server.key": server.key_pem})
        container.start()
        with httpx.Client(base_url=f"https://127.0.0.1:{BROWSER_PORT}", verify=trusted, timeout=30) as http:
            made, until = IdentityProvider(http, password, authority), time.monotonic() + 180
            while not _answers(http):
                assert time.monotonic() < until, container.logs(tail=20).decode()
                time.sleep(1)
            made.ask("POST", "", realm(password, callbacks, client_secret))
            yield made
    finally:
        container.remove(force=True)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/realms/master").status_code == 200
    except httpx.TransportError:
        return False
