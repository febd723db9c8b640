"""Authentication flows, their executions and the realm's bindings for the `keycloak` stand-in.

As the official provider's resources of the same names behave (keycloak/terraform-provider-keycloak,
`provider/resource_keycloak_authentication_*.go`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.keycloak_admin import Admin, Entity, Field, NotFoundError, Table, same
from offline.plugins.provider import Found, Props, Resource

REALM_FLOWS: Mapping[str, str] = {
    "browserFlow": "browser",
    "registrationFlow": "registration",
    "directGrantFlow": "direct grant",
    "resetCredentialsFlow": "reset credentials",
    "clientAuthenticationFlow": "clients",
    "dockerAuthenticationFlow": "docker auth",
    "firstBrokerLoginFlow": "first broker login",
}
"""Flows that a realm binds, and those of a new realm: the official plugin sends these for what it does not know."""

_REQUIREMENTS = ("REQUIRED", "ALTERNATIVE", "OPTIONAL", "CONDITIONAL", "DISABLED", UNKNOWN)


def _wrong_requirement(inputs: Props) -> Iterable[tuple[str, str]]:
    if inputs.get("requirement") not in _REQUIREMENTS:
        yield "requirement", f"must be one of {', '.join(_REQUIREMENTS[:-1])}"


def _authentication(inputs: Props) -> str:
    return f"/{inputs['realmId']}/authentication"


class Flow(Entity):
    """A top-level flow; it starts empty."""

    resource_type = "keycloak:authentication/flow:Flow"
    args = "pulumi_keycloak.authentication:FlowArgs"
    fields: ClassVar[Table] = {
        "alias": Field(("alias",)),
        "description": Field(("description",), absent=""),
        "providerId": Field(("providerId",), absent="basic-flow"),
    }
    implemented = frozenset(fields) | {"realmId"}
    replace = frozenset({"realmId"})
    autoname = "alias"

    def collection(self, inputs: Props) -> str:
        return f"{_authentication(inputs)}/flows"

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "topLevel": True, "builtIn": False}


class Execution(Resource[Admin]):
    """A step of a flow. Without a priority the official plugin sends 0, and sees any other as a difference."""

    resource_type = "keycloak:authentication/execution:Execution"
    args = "pulumi_keycloak.authentication:ExecutionArgs"
    implemented = frozenset({"authenticator", "parentFlowAlias", "priority", "realmId", "requirement"})
    replace = frozenset({"authenticator", "parentFlowAlias", "realmId"})
    defaults = {"requirement": "DISABLED"}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        yield from _wrong_requirement(inputs)

    def _of_flow(self, inputs: Props) -> str:
        return f"{_authentication(inputs)}/flows/{inputs['parentFlowAlias']}/executions"

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {"provider": inputs["authenticator"], "priority": inputs.get("priority", 0)}
        created = client.call("POST", f"{self._of_flow(inputs)}/execution", body)
        return created, self.update(client, created, {}, inputs)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        body = {"id": resource_id, "requirement": inputs["requirement"], "priority": inputs.get("priority", 0)}
        client.call("PUT", self._of_flow(inputs), body)
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"{_authentication(inputs)}/executions/{resource_id}")
        except NotFoundError:
            return None
        wanted = {
            "priority": 0,
            **{name: inputs[name] for name in ("authenticator", "requirement", "priority") if name in inputs},
        }
        return Found(drift={name: real.get(name) for name, value in wanted.items() if not same(real.get(name), value)})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", f"{_authentication(state)}/executions/{resource_id}")
        except NotFoundError:
            return


class Subflow(Resource[Admin]):
    """A flow inside a flow: Keycloak keeps the flow and the execution that runs it."""

    resource_type = "keycloak:authentication/subflow:Subflow"
    args = "pulumi_keycloak.authentication:SubflowArgs"
    implemented = frozenset(
        {"alias", "description", "parentFlowAlias", "priority", "providerId", "realmId", "requirement"}
    )
    replace = frozenset({"parentFlowAlias", "realmId"})
    defaults = {"providerId": "basic-flow", "requirement": "DISABLED"}  # noqa: RUF012
    autoname = "alias"

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        yield from _wrong_requirement(inputs)

    def _of_parent(self, inputs: Props) -> str:
        return f"{_authentication(inputs)}/flows/{inputs['parentFlowAlias']}/executions"

    def _execution(self, client: Admin, resource_id: str, inputs: Props) -> Props:
        """The execution of the parent that runs the flow."""
        for execution in client.call("GET", self._of_parent(inputs)):
            if execution.get("flowId") == resource_id:
                found: Props = execution
                return found
        raise NotFoundError(f"no execution of {inputs['parentFlowAlias']} runs the flow {resource_id}")

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {
            "alias": inputs["alias"],
            "type": inputs["providerId"],
            "provider": "",
            "description": inputs.get("description", ""),
            "priority": inputs.get("priority", 0),
        }
        created = client.call("POST", f"{self._of_parent(inputs)}/flow", body)
        return created, self.update(client, created, {}, inputs)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        path = f"{_authentication(inputs)}/flows/{resource_id}"
        flow = {
            "alias": inputs["alias"],
            "description": inputs.get("description", ""),
            "providerId": inputs["providerId"],
        }
        client.call("PUT", path, {**client.call("GET", path), **flow})
        execution = self._execution(client, resource_id, inputs)
        wanted = {"requirement": inputs["requirement"], "priority": inputs.get("priority", 0)}
        client.call("PUT", self._of_parent(inputs), {**execution, **flow, "displayName": inputs["alias"], **wanted})
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            flow = client.call("GET", f"{_authentication(inputs)}/flows/{resource_id}")
            execution = self._execution(client, resource_id, inputs)
        except NotFoundError:
            return None
        real = {
            **{name: flow.get(name) for name in ("alias", "description", "providerId")},
            "priority": execution["priority"],
        }
        real["requirement"] = execution["requirement"]
        wanted = {"priority": 0, **{name: inputs[name] for name in real if name in inputs}}
        return Found(drift={name: real[name] for name, value in wanted.items() if not same(real[name], value)})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            execution = self._execution(client, resource_id, state)
            client.call("DELETE", f"{_authentication(state)}/executions/{execution['id']}")
        except NotFoundError:
            return


class ExecutionConfig(Resource[Admin]):
    """The settings of one execution."""

    resource_type = "keycloak:authentication/executionConfig:ExecutionConfig"
    args = "pulumi_keycloak.authentication:ExecutionConfigArgs"
    implemented = frozenset({"alias", "config", "executionId", "realmId"})
    replace = frozenset({"alias", "executionId", "realmId"})

    def _path(self, inputs: Props, resource_id: str) -> str:
        return f"{_authentication(inputs)}/config/{resource_id}"

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {"alias": inputs["alias"], "config": inputs["config"]}
        return client.call("POST", f"{_authentication(inputs)}/executions/{inputs['executionId']}/config", body), {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        body = {"id": resource_id, "alias": inputs["alias"], "config": inputs["config"]}
        client.call("PUT", self._path(inputs, resource_id), body)
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", self._path(inputs, resource_id))
        except NotFoundError:
            return None
        return Found(drift={} if real.get("config") == inputs["config"] else {"config": real.get("config")})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", self._path(state, resource_id))
        except NotFoundError:
            return


class Bindings(Resource[Admin]):
    """Which flows the realm uses. What is not given is bound to Keycloak's own, as with the official plugin."""

    resource_type = "keycloak:authentication/bindings:Bindings"
    args = "pulumi_keycloak.authentication:BindingsArgs"
    implemented = frozenset(REALM_FLOWS) | {"realmId"}
    replace = frozenset({"realmId"})

    def _bind(self, client: Admin, inputs: Props, flows: Mapping[str, str]) -> Props:
        path = f"/{inputs['realmId']}"
        client.call("PUT", path, {**client.call("GET", path), **flows})
        real = client.call("GET", path)
        return {name: real.get(name) for name in REALM_FLOWS}

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        wanted = {name: inputs.get(name, usual) for name, usual in REALM_FLOWS.items()}
        return str(inputs["realmId"]), self._bind(client, inputs, wanted)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        # What the state has goes on when it is no input any more: the property is computed, too.
        wanted = {name: str(inputs.get(name, state.get(name, usual))) for name, usual in REALM_FLOWS.items()}
        return self._bind(client, inputs, wanted)

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"/{inputs['realmId']}")
        except NotFoundError:
            return None
        drift = {name: real.get(name) for name in REALM_FLOWS if name in inputs and real.get(name) != inputs[name]}
        return Found({name: real.get(name) for name in REALM_FLOWS}, drift)

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            self._bind(client, state, REALM_FLOWS)
        except NotFoundError:
            return


RESOURCES: tuple[Resource[Admin], ...] = (Flow(), Execution(), Subflow(), ExecutionConfig(), Bindings())
