"""Protocol mappers of clients and of client scopes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from offline.plugins.keycloak_admin import Admin, Entity, Field, Table, text_bool
from offline.plugins.resource import Props, Resource


class _Mapper(Entity):
    """A protocol mapper of a client or of a client scope."""

    kind: ClassVar[str]
    owners = frozenset({"clientId", "clientScopeId", "realmId"})
    merged = frozenset({"config"})
    replace = owners
    autoname = "name"

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if ("clientId" in inputs) == ("clientScopeId" in inputs):
            yield "clientId", "needs exactly one of clientId and clientScopeId"

    def collection(self, inputs: Props) -> str:
        key = "clientId" if "clientId" in inputs else "clientScopeId"
        owner = f"{'clients' if key == 'clientId' else 'client-scopes'}/{inputs[key]}"
        return f"/{inputs['realmId']}/{owner}/protocol-mappers/models"

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "protocol": "openid-connect", "protocolMapper": self.kind}


def _config(name: str) -> Field:
    return Field(("config", name))


_NAME = {"name": Field(("name",))}
_CLAIM = {"claimName": _config("claim.name")}
_CLAIM_TYPE = {"claimValueType": _config("jsonType.label")}
_TOKENS = {
    "addToAccessToken": text_bool("config", "access.token.claim", absent=True),
    "addToIdToken": text_bool("config", "id.token.claim", absent=True),
}
_USERINFO = {"addToUserinfo": text_bool("config", "userinfo.token.claim", absent=True)}
_INTROSPECTION = {"addToTokenIntrospection": text_bool("config", "introspection.token.claim", absent=True)}
_MULTIVALUED = {"multivalued": text_bool("config", "multivalued", absent=False)}
_IN_TOKENS = {"addToAccessToken": True, "addToIdToken": True}
_IN_ALL = {**_IN_TOKENS, "addToUserinfo": True}


class AudienceProtocolMapper(_Mapper):
    resource_type = "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper"
    args = "pulumi_keycloak.openid:AudienceProtocolMapperArgs"
    kind = "oidc-audience-mapper"
    fields: ClassVar[Table] = {
        **_NAME,
        **_TOKENS,
        **_INTROSPECTION,
        "includedClientAudience": _config("included.client.audience"),
        "includedCustomAudience": _config("included.custom.audience"),
    }
    implemented = frozenset(fields) | _Mapper.owners
    defaults = {**_IN_TOKENS, "addToTokenIntrospection": True}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        yield from super().validate(inputs)
        if ("includedClientAudience" in inputs) == ("includedCustomAudience" in inputs):
            yield "includedClientAudience", "needs exactly one of it and includedCustomAudience"


class UserRealmRoleProtocolMapper(_Mapper):
    resource_type = "keycloak:openid/userRealmRoleProtocolMapper:UserRealmRoleProtocolMapper"
    args = "pulumi_keycloak.openid:UserRealmRoleProtocolMapperArgs"
    kind = "oidc-usermodel-realm-role-mapper"
    fields: ClassVar[Table] = {
        **_NAME,
        **_CLAIM,
        **_CLAIM_TYPE,
        **_TOKENS,
        **_USERINFO,
        **_INTROSPECTION,
        **_MULTIVALUED,
        "realmRolePrefix": _config("usermodel.realmRoleMapping.rolePrefix"),
    }
    implemented = frozenset(fields) | _Mapper.owners
    defaults = {  # noqa: RUF012
        **_IN_ALL,
        "addToTokenIntrospection": True,
        "claimValueType": "String",
        "multivalued": False,
    }


RESOURCES: tuple[Resource[Admin], ...] = (
    AudienceProtocolMapper(),
    UserRealmRoleProtocolMapper(),
)
