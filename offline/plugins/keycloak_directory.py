"""Groups and LDAP directories for the `keycloak` stand-in.

As the official provider's resources of the same names behave (keycloak/terraform-provider-keycloak,
`keycloak/ldap_*.go`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from offline.plugins.duration import go_duration, nanoseconds
from offline.plugins.keycloak_admin import Admin, Entity, Field, NotFoundError, Table
from offline.plugins.resource import Found, Props, Resource

MILLISECOND = 10**6


class Group(Entity):
    resource_type = "keycloak:index/group:Group"
    args = "pulumi_keycloak:GroupArgs"
    fields: ClassVar[Table] = {"name": Field(("name",))}
    implemented = frozenset(fields) | {"realmId"}
    replace = frozenset({"realmId"})
    autoname = "name"

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/groups"


class GroupRoles(Resource[Admin]):
    """Realm roles of a group."""

    resource_type = "keycloak:index/groupRoles:GroupRoles"
    args = "pulumi_keycloak:GroupRolesArgs"
    implemented = frozenset({"exhaustive", "groupId", "realmId", "roleIds"})
    replace = frozenset({"groupId", "realmId"})
    defaults = {"exhaustive": True}  # noqa: RUF012

    def _path(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/groups/{inputs['groupId']}/role-mappings/realm"

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        real = {role["id"]: role for role in client.call("GET", self._path(inputs))}
        wanted = set(inputs["roleIds"])
        missing = [client.call("GET", f"/{inputs['realmId']}/roles-by-id/{it}") for it in wanted - real.keys()]
        if missing:
            client.call("POST", self._path(inputs), missing)
        if surplus := [role for key, role in real.items() if key not in wanted]:
            client.call("DELETE", self._path(inputs), surplus)
        return f"{inputs['realmId']}/{inputs['groupId']}", {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = sorted(role["id"] for role in client.call("GET", self._path(inputs)))
        except NotFoundError:
            return None
        return Found(drift={} if real == sorted(inputs["roleIds"]) else {"roleIds": real})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            self.create(client, {**state, "roleIds": []})
        except NotFoundError:
            return


def _value(
    name: str, encode: Callable[[Any], str] = str, decode: Callable[[str], Any] = str, absent: str | None = None
) -> Field:
    """A single value of a component's configuration, which is a map of names to lists."""
    return Field(
        ("config", name),
        lambda value: [encode(value)],
        lambda values: decode(values[0]) if values else None,
        None if absent is None else [absent],
    )


def _flag(name: str) -> Field:
    return _value(name, lambda value: str(value).lower(), lambda text: text == "true", "false")


def _joined(name: str, separator: str) -> Field:
    return _value(name, separator.join, lambda text: text.split(separator))


def _milliseconds(name: str) -> Field:
    return _value(
        name, lambda text: str(nanoseconds(text) // MILLISECOND), lambda text: go_duration(int(text) * MILLISECOND)
    )


class _Component(Entity):
    """A component of the realm: a user storage, or a mapper of one."""

    provider_id: ClassVar[str]
    provider_type: ClassVar[str]
    merged = frozenset({"config"})
    autoname = "name"

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/components"

    def parent(self, client: Admin, inputs: Props) -> str:
        raise NotImplementedError

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "providerId": self.provider_id, "providerType": self.provider_type}

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {**self.body(inputs), "parentId": self.parent(client, inputs)}
        created = client.call("POST", self.collection(inputs), body)
        return created, self.outputs(client, client.call("GET", self.item(inputs, created)))


