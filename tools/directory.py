"""Whether Keycloak reaches the directory and can sign in there. Otherwise users would find out at their next login."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi_keycloak
from keycloak import KeycloakAdmin, KeycloakError

from bootstrap.console import UserError, print_error
from components.keycloak.server import REALM
from settings import CONSOLE_USER
from tools.keycloak_console import console
from tools.pulumi_run import Pulumi
from tools.stack_state import Deployment, resource_types, type_token

LDAP = type_token(pulumi_keycloak.ldap.UserFederation)
TESTS = ("testConnection", "testAuthentication")
SENT = ("connectionUrl", "authType", "bindDn", "bindCredential", "useTruststoreSpi", "connectionTimeout", "startTls")
REASONS: Mapping[str, str] = {
    "UnknownHost": "no DNS server that Keycloak asks knows its host",
    "NoRouteToHost": "no route leads to it",
    "ConnectionFailed": "it does not answer",
    "CommunicationError": "it does not answer",
    "SocketReset": "nothing listens at that port, or the connection is refused",
    "SSLHandshakeFailed": "its certificate is not trusted or is for another name (caCertificate)",
    "AuthenticationFailure": "it refuses bindDn with bindPassword",
}
"""Keycloak's error codes (org.keycloak.services.managers.LDAPServerCapabilitiesManager)."""


def check(pulumi: Pulumi, deployed: Deployment) -> None:
    """Say what is wrong with the stack's directory, if it has one. The stack works for all other users without it."""
    if LDAP not in resource_types(deployed):
        return
    outputs = json.loads(pulumi.output_of("stack", "output", "--json", "--show-secrets"))
    if found := problem(outputs["viewerUrl"].rstrip("/"), outputs["credentials"][CONSOLE_USER]):
        print_error(
            UserError(f"directory {found}", "Its users cannot sign in; the others can. Correct it, then run `make up`.")
        )


def problem(origin: str, password: str) -> str | None:
    """What is wrong between Keycloak and the directory; `None` if all is well. `password` is the console's."""
    try:
        return _asked(console(origin, password))
    except KeycloakError as error:
        return f"its connection could not be checked: {error}. Has the password of Keycloak's console changed?"


def _asked(admin: KeycloakAdmin) -> str | None:
    """Keycloak's own test of the connection, with the settings and the password that it has stored."""
    (found,) = admin.get_components({"type": "org.keycloak.storage.UserStorageProvider"})
    settings = {name: found["config"][name][0] for name in SENT}
    for action in TESTS:
        asked = {"action": action, "componentId": found["id"], **settings}
        answer = admin.connection.raw_post(f"admin/realms/{REALM}/testLDAPConnection", data=json.dumps(asked))
        if answer.status_code >= 400:
            code = str(answer.json().get("errorMessage"))
            return f"{settings['connectionUrl']}: {REASONS.get(code, code)}"
    return None
