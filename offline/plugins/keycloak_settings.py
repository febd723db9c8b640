"""Parts of the realm that are resources of their own, for the `keycloak` stand-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from offline.plugins.keycloak_admin import Admin, NotFoundError, same
from offline.plugins.resource import Found, Props, Resource


class Settings(Resource[Admin]):
    """A part of the realm that always exists: making it sets it, removing it sets it back."""

    def path(self, inputs: Props) -> str:
        raise NotImplementedError

    def body(self, inputs: Props) -> Props:
        raise NotImplementedError

    def name(self, inputs: Props) -> str:
        return str(inputs["realmId"])

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        client.call("PUT", self.path(inputs), self.body(inputs))
        return self.name(inputs), {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", self.path(inputs))
        except NotFoundError:
            return None
        return Found(drift=dict(self.drift(real, inputs)))

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        return ()

    def reset(self, client: Admin, state: Props) -> None:
        raise NotImplementedError

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            self.reset(client, state)
        except NotFoundError:
            return


class RealmEvents(Settings):
    resource_type = "keycloak:index/realmEvents:RealmEvents"
    args = "pulumi_keycloak:RealmEventsArgs"
    _keys = frozenset(
        {"adminEventsDetailsEnabled", "adminEventsEnabled", "enabledEventTypes", "eventsEnabled"}
        | {"eventsExpiration", "eventsListeners"}
    )
    implemented = _keys | {"realmId"}
    replace = frozenset({"realmId"})
    defaults = {  # noqa: RUF012
        "adminEventsDetailsEnabled": False,
        "adminEventsEnabled": False,
        "eventsEnabled": False,
    }

    def path(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/events/config"

    def body(self, inputs: Props) -> Props:
        return {name: inputs[name] for name in self._keys & inputs.keys()}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        for name in self._keys & inputs.keys():
            if not same(real.get(name), inputs[name]):
                yield name, real.get(name)

    def reset(self, client: Admin, state: Props) -> None:
        off = dict.fromkeys(self.defaults, False)
        empty = {"enabledEventTypes": [], "eventsExpiration": 0, "eventsListeners": ["jboss-logging"]}
        client.call("PUT", self.path(state), {**off, **empty})


class RequiredAction(Settings):
    resource_type = "keycloak:index/requiredAction:RequiredAction"
    args = "pulumi_keycloak:RequiredActionArgs"
    implemented = frozenset({"alias", "config", "defaultAction", "enabled", "name", "priority", "realmId"})
    defaults = {"defaultAction": False, "enabled": False}  # noqa: RUF012

    def _all(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/authentication"

    def path(self, inputs: Props) -> str:
        return f"{self._all(inputs)}/required-actions/{inputs['alias']}"

    def name(self, inputs: Props) -> str:
        return f"{inputs['realmId']}/{inputs['alias']}"

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        new = client.call("GET", f"{self._all(inputs)}/unregistered-required-actions")
        for action in new:
            if action["providerId"] == inputs["alias"]:
                client.call("POST", f"{self._all(inputs)}/register-required-action", action)
        real = client.call("GET", self.path(inputs))
        wanted = {key: inputs[key] for key in self.implemented - {"realmId"} & inputs.keys()}
        client.call("PUT", self.path(inputs), {**real, **wanted})
        real = client.call("GET", self.path(inputs))
        return self.name(inputs), {"name": real["name"], "priority": real["priority"]}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        for name in self.implemented - {"realmId"} & inputs.keys():
            if not same(real.get(name), inputs[name]):
                yield name, real.get(name)

    def reset(self, client: Admin, state: Props) -> None:
        client.call("DELETE", self.path(state))


class RealmUserProfile(Settings):
    resource_type = "keycloak:index/realmUserProfile:RealmUserProfile"
    args = "pulumi_keycloak:RealmUserProfileArgs"
    implemented = frozenset({"attributes", "groups", "realmId", "unmanagedAttributePolicy"})
    replace = frozenset({"realmId"})
    ordered = frozenset({"attributes"})
    refused = frozenset({"attributes.defaultValue"})

    def path(self, inputs: Props) -> str:
        return f"/{inputs['realmId']}/users/profile"

    def body(self, inputs: Props) -> Props:
        body: Props = {"attributes": [_attribute(given) for given in inputs.get("attributes", [])]}
        body["groups"] = inputs.get("groups", [])
        if inputs.get("unmanagedAttributePolicy", "DISABLED") != "DISABLED":
            body["unmanagedAttributePolicy"] = inputs["unmanagedAttributePolicy"]
        return body

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        for name in ("attributes", "groups"):
            wanted, there = self.body(inputs)[name], real.get(name) or []
            if name not in self.ordered:
                wanted, there = (sorted(entries, key=lambda entry: str(entry["name"])) for entries in (wanted, there))
            if len(wanted) != len(there) or not all(map(same, there, wanted)):
                yield name, [{"name": entry["name"]} for entry in there]

    def reset(self, client: Admin, state: Props) -> None:
        # An empty body brings Keycloak's own default profile back.
        client.call("PUT", self.path(state), None)


def _attribute(given: Props) -> Props:
    body: Props = {"name": given["name"], "multivalued": given.get("multiValued", False)}
    body |= {key: given[key] for key in ("annotations", "displayName", "group") if key in given}
    if "enabledWhenScopes" in given:
        body["selector"] = {"scopes": given["enabledWhenScopes"]}
    required = {"roles": given.get("requiredForRoles"), "scopes": given.get("requiredForScopes")}
    if any(required.values()):
        body["required"] = {key: names for key, names in required.items() if names}
    if "permissions" in given:
        body["permissions"] = {"view": given["permissions"]["views"], "edit": given["permissions"]["edits"]}
    body["validations"] = {check["name"]: check.get("config", {}) for check in given.get("validators", [])}
    return body


RESOURCES: tuple[Resource[Admin], ...] = (RealmEvents(), RequiredAction(), RealmUserProfile())
