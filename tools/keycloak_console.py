"""Keycloak's admin API with the console's user, as the tools use it on a running stack."""

from __future__ import annotations

import os

from keycloak import KeycloakAdmin

from components.keycloak.server import REALM
from public_paths import KEYCLOAK_PATH
from settings import CONSOLE_USER

ADMIN_REALM = "master"


def console(origin: str, password: str, realm: str = REALM) -> KeycloakAdmin:
    """The admin API of a realm at `origin`. `password` is the console's. Nothing is sent before the first call."""
    return KeycloakAdmin(
        server_url=f"{origin}{KEYCLOAK_PATH}/",
        username=CONSOLE_USER,
        password=password,
        user_realm_name=ADMIN_REALM,
        realm_name=realm,
        # A private authority's certificate, as other programs take it.
        verify=os.environ.get("SSL_CERT_FILE") or True,
    )
