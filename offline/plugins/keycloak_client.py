"""OpenID Connect clients for the `keycloak` stand-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.keycloak_admin import Admin, Entity, Field, text_bool
from offline.plugins.resource import Props, Resource

_ACCESS = {"PUBLIC": (True, False), "BEARER-ONLY": (False, True), "CONFIDENTIAL": (False, False)}
# Those that are not asked for are off, as with the official plugin.
_FLOWS = (
    "consentRequired",
    "directAccessGrantsEnabled",
    "implicitFlowEnabled",
    "serviceAccountsEnabled",
    "standardFlowEnabled",
)
_PLAIN = (
    "adminUrl",
    "alwaysDisplayInConsole",
    "baseUrl",
    "clientAuthenticatorType",
    "clientId",
    "description",
    "enabled",
    "fullScopeAllowed",
    "name",
    "rootUrl",
)


def _attribute(name: str, absent: Any = None) -> Field:
    return Field(("attributes", name), absent=absent)


def _flag(name: str, *, absent: bool = False) -> Field:
    return text_bool("attributes", name, absent=absent)


class Client(Entity):
    resource_type = "keycloak:openid/client:Client"
    args = "pulumi_keycloak.openid:ClientArgs"
    fields = {  # noqa: RUF012 # declared once, in the base class
        **{name: Field((name,), absent=False) for name in _FLOWS},
        **{name: Field((name,)) for name in _PLAIN},
        "accessTokenLifespan": _attribute("access.token.lifespan"),
        # Sent empty when not given: Keycloak then forgets the override.
        "authenticationFlowBindingOverrides": Field(
            ("authenticationFlowBindingOverrides",),
            lambda given: {"browser": given.get("browserId", ""), "direct_grant": given.get("directGrantId", "")},
            lambda real: {"browserId": real.get("browser", ""), "directGrantId": real.get("direct_grant", "")},
            {"browser": "", "direct_grant": ""},
        ),
        "allowRefreshTokenInStandardTokenExchange": _attribute(
            "standard.token.exchange.enableRefreshRequestedTokenType"
        ),
        "backchannelLogoutRevokeOfflineSessions": _flag("backchannel.logout.revoke.offline.tokens"),
        "backchannelLogoutSessionRequired": _flag("backchannel.logout.session.required", absent=True),
        "backchannelLogoutUrl": _attribute("backchannel.logout.url"),
        "clientOfflineSessionIdleTimeout": _attribute("client.offline.session.idle.timeout"),
        "clientOfflineSessionMaxLifespan": _attribute("client.offline.session.max.lifespan"),
        "clientSecret": Field(("secret",)),
        "clientSessionIdleTimeout": _attribute("client.session.idle.timeout"),
        "clientSessionMaxLifespan": _attribute("client.session.max.lifespan"),
        "consentScreenText": _attribute("consent.screen.text"),
        "displayOnConsentScreen": _flag("display.on.consent.screen"),
        "excludeIssuerFromAuthResponse": _flag("exclude.issuer.from.auth.response"),
        "excludeSessionStateFromAuthResponse": _flag("exclude.session.state.from.auth.response"),
        "extraConfig": Field(("attributes",)),
        "frontchannelLogoutEnabled": Field(("frontchannelLogout",), absent=False),
        "frontchannelLogoutUrl": _attribute("frontchannel.logout.url"),
        "loginTheme": _attribute("login_theme"),
        "oauth2DeviceAuthorizationGrantEnabled": _flag("oauth2.device.authorization.grant.enabled"),
        "oauth2DeviceCodeLifespan": _attribute("oauth2.device.code.lifespan"),
        "oauth2DevicePollingInterval": _attribute("oauth2.device.polling.interval"),
        "pkceCodeChallengeMethod": _attribute("pkce.code.challenge.method"),
        "requireDpopBoundTokens": _flag("dpop.bound.access.tokens"),
        "standardTokenExchangeEnabled": _flag("standard.token.exchange.enabled"),
        "useRefreshTokens": _flag("use.refresh.tokens", absent=True),
        "useRefreshTokensClientCredentials": _flag("client_credentials.use_refresh_token"),
        "validPostLogoutRedirectUris": Field(
            ("attributes", "post.logout.redirect.uris"), "##".join, lambda text: text.split("##")
        ),
        "validRedirectUris": Field(("redirectUris",), absent=[]),
        "webOrigins": Field(("webOrigins",), absent=[]),
    }
    merged = frozenset({"attributes"})
    blank = True
    implemented = frozenset(fields) | {"accessType", "realmId"}
    replace = frozenset({"realmId"})
    defaults = {  # noqa: RUF012
        "alwaysDisplayInConsole": False,
        "backchannelLogoutSessionRequired": True,
        "clientAuthenticatorType": "client-secret",
        "enabled": True,
        "fullScopeAllowed": True,
        "oauth2DeviceAuthorizationGrantEnabled": False,
        "standardTokenExchangeEnabled": False,
        "useRefreshTokens": True,
        "useRefreshTokensClientCredentials": False,
    }
    autoname = "clientId"
    secret_outputs = frozenset({"clientSecret"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs["accessType"] not in (*_ACCESS, UNKNOWN):
            yield "accessType", f"must be one of {', '.join(_ACCESS)}"
        if inputs.get("pkceCodeChallengeMethod", "") not in ("", "plain", "S256", UNKNOWN):
            yield "pkceCodeChallengeMethod", "must be empty, plain or S256"
        browser = inputs.get("standardFlowEnabled") or inputs.get("implicitFlowEnabled")
        if inputs.get("validRedirectUris") and not browser:
            yield (
                "validRedirectUris",
                "cannot be set when neither the standard nor the implicit flow is enabled",
            )
        if inputs.get("webOrigins") and not (browser or inputs.get("directAccessGrantsEnabled")):
            yield "webOrigins", "cannot be set when no flow of a browser or of passwords is enabled"
        if inputs.get("serviceAccountsEnabled") is True and inputs["accessType"] in ("PUBLIC", "BEARER-ONLY"):
            yield (
                "serviceAccountsEnabled",
                "only a client of accessType CONFIDENTIAL can have a service account",
            )

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/clients"

    def body(self, inputs: Props) -> Props:
        public, bearer_only = _ACCESS[inputs["accessType"]]
        return {
            **super().body(inputs),
            "publicClient": public,
            "bearerOnly": bearer_only,
            "protocol": "openid-connect",
        }

    def outputs(self, client: Admin, real: Props) -> Props:
        outputs = super().outputs(client, real)
        del outputs["extraConfig"]  # all attributes, most of them not from there
        if not any(real.get("authenticationFlowBindingOverrides", {}).values()):
            outputs.pop("authenticationFlowBindingOverrides", None)
        return {"clientSecret": "", **outputs, "resourceServerId": ""}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        yield from super().drift(real, inputs)
        public, bearer_only = real["publicClient"], real["bearerOnly"]
        kind = next(name for name, flags in _ACCESS.items() if flags == (public, bearer_only and not public))
        if kind != inputs["accessType"]:
            yield "accessType", kind

    def _with_account(self, client: Admin, resource_id: str, inputs: Props, outputs: Props) -> Props:
        account = ""
        if inputs.get("serviceAccountsEnabled"):
            account = client.call("GET", f"{self.item(inputs, resource_id)}/service-account-user")["id"]
        return {**outputs, "serviceAccountUserId": account}

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        created, outputs = super().create(client, inputs)
        return created, self._with_account(client, created, inputs, outputs)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        outputs = super().update(client, resource_id, state, inputs)
        return self._with_account(client, resource_id, inputs, outputs)


RESOURCES: tuple[Resource[Admin], ...] = (Client(),)
