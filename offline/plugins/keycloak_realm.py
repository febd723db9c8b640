"""The realm and its settings for the `keycloak` stand-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from offline.plugins.duration import is_duration
from offline.plugins.keycloak_admin import Admin, Entity, Field, look_up, same, seconds
from offline.plugins.keycloak_flows import REALM_FLOWS
from offline.plugins.keycloak_realm_blocks import BRUTE_FORCE, HEADERS, POLICIES, block_drift, put_block
from offline.plugins.resource import Props

_PLAIN = [
    "adminPermissionsEnabled",
    "duplicateEmailsAllowed",
    "editUsernameAllowed",
    "enabled",
    "loginWithEmailAllowed",
    "oauth2DevicePollingInterval",
    "offlineSessionMaxLifespanEnabled",
    "organizationsEnabled",
    "realm",
    "refreshTokenMaxReuse",
    "registrationAllowed",
    "registrationEmailAsUsername",
    "rememberMe",
    "resetPasswordAllowed",
    "revokeRefreshToken",
    "sslRequired",
    "verifyEmail",
]
_TEXTS = [
    "accountTheme",
    "adminTheme",
    "defaultSignatureAlgorithm",
    "displayName",
    "displayNameHtml",
    "emailTheme",
    "loginTheme",
    "passwordPolicy",
]
_DURATIONS = [
    "accessCodeLifespan",
    "accessCodeLifespanLogin",
    "accessCodeLifespanUserAction",
    "accessTokenLifespan",
    "accessTokenLifespanForImplicitFlow",
    "actionTokenGeneratedByAdminLifespan",
    "actionTokenGeneratedByUserLifespan",
    "clientSessionIdleTimeout",
    "clientSessionMaxLifespan",
    "oauth2DeviceCodeLifespan",
    "offlineSessionIdleTimeout",
    "offlineSessionMaxLifespan",
    "ssoSessionIdleTimeout",
    "ssoSessionIdleTimeoutRememberMe",
    "ssoSessionMaxLifespan",
    "ssoSessionMaxLifespanRememberMe",
]

_SMTP = {
    "allowUtf8": "allowutf8",
    "envelopeFrom": "envelopeFrom",
    "from": "from",
    "fromDisplayName": "fromDisplayName",
    "host": "host",
    "port": "port",
    "replyTo": "replyTo",
    "replyToDisplayName": "replyToDisplayName",
    "ssl": "ssl",
    "starttls": "starttls",
}


class Realm(Entity):
    resource_type = "keycloak:index/realm:Realm"
    args = "pulumi_keycloak:RealmArgs"
    fields = {  # noqa: RUF012 # declared once, in the base class
        **{name: Field((name,)) for name in (*_PLAIN, *REALM_FLOWS)},
        **{name: Field((name,), absent="") for name in _TEXTS},
        **{name: seconds(name) for name in _DURATIONS},
        "attributes": Field(("attributes",)),
        "internalId": Field(("id",)),
        "userManagedAccess": Field(("userManagedAccessAllowed",)),
    }
    merged = frozenset({"attributes", "browserSecurityHeaders"})
    implemented = frozenset(fields) | {"internationalization", "securityDefenses", "smtpServer", *POLICIES}
    replace = frozenset({"internalId", "realm"})
    defaults = {  # noqa: RUF012
        "enabled": True,
        "offlineSessionMaxLifespanEnabled": False,
        "organizationsEnabled": False,
        "refreshTokenMaxReuse": 0,
        "revokeRefreshToken": False,
        "sslRequired": "external",
        "userManagedAccess": False,
    }
    autoname = "realm"
    secret_outputs = frozenset({"smtpServer"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        for name in _DURATIONS:
            if isinstance(inputs.get(name), str) and not is_duration(inputs[name]) and not _unknown(inputs[name]):
                yield name, "must be a duration such as 1m30s"
        if inputs["sslRequired"] not in ("none", "external", "all") and not _unknown(inputs["sslRequired"]):
            yield "sslRequired", "must be none, external or all"
        smtp = inputs.get("smtpServer")
        if isinstance(smtp, dict) and "auth" in smtp and "tokenAuth" in smtp:
            yield "smtpServer", "auth and tokenAuth exclude each other"

    def collection(self, inputs: Props) -> str:
        return ""

    def body(self, inputs: Props) -> Props:
        body = super().body(inputs)
        locales = inputs.get("internationalization")
        body["internationalizationEnabled"] = locales is not None
        body["supportedLocales"] = locales["supportedLocales"] if locales else []
        body["defaultLocale"] = locales["defaultLocale"] if locales else ""
        defenses = inputs.get("securityDefenses", {})
        body["bruteForceProtected"] = "bruteForceDetection" in defenses
        put_block(body, HEADERS, defenses.get("headers", {}))
        if "bruteForceDetection" in defenses:
            put_block(body, BRUTE_FORCE, defenses["bruteForceDetection"])
        for name, table in POLICIES.items():
            if name in inputs:
                put_block(body, table, inputs[name])
        body["smtpServer"] = _smtp(inputs["smtpServer"]) if "smtpServer" in inputs else {}
        return body

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        # The official plugin sends the flows that its state has: what another resource bound since is bound no more.
        kept = {name: state[name] for name in REALM_FLOWS if state.get(name)}
        return super().update(client, resource_id, state, {**kept, **inputs})

    def outputs(self, client: Admin, real: Props) -> Props:
        outputs = super().outputs(client, real)
        del outputs["attributes"]  # those that are not from here are Keycloak's own
        otp = {name: look_up(real, path) for name, (path, _) in POLICIES["otpPolicy"].items()}
        return {**outputs, "otpPolicy": {name: value for name, value in otp.items() if value is not None}}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        yield from super().drift(real, inputs)
        defenses = inputs.get("securityDefenses", {})
        shown = {}
        for name, table in (("headers", HEADERS), ("bruteForceDetection", BRUTE_FORCE)):
            if name in defenses:
                shown[name] = {**defenses[name], **block_drift(real, table, defenses[name])}
        if not real.get("bruteForceProtected"):
            shown.pop("bruteForceDetection", None)
        if shown != defenses:
            yield "securityDefenses", shown
        for name, table in POLICIES.items():
            if name in inputs and (changed := block_drift(real, table, inputs[name])):
                yield name, {**inputs[name], **changed}
        wanted, mail = self.body(inputs)["smtpServer"], real.get("smtpServer") or {}
        if not same(mail, {name: text for name, text in wanted.items() if name not in _MASKED}):
            yield "smtpServer", {here: mail[there] for here, there in _SMTP.items() if there in mail}
        locales = inputs.get("internationalization")
        if locales and not same(real, {key: self.body(inputs)[key] for key in ("supportedLocales", "defaultLocale")}):
            yield (
                "internationalization",
                {key: real.get(key) for key in ("supportedLocales", "defaultLocale")},
            )

    def finish(self, client: Admin, resource_id: str, inputs: Props) -> None:
        client.login()


# Keycloak never returns these.
_MASKED = frozenset({"password", "authTokenClientSecret"})


def _unknown(text: str) -> bool:
    from pulumi.runtime.rpc import UNKNOWN

    return text == UNKNOWN


def _smtp(given: Props) -> Props:
    body = {there: given[here] for here, there in _SMTP.items() if here in given}
    body = {name: ("true" if value else "false") if isinstance(value, bool) else value for name, value in body.items()}
    if "auth" in given:
        login = given["auth"]
        body |= {
            "auth": "true",
            "authType": "basic",
            "user": login["username"],
            "password": login["password"],
        }
    elif "tokenAuth" in given:
        login = given["tokenAuth"]
        body |= {"auth": "true", "authType": "token", "user": login["username"], "authTokenUrl": login["url"]}
        body |= {"authTokenClientId": login["clientId"], "authTokenClientSecret": login["clientSecret"]}
        body |= {"authTokenScope": login["scope"]}
    else:
        body["auth"] = "false"
    return body
