"""Stand-in for the resource plugin `keycloak`, through python-keycloak; here: roles and users."""

from __future__ import annotations

from collections.abc import Iterable

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.keycloak_admin import Admin, Entity, Field, NotFoundError, multivalued
from offline.plugins.provider import StandIn
from offline.plugins.resource import Found, PluginError, Props, Resource
from offline.plugins.wire import serve


class Role(Entity):
    resource_type = "keycloak:index/role:Role"
    args = "pulumi_keycloak:RoleArgs"
    fields = {  # noqa: RUF012 # declared once, in the base class
        "attributes": multivalued("attributes"),
        "description": Field(("description",), absent=""),
        "name": Field(("name",)),
    }
    implemented = frozenset(fields) | {"clientId", "compositeRoles", "realmId"}
    replace = frozenset({"clientId", "realmId"})
    autoname = "name"

    def collection(self, inputs: Props) -> str:
        owner = f"/clients/{inputs['clientId']}" if inputs.get("clientId") else ""
        return f"/{inputs['realmId']}{owner}/roles"

    def item(self, inputs: Props, resource_id: str) -> str:
        return f"/{inputs['realmId']}/roles-by-id/{resource_id}"

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        client.call("POST", self.collection(inputs), self.body(inputs))
        created = client.call("GET", f"{self.collection(inputs)}/{inputs['name']}")["id"]
        # A new role takes its attributes by update only.
        return created, self.update(client, created, {}, inputs)

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        found = super().read(client, resource_id, inputs, state)
        if found is not None and "compositeRoles" in inputs:
            real = sorted(self._parts(client, inputs, resource_id))
            if real != sorted(inputs["compositeRoles"]):
                found.drift["compositeRoles"] = real
        return found

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        outputs = super().update(client, resource_id, state, inputs)
        wanted, real = set(inputs.get("compositeRoles", [])), self._parts(client, inputs, resource_id)
        path = f"{self.item(inputs, resource_id)}/composites"
        if wanted - real:
            client.call("POST", path, [{"id": role} for role in sorted(wanted - real)])
        if real - wanted:
            client.call("DELETE", path, [{"id": role} for role in sorted(real - wanted)])
        return outputs

    def _parts(self, client: Admin, inputs: Props, resource_id: str) -> set[str]:
        return {role["id"] for role in client.call("GET", f"{self.item(inputs, resource_id)}/composites")}


