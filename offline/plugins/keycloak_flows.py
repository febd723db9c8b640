"""Authentication flows and their executions for the `keycloak` stand-in.

As the official provider's resources of the same names behave (keycloak/terraform-provider-keycloak,
`provider/resource_keycloak_authentication_*.go`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.keycloak_admin import Admin, Entity, Field, NotFoundError, Table, same
from offline.plugins.resource import Found, Props, Resource

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


def _steps(inputs: Props) -> str:
    """Path of the executions of the parent flow."""
    return f"{_authentication(inputs)}/flows/{inputs['parentFlowAlias']}/executions"


def _compared(real: Props, inputs: Props, *names: str) -> Found:
    """What is otherwise in Keycloak; a priority that is not given is 0."""
    wanted = {"priority": 0, **{name: inputs[name] for name in names if name in inputs}}
    return Found(drift={name: real.get(name) for name, value in wanted.items() if not same(real.get(name), value)})


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

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {"provider": inputs["authenticator"], "priority": inputs.get("priority", 0)}
        created = client.call("POST", f"{_steps(inputs)}/execution", body)
        return created, self.update(client, created, {}, inputs)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        body = {"id": resource_id, "requirement": inputs["requirement"], "priority": inputs.get("priority", 0)}
        client.call("PUT", _steps(inputs), body)
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"{_authentication(inputs)}/executions/{resource_id}")
        except NotFoundError:
            return None
        return _compared(real, inputs, "authenticator", "requirement", "priority")

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", f"{_authentication(state)}/executions/{resource_id}")
        except NotFoundError:
            return


class Subflow(Resource[Admin]):
    """A flow that is a step of another one. As officially, a flow and an execution of the parent that leads to it."""

    resource_type = "keycloak:authentication/subflow:Subflow"
    args = "pulumi_keycloak.authentication:SubflowArgs"
    implemented = frozenset(
        {"alias", "description", "parentFlowAlias", "priority", "providerId", "realmId", "requirement"}
    )
    replace = frozenset({"parentFlowAlias", "realmId"})
    defaults = {"providerId": "basic-flow", "requirement": "DISABLED"}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        yield from _wrong_requirement(inputs)

    def _execution(self, client: Admin, inputs: Props, resource_id: str) -> str:
        """Id of the execution that leads to the flow. Raises NotFoundError."""
        for it in client.call("GET", _steps(inputs)):
            if it.get("flowId") == resource_id:
                return str(it["id"])
        raise NotFoundError("no execution id found for subflow")

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {
            "alias": inputs["alias"],
            "type": inputs["providerId"],
            "provider": "",
            "description": inputs.get("description", ""),
            "priority": inputs.get("priority", 0),
        }
        created = client.call("POST", f"{_steps(inputs)}/flow", body)
        return created, self.update(client, created, {}, inputs)

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        flow = {
            "id": resource_id,
            "alias": inputs["alias"],
            "description": inputs.get("description", ""),
            "providerId": inputs["providerId"],
            "topLevel": False,
            "builtIn": False,
        }
        client.call("PUT", f"{_authentication(inputs)}/flows/{resource_id}", flow)
        execution = {
            "id": self._execution(client, inputs, resource_id),
            "requirement": inputs["requirement"],
            "priority": inputs.get("priority", 0),
        }
        client.call("PUT", _steps(inputs), execution)
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        path = _authentication(inputs)
        try:
            flow = client.call("GET", f"{path}/flows/{resource_id}")
            step = client.call("GET", f"{path}/executions/{self._execution(client, inputs, resource_id)}")
        except NotFoundError:
            return None
        real = {**flow, "requirement": step.get("requirement"), "priority": step.get("priority")}
        return _compared(real, inputs, "alias", "description", "providerId", "requirement", "priority")

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", f"{_authentication(state)}/executions/{self._execution(client, state, resource_id)}")
        except NotFoundError:
            return


class ExecutionConfig(Resource[Admin]):
    """Settings of a step."""

    resource_type = "keycloak:authentication/executionConfig:ExecutionConfig"
    args = "pulumi_keycloak.authentication:ExecutionConfigArgs"
    implemented = frozenset({"alias", "config", "executionId", "realmId"})
    replace = frozenset({"alias", "executionId", "realmId"})

    def create(self, client: Admin, inputs: Props) -> tuple[str, Props]:
        body = {"alias": inputs["alias"], "config": inputs["config"]}
        created = client.call("POST", f"{_authentication(inputs)}/executions/{inputs['executionId']}/config", body)
        return created, {}

    def update(self, client: Admin, resource_id: str, state: Props, inputs: Props) -> Props:
        body = {"id": resource_id, "alias": inputs["alias"], "config": inputs["config"]}
        client.call("PUT", f"{_authentication(inputs)}/config/{resource_id}", body)
        return {}

    def read(self, client: Admin, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"{_authentication(inputs)}/config/{resource_id}")
        except NotFoundError:
            return None
        same_config = same(real.get("config", {}), inputs["config"])
        return Found(drift={} if same_config else {"config": real.get("config", {})})

    def delete(self, client: Admin, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", f"{_authentication(state)}/config/{resource_id}")
        except NotFoundError:
            return


RESOURCES: tuple[Resource[Admin], ...] = (Flow(), Execution(), Subflow(), ExecutionConfig())
