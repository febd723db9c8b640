"""Rules for the realm, its client and the addresses that Keycloak and browsers use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from policy.rule import (
    CLIENT,
    KEYCLOAK_PROVIDER,
    REALM,
    REALM_EVENTS,
    ROLE_MAPPER,
    USER_ROLES,
    AnyRule,
    Problem,
    Problems,
    Resource,
    Rule,
    StackRule,
    of_type,
    only,
)

LONG_PASSWORD = re.compile(r"\blength\((1[2-9]|[2-9]\d|\d{3,})\)")
VIEWER_CLIENT = "ohif_viewer"
CALLBACK = "/oauth2/callback"
TOKEN_SECONDS = 15 * 60
TYPED_NAME_EVENTS = frozenset({"LOGIN_ERROR", "RESET_PASSWORD_ERROR", "SEND_RESET_PASSWORD_ERROR"})
"""Keycloak stores the user name of these events as it was typed."""
LIFESPAN = re.compile(r"(\d+)h(\d+)m(\d+)s")


def seconds(lifespan: str) -> int:
    """Length of `1h30m0s`, the only form that the provider returns unchanged."""
    match = LIFESPAN.fullmatch(lifespan)
    if match is None:
        raise ValueError(lifespan)
    hours, minutes, rest = map(int, match.groups())
    return hours * 3600 + minutes * 60 + rest


def is_program(client: Resource) -> bool:
    """Whether a client is not the viewer's, which browsers use."""
    return client.inputs.get("clientId") != VIEWER_CLIENT


def redirect_uris_are_exact(client: Resource) -> Problems:
    if is_program(client):
        if client.inputs.get("validRedirectUris"):
            yield Problem("a program has redirect URIs", "leave valid_redirect_uris out")
        return
    redirects = list(client.inputs.get("validRedirectUris") or ())
    logouts = list(client.inputs.get("validPostLogoutRedirectUris") or ())
    for uri in [*redirects, *logouts]:
        if "*" in uri:
            yield Problem(f"redirect URI {uri} contains a wildcard", "list exact addresses")
    if len(redirects) != 1 or not redirects[0].endswith(CALLBACK):
        yield Problem(f"the redirect URIs are {redirects}", f"allow exactly one: the origin followed by {CALLBACK}")
    elif logouts != [redirects[0].removesuffix(CALLBACK) + "/"]:
        yield Problem(f"the redirect URIs after logout are {logouts}", "allow exactly one: the root of the same origin")
    if client.inputs.get("webOrigins"):
        yield Problem("the client allows cross-origin requests", "leave web_origins empty")


def client_is_confidential(client: Resource) -> Problems:
    if is_program(client):
        yield from program_has_one_flow(client)
        return
    if client.inputs.get("accessType") != "CONFIDENTIAL":
        yield Problem("the client has no secret", 'set access_type to "CONFIDENTIAL"')
    if client.inputs.get("pkceCodeChallengeMethod") != "S256":
        yield Problem("the client does not require PKCE", 'set pkce_code_challenge_method to "S256"')
    if client.inputs.get("standardFlowEnabled") is not True:
        yield Problem("the client has no authorization code flow", "set standard_flow_enabled to true")
    for flow in ("implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled"):
        if client.inputs.get(flow) is not False:
            yield Problem(f"the client allows another flow ({flow})", f"set {flow} to false")


def program_has_one_flow(client: Resource) -> Problems:
    for flow in ("standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled"):
        if client.inputs.get(flow) is not False:
            yield Problem(f"a program has a flow of browsers or of passwords ({flow})", f"set {flow} to false")
    own = client.inputs.get("serviceAccountsEnabled") is True
    if own == (client.inputs.get("oauth2DeviceAuthorizationGrantEnabled") is True):
        yield Problem(
            "a program gets tokens both for itself and for users, or none",
            "enable either service_accounts_enabled or oauth2_device_authorization_grant_enabled",
        )
    if own and client.inputs.get("accessType") != "CONFIDENTIAL":
        yield Problem("a program gets tokens without a secret", 'set access_type to "CONFIDENTIAL"')


def roles_are_in_token(mapper: Resource) -> Problems:
    if mapper.inputs.get("multivalued") is not True:
        yield Problem("only one role of a user gets into the token", "set multivalued to true")


def lifespans_fit(realm: Resource) -> Problems:
    names = ("accessTokenLifespan", "ssoSessionIdleTimeout", "ssoSessionMaxLifespan")
    try:
        token, idle, most = (seconds(realm.inputs.get(name) or "") for name in names)
    except ValueError as error:
        yield Problem(f"the lifespan {error} is not in the provider's own form", "write it as 0h5m0s")
        return
    if token > TOKEN_SECONDS:
        yield Problem("a removed role stays valid for more than 15 minutes", "lower ohif:accessTokenLife")
    if not token < idle <= most:
        yield Problem(
            "access token, idle and maximum lifespan of a session do not fit",
            "keep ohif:accessTokenLife < ohif:sessionIdle <= ohif:sessionMax",
        )