class User(Entity):
    resource_type = "keycloak:index/user:User"
    args = "pulumi_keycloak:UserArgs"
    fields = {  # noqa: RUF012
        "attributes": multivalued("attributes"),
        "email": Field(("email",), absent=""),
        "emailVerified": Field(("emailVerified",)),
        "enabled": Field(("enabled",)),
        "firstName": Field(("firstName",), absent=""),
        "lastName": Field(("lastName",), absent=""),
        "requiredActions": Field(("requiredActions",), absent=[]),
        "username": Field(("username",)),
    }
    implemented = frozenset(fields) | {"initialPassword", "realmId"}
    replace = frozenset({"realmId", "username"})
    defaults = {"emailVerified": False, "enabled": True}  # noqa: RUF012
    creation_only = frozenset({"initialPassword"})
    secret_outputs = frozenset({"initialPassword"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        name = inputs["username"]
        if name != UNKNOWN and name != name.lower():
            yield "username", "must be in lower case: Keycloak keeps it so"

    def collection(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/users"

    def finish(self, client: Admin, resource_id: str, inputs: Props) -> None:
        if "initialPassword" not in inputs:
            return
        given = inputs["initialPassword"]
        secret = {"type": "password", "value": given["value"], "temporary": given.get("temporary", False)}
        try:
            client.call("PUT", f"{self.item(inputs, resource_id)}/reset-password", secret)
        except PluginError:
            # A user whose password the realm's policy refuses would be in the way of the next try.
            client.call("DELETE", self.item(inputs, resource_id))
            raise


def _role(client: Admin, realm: str, role_id: str) -> Props:
    role: Props = client.call("GET", f"/{realm}/roles-by-id/{role_id}")
    return role


class UserRoles(Resource[Admin]):
    resource_type = "keycloak:index/userRoles:UserRoles"
    args = "pulumi_keycloak:UserRolesArgs"
    implemented = frozenset({"exhaustive", "realmId", "roleIds", "userId"})
    replace = frozenset({"realmId", "userId"})
    defaults = {"exhaustive": True}  # noqa: RUF012

    def _path(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/users/{inputs['userId']}/role-mappings"

    def _real(self, client: Admin, inputs: Props) -> dict[str, Props]:
        given = client.call("GET", self._path(inputs))
        roles = list(given.get("realmMappings", []))
        for mapping in given.get("clientMappings", {}).values():
            roles += mapping["mappings"]
        return {role["id"]: role for role in roles}

    def _send(self, client: Admin, method: str, inputs: Props, roles: Iterable[Props]) -> None:
        for role in roles:
            where = f"clients/{role['containerId']}" if role.get("clientRole") else "realm"
            client.call(method, f"{self._path(inputs)}/{where}", [role])

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        real, wanted = self._real(client, inputs), set(inputs["roleIds"])
        missing = [_role(client, inputs["realmId"], role) for role in sorted(wanted - real.keys())]
        self._send(client, "POST", inputs, missing)
        if inputs["exhaustive"]:
            self._send(client, "DELETE", inputs, [role for key, role in real.items() if key not in wanted])
        return f"{inputs['realmId']}/{inputs['userId']}", {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        removed = set(state["roleIds"]) - set(inputs["roleIds"])
        real = self._real(client, inputs)
        self._send(client, "DELETE", inputs, [real[role] for role in removed & real.keys()])
        return self.create(client, inputs)[1]

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = self._real(client, inputs).keys()
        except NotFoundError:
            return None
        seen = real if inputs["exhaustive"] else real & set(inputs["roleIds"])
        return Found(drift={} if seen == set(inputs["roleIds"]) else {"roleIds": sorted(seen)})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            real = self._real(client, state)
            self._send(client, "DELETE", state, [real[role] for role in set(state["roleIds"]) & real.keys()])
        except NotFoundError:
            return


class DefaultRoles(Resource[Admin]):
    resource_type = "keycloak:index/defaultRoles:DefaultRoles"
    args = "pulumi_keycloak:DefaultRolesArgs"
    implemented = frozenset({"defaultRoles", "realmId"})
    replace = frozenset({"realmId"})

    def _path(self, client: Admin, inputs: Props) -> str:
        realm = inputs["realmId"]
        return f"/{realm}/roles-by-id/{client.call('GET', f'/{realm}')['defaultRole']['id']}/composites"

    def _name(self, client: Admin, inputs: Props, role: Props) -> str:
        """Client roles are named `client/role`."""
        if not role["clientRole"]:
            return str(role["name"])
        owner = client.call("GET", f"/{inputs['realmId']}/clients/{role['containerId']}")
        return f"{owner['clientId']}/{role['name']}"

    def _find(self, client: Admin, inputs: Props, name: str) -> Props:
        realm, (owner, _, role) = inputs["realmId"], name.rpartition("/")
        path = f"/{realm}"
        if owner:
            found = client.call("GET", f"/{realm}/clients", clientId=owner)
            if not found:
                raise PluginError(f"defaultRoles: the realm has no client {owner}")
            path += f"/clients/{found[0]['id']}"
        found_role: Props = client.call("GET", f"{path}/roles/{role}")
        return found_role

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        path, wanted = self._path(client, inputs), set(inputs["defaultRoles"])
        real = {self._name(client, inputs, role): role for role in client.call("GET", path)}
        if wanted - real.keys():
            client.call("POST", path, [self._find(client, inputs, name) for name in sorted(wanted - real.keys())])
        if real.keys() - wanted:
            client.call("DELETE", path, [real[name] for name in sorted(real.keys() - wanted)])
        return f"{inputs['realmId']}/default-roles", {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = {self._name(client, inputs, role) for role in client.call("GET", self._path(client, inputs))}
        except NotFoundError:
            return None
        return Found(drift={} if real == set(inputs["defaultRoles"]) else {"defaultRoles": sorted(real)})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            path, mine = self._path(client, state), set(state["defaultRoles"])
            real = client.call("GET", path)
            client.call("DELETE", path, [role for role in real if self._name(client, state, role) in mine])
        except NotFoundError:
            return


def plugin() -> StandIn[Admin]:
    from offline.plugins import (
        keycloak_client,
        keycloak_directory,
        keycloak_flows,
        keycloak_mappers,
        keycloak_providers,
        keycloak_realm,
        keycloak_settings,
    )

    realm = (keycloak_realm.Realm(), *keycloak_settings.RESOURCES)
    own = (Role(), User(), UserRoles(), DefaultRoles())
    return StandIn(
        "keycloak",
        [
            *realm,
            *own,
            *keycloak_client.RESOURCES,
            *keycloak_mappers.RESOURCES,
            *keycloak_flows.RESOURCES,
            *keycloak_directory.RESOURCES,
            *keycloak_providers.RESOURCES,
        ],
        Admin,
        config=frozenset(
            {"additionalHeaders", "basePath", "clientId", "clientSecret", "clientTimeout", "initialLogin"}
            | {"password", "realm", "rootCaCertificate", "tlsInsecureSkipVerify", "url", "username"}
        ),
    )


if __name__ == "__main__":
    serve(plugin())