class UserFederation(_Component):
    resource_type = "keycloak:ldap/userFederation:UserFederation"
    args = "pulumi_keycloak.ldap:UserFederationArgs"
    provider_id = "ldap"
    provider_type = "org.keycloak.storage.UserStorageProvider"
    fields: ClassVar[Table] = {
        "name": Field(("name",)),
        "bindCredential": _value("bindCredential"),
        "bindDn": _value("bindDn"),
        "cache": Field(
            ("config",),
            lambda given: {
                "cachePolicy": [given["policy"]],
                "maxLifespan": [str(nanoseconds(given["maxLifespan"]) // MILLISECOND)],
            },
            lambda real: {
                "policy": real["cachePolicy"][0],
                "maxLifespan": go_duration(int(real["maxLifespan"][0]) * MILLISECOND),
            },
        ),
        "connectionTimeout": _milliseconds("connectionTimeout"),
        "connectionUrl": _value("connectionUrl"),
        "customUserSearchFilter": _value("customUserSearchFilter"),
        "editMode": _value("editMode"),
        "enabled": _flag("enabled"),
        "fullSyncPeriod": _value("fullSyncPeriod", decode=int),
        "importEnabled": _flag("importEnabled"),
        "pagination": _flag("pagination"),
        "rdnLdapAttribute": _value("rdnLDAPAttribute"),
        "readTimeout": _milliseconds("readTimeout"),
        "searchScope": _value(
            "searchScope",
            lambda scope: "1" if scope == "ONE_LEVEL" else "2",
            lambda text: "ONE_LEVEL" if text == "1" else "SUBTREE",
        ),
        "startTls": _flag("startTls"),
        "syncRegistrations": _flag("syncRegistrations"),
        "trustEmail": _flag("trustEmail"),
        "useTruststoreSpi": _value("useTruststoreSpi", str.lower, str.upper),
        "userObjectClasses": _joined("userObjectClasses", ", "),
        "usernameLdapAttribute": _value("usernameLDAPAttribute"),
        "usersDn": _value("usersDn"),
        "uuidLdapAttribute": _value("uuidLDAPAttribute"),
        "vendor": _value("vendor", str.lower, str.upper),
    }
    implemented = frozenset(fields) | {"realmId"}
    replace = frozenset({"realmId"})
    defaults = {"enabled": True, "importEnabled": True, "pagination": True, "editMode": "READ_ONLY"}  # noqa: RUF012
    secret_outputs = frozenset({"bindCredential"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if ("bindDn" in inputs) != ("bindCredential" in inputs):
            yield "bindDn", "authentication requires both bindDn and bindCredential"
        if inputs.get("cache") and set(inputs["cache"]) != {"policy", "maxLifespan"}:
            yield "cache", "the stand-in takes policy with maxLifespan"

    def parent(self, client: Admin, inputs: Props) -> str:
        return str(client.call("GET", f"/{inputs['realmId']}")["id"])

    def body(self, inputs: Props) -> Props:
        body = super().body(inputs)
        body["config"] |= {"authType": ["simple" if "bindDn" in inputs else "none"], "changedSyncPeriod": ["-1"]}
        if "customUserSearchFilter" not in inputs:
            body["config"]["customUserSearchFilter"] = []
        return body

    def outputs(self, client: Admin, real: Props) -> Props:
        outputs = super().outputs(client, real)
        outputs.pop("bindCredential", None)
        return {name: value for name, value in outputs.items() if value is not None}


class GroupMapper(_Component):
    resource_type = "keycloak:ldap/groupMapper:GroupMapper"
    args = "pulumi_keycloak.ldap:GroupMapperArgs"
    provider_id = "group-ldap-mapper"
    provider_type = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"
    fields: ClassVar[Table] = {
        "name": Field(("name",)),
        "dropNonExistingGroupsDuringSync": _flag("drop.non.existing.groups.during.sync"),
        "groupNameLdapAttribute": _value("group.name.ldap.attribute"),
        "groupObjectClasses": _joined("group.object.classes", ", "),
        "groupsLdapFilter": _value("groups.ldap.filter"),
        "groupsPath": _value("groups.path"),
        "ignoreMissingGroups": _flag("ignore.missing.groups"),
        "ldapGroupsDn": _value("groups.dn"),
        "membershipAttributeType": _value("membership.attribute.type"),
        "membershipLdapAttribute": _value("membership.ldap.attribute"),
        "membershipUserLdapAttribute": _value("membership.user.ldap.attribute"),
        "mode": _value("mode"),
        "preserveGroupInheritance": _flag("preserve.group.inheritance"),
        "userRolesRetrieveStrategy": _value("user.roles.retrieve.strategy"),
    }
    implemented = frozenset(fields) | {"ldapUserFederationId", "realmId"}
    replace = frozenset({"ldapUserFederationId", "realmId"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs.get("preserveGroupInheritance") and inputs.get("ignoreMissingGroups"):
            yield "ignoreMissingGroups", "has no effect with preserveGroupInheritance"

    def parent(self, client: Admin, inputs: Props) -> str:
        return str(inputs["ldapUserFederationId"])


RESOURCES: tuple[Resource[Admin], ...] = (Group(), GroupRoles(), UserFederation(), GroupMapper())
