"""Identity providers of realms for the `keycloak` stand-in.

As the official provider's resources of the same names behave (keycloak/terraform-provider-keycloak,
`provider/resource_keycloak_oidc_identity_provider.go` and `…_saml_identity_provider.go`).
"""

from __future__ import annotations

from typing import ClassVar

from offline.plugins.keycloak_admin import Admin, Entity, Field, Table, text_bool
from offline.plugins.resource import PluginError, Props, Resource


def _setting(name: str) -> Field:
    return Field(("config", name), absent="")


def _switch(name: str, *, absent: bool = False) -> Field:
    return text_bool("config", name, absent=absent)


class IdentityProvider(Entity):
    """What the providers of all protocols share."""

    provider_id: ClassVar[str]
    fields: ClassVar[Table] = {
        "alias": Field(("alias",)),
        "backchannelSupported": _switch("backchannelSupported"),
        "displayName": Field(("displayName",), absent=""),
        "enabled": Field(("enabled",)),
        "extraConfig": Field(("config",)),
        "firstBrokerLoginFlowAlias": Field(("firstBrokerLoginFlowAlias",)),
        "guiOrder": _setting("guiOrder"),
        "postBrokerLoginFlowAlias": Field(("postBrokerLoginFlowAlias",), absent=""),
        "storeToken": Field(("storeToken",)),
        "syncMode": _setting("syncMode"),
        "trustEmail": Field(("trustEmail",)),
        "validateSignature": _switch("validateSignature"),
    }
    replace = frozenset({"alias", "realm"})
    merged = frozenset({"config"})
    defaults = {"enabled": True, "storeToken": False, "trustEmail": False}  # noqa: RUF012

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realm']}/identity-provider/instances"

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "providerId": self.provider_id}

    def outputs(self, client: Admin, real: Props) -> Props:
        outputs = super().outputs(client, real)
        return {name: value for name, value in outputs.items() if name not in ("clientSecret", "extraConfig")}

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        client.call("POST", self.collection(inputs), self.body(inputs))
        return inputs["alias"], self.outputs(client, client.call("GET", self.item(inputs, inputs["alias"])))


class OpenIdProvider(IdentityProvider):
    """An OpenID Connect provider."""

    resource_type = "keycloak:oidc/identityProvider:IdentityProvider"
    args = "pulumi_keycloak.oidc:IdentityProviderArgs"
    provider_id = "oidc"
    fields: ClassVar[Table] = {
        **IdentityProvider.fields,
        "authorizationUrl": _setting("authorizationUrl"),
        "clientId": _setting("clientId"),
        "clientSecret": _setting("clientSecret"),
        "defaultScopes": _setting("defaultScope"),
        "disableUserInfo": _switch("disableUserInfo"),
        "issuer": _setting("issuer"),
        "jwksUrl": _setting("jwksUrl"),
        "tokenUrl": _setting("tokenUrl"),
    }
    implemented = frozenset(fields) | {"realm"}
    secret_outputs = frozenset({"clientSecret"})

    def body(self, inputs: Props) -> Props:
        body = super().body(inputs)
        body["config"]["useJwksUrl"] = str("jwksUrl" in inputs).lower()
        return body


NAME_ID_FORMATS = {
    "Email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "Persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "Transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "Unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
}


class SamlProvider(IdentityProvider):
    """A SAML 2.0 provider."""

    resource_type = "keycloak:saml/identityProvider:IdentityProvider"
    args = "pulumi_keycloak.saml:IdentityProviderArgs"
    provider_id = "saml"
    fields: ClassVar[Table] = {
        **IdentityProvider.fields,
        "entityId": _setting("entityId"),
        "nameIdPolicyFormat": Field(
            ("config", "nameIDPolicyFormat"),
            NAME_ID_FORMATS.__getitem__,
            {value: name for name, value in NAME_ID_FORMATS.items()}.get,
            "",
        ),
        "postBindingAuthnRequest": _switch("postBindingAuthnRequest"),
        "postBindingLogout": _switch("postBindingLogout"),
        "postBindingResponse": _switch("postBindingResponse"),
        "principalAttribute": _setting("principalAttribute"),
        "principalType": _setting("principalType"),
        "signingCertificate": _setting("signingCertificate"),
        "singleSignOnServiceUrl": _setting("singleSignOnServiceUrl"),
    }
    implemented = frozenset(fields) | {"realm"}


class AttributeToRoleIdentityMapper(Entity):
    """Gives a role to users whose claim, or SAML attribute, holds a value."""

    resource_type = "keycloak:index/attributeToRoleIdentityMapper:AttributeToRoleIdentityMapper"
    args = "pulumi_keycloak:AttributeToRoleIdentityMapperArgs"
    fields: ClassVar[Table] = {
        "attributeName": Field(("config", "attribute.name")),
        "attributeValue": Field(("config", "attribute.value")),
        "claimName": Field(("config", "claim")),
        "claimValue": Field(("config", "claim.value")),
        "extraConfig": Field(("config",)),
        "name": Field(("name",)),
        "role": Field(("config", "role")),
    }
    implemented = frozenset(fields) | {"identityProviderAlias", "realm"}
    replace = frozenset({"identityProviderAlias", "name", "realm"})
    merged = frozenset({"config"})
    autoname = "name"

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realm']}/identity-provider/instances/{inputs['identityProviderAlias']}/mappers"

    def body(self, inputs: Props) -> Props:
        return {
            **super().body(inputs),
            "identityProviderAlias": inputs["identityProviderAlias"],
            "identityProviderMapper": f"{'oidc' if 'claimName' in inputs else 'saml'}-role-idp-mapper",
        }

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        provider = client.call(
            "GET", f"/{inputs['realm']}/identity-provider/instances/{inputs['identityProviderAlias']}"
        )
        needed = {"oidc": "claimName", "saml": "attributeName"}[provider["providerId"]]
        if needed not in inputs:
            raise PluginError(f"{needed} should be set for a provider of type {provider['providerId']}")
        return super().create(client, inputs)

    def outputs(self, client: Admin, real: Props) -> Props:
        return {name: value for name, value in super().outputs(client, real).items() if name != "extraConfig"}


RESOURCES: tuple[Resource[Admin], ...] = (OpenIdProvider(), SamlProvider(), AttributeToRoleIdentityMapper())