def brute_force_is_limited(realm: Resource) -> Problems:
    defence = ((realm.inputs.get("securityDefenses") or {}).get("bruteForceDetection")) or {}
    if not (
        0 < (defence.get("maxLoginFailures") or 0) <= 10
        and (defence.get("waitIncrementSeconds") or 0) >= 60
        and 0 < (defence.get("maxFailureWaitSeconds") or 0) <= 15 * 60
    ):
        yield Problem(
            "brute-force detection is too weak, or locks users out for too long",
            "use at most 10 failures, steps of at least 60 seconds and waits of at most 15 minutes",
        )
    if defence.get("quickLoginCheckMilliSeconds") != 0 or defence.get("minimumQuickLoginWaitSeconds") != 0:
        yield Problem(
            "two wrong passwords in quick succession lock a user out",
            "set quick_login_check_milli_seconds and minimum_quick_login_wait_seconds to 0",
        )
    if defence.get("permanentLockout"):
        yield Problem("an attacker can lock users out for good", "leave permanent_lockout out")


def realm_is_closed(realm: Resource) -> Problems:
    for switch in ("registrationAllowed", "rememberMe", "editUsernameAllowed"):
        if realm.inputs.get(switch) is not False:
            yield Problem(f"the realm allows {switch}", f"set {switch} to false")
    if realm.inputs.get("resetPasswordAllowed") and not realm.inputs.get("smtpServer"):
        yield Problem(
            '"forgot password" is offered without a mail server',
            "set reset_password_allowed to true only if smtp_server is set",
        )
    if not LONG_PASSWORD.search(realm.inputs.get("passwordPolicy") or ""):
        yield Problem("short passwords are allowed", "put length(12) or more into password_policy")


def pages_are_not_framed(realm: Resource) -> Problems:
    headers = ((realm.inputs.get("securityDefenses") or {}).get("headers")) or {}
    if not (
        "frame-ancestors 'self'" in (headers.get("contentSecurityPolicy") or "")
        and headers.get("xFrameOptions") == "SAMEORIGIN"
        and headers.get("xContentTypeOptions") == "nosniff"
    ):
        yield Problem(
            "other sites can frame Keycloak's pages",
            "set frame-ancestors 'self', X-Frame-Options SAMEORIGIN and X-Content-Type-Options nosniff",
        )


def events_are_recorded(events: Resource) -> Problems:
    if not (
        events.inputs.get("eventsEnabled") is True
        and events.inputs.get("adminEventsEnabled") is True
        and "jboss-logging" in list(events.inputs.get("eventsListeners") or ())
    ):
        yield Problem(
            "logins or administrative changes are not recorded",
            "enable events and admin events with the listener jboss-logging",
        )
    types = set(events.inputs.get("enabledEventTypes") or ())
    if not types or types & TYPED_NAME_EVENTS:
        yield Problem(
            "events with a typed user name are stored, which may be a password",
            f"list enabled_event_types without {', '.join(sorted(TYPED_NAME_EVENTS))}",
        )
    if events.inputs.get("adminEventsDetailsEnabled"):
        yield Problem(
            "details of changes to a user, which are personal data, are recorded",
            "leave admin_events_details_enabled out",
        )


def default_roles_are_kept(roles: Resource) -> Problems:
    if roles.inputs.get("exhaustive") is not False:
        yield Problem("Keycloak's own default roles would be removed from the user", "set exhaustive to false")


def addresses_share_origin(resources: Sequence[Resource]) -> Problems:
    """With HTTPS no address may remain HTTP: the Keycloak provider's URL is the origin that browsers use."""
    provider, realm = (only(resources, token) for token in (KEYCLOAK_PROVIDER, REALM))
    if provider is None or "url" not in set(provider.inputs):
        return
    origin = str(provider.inputs["url"]).rstrip("/")
    https = urlsplit(origin).scheme == "https"
    for client in of_type(resources, CLIENT):
        for key in ("validRedirectUris", "validPostLogoutRedirectUris"):
            for uri in client.inputs.get(key) or ():
                if not f"{uri}/".startswith(f"{origin}/"):
                    yield Problem(f"redirect URI {uri} is not below {origin}", "use the public origin", client.urn)
    if realm is not None:
        expected = "external" if https else "none"
        if "sslRequired" in set(realm.inputs) and realm.inputs["sslRequired"] != expected:
            yield Problem(
                f"the realm requires HTTPS for {realm.inputs['sslRequired']!r}, and its address is {origin}",
                f'set ssl_required to "{expected}"',
                realm.urn,
            )


RULES: tuple[AnyRule, ...] = (
    Rule("redirect-uris", "Redirect URIs are exact, and all of one origin.", (CLIENT,), redirect_uris_are_exact),
    Rule(
        "client",
        "A client has one flow; the viewer's is confidential and uses PKCE.",
        (CLIENT,),
        client_is_confidential,
    ),
    Rule("token-roles", "All roles of a user are in the token.", (ROLE_MAPPER,), roles_are_in_token),
    Rule("lifespans", "Lifespans of token and session fit.", (REALM,), lifespans_fit),
    Rule("brute-force", "Guessing passwords is limited, without permanent lockout.", (REALM,), brute_force_is_limited),
    Rule("realm-closed", "Only administrators create users; passwords are long.", (REALM,), realm_is_closed),
    Rule("framing", "Other sites cannot frame Keycloak's pages.", (REALM,), pages_are_not_framed),
    Rule("audit", "Logins and changes are recorded.", (REALM_EVENTS,), events_are_recorded),
    Rule("default-roles", "Keycloak's default roles are kept.", (USER_ROLES,), default_roles_are_kept),
    StackRule("origin", "All addresses share one origin; HTTPS is required if it has it.", addresses_share_origin),
)
