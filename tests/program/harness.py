"""Runs Pulumi programs in this process and records what they ask the engine for, as it goes over the wire.

Nothing here is Pulumi's `Mocks`, which sees inputs after secret markers and resource options are gone: the
recording sits one layer below, in the monitor. Each run has a context of its own, so that neither configuration
nor runtime state of one run reaches the next.
"""

import asyncio
import base64
import contextvars
import json
import os
import runpy
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pulumi
import yaml  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import mocks, rpc
from pulumi.runtime import settings as runtime_settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

import settings
from components.machine.linode_account import Account
from components.machine.remote_shell import CommandResult, Shell

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = ROOT / "Pulumi.yaml"
PROJECT = "ohif"
STACK_TYPE = "pulumi:pulumi:Stack"
SECRET_KEY = "4dabf18193072939515e22adb298388d"
SECRET_VALUE = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = rpc.UNKNOWN

VM_ADDRESS, VM_ADDRESS_OF_ITS_OWN = "192.0.2.77", "192.0.2.78"
"""What a reserved address is, and what a VM without one gets."""
VM_IPV6 = "2001:db8:77::1"
BUCKET_ENDPOINT = "nl-ams-1.linodeobjects.com"
NUMBERS = {
    "firewall": 11,
    "networkingIp": 12,
    "instance": 13,
    "volume": 14,
    "domain": 15,
    "domainRecord": 16,
    "rdns": 17,
    "objectStorageBucket": 18,
    "objectStorageKey": 19,
}
"""Ids of Linode's objects, by type: they are numbers."""
ZONE_NUMBER = 4711
"""Of every zone that the account has."""
SETUP_DONE = json.dumps({"status": "done", "errors": []})
HEALTHY_SERVER = "\n".join(
    [
        json.dumps({"ServerVersion": "26.1.5", "MemTotal": 8 * 1024**3}),
        "",
        "/dev/sda1 100000000 1 50000000 1% /",
        "listeners",
        "  sl  local_address rem_address   st",
    ]
)
"""What a server that can do the work answers."""

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A registration: type, name, inputs and options, as the engine gets them."""

    urn: str
    type: str
    name: str
    parent: str
    """URN; the stack's own for what stands at the top."""
    custom: bool
    provider: str
    """URN and id of the explicit provider; empty where the engine would take a default one."""
    marked_inputs: dict[str, Any]
    """With secret markers."""
    protect: bool
    retain_on_delete: bool
    deleted_with: str
    """URN, or empty."""
    dependencies: frozenset[str]
    """URNs, those of inputs included."""
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    aliases: tuple[str, ...]
    """Former URNs."""
    additional_secret_outputs: tuple[str, ...]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Without secret markers."""
        values: dict[str, Any] = unmarked(self.marked_inputs)
        return values

    @property
    def environment(self) -> dict[str, str]:
        """A container's environment."""
        return dict(entry.split("=", 1) for entry in self.inputs.get("envs", []))

    @property
    def files(self) -> dict[str, str]:
        """Content of the files that are put into a container, by path; those in base64 stay so."""
        return {
            upload["file"]: upload.get("content", upload.get("contentBase64"))
            for upload in self.inputs.get("uploads", [])
        }


@dataclass(kw_only=True)
class Deployment:
    """Everything that one run of a program asked for."""

    resources: list[Resource] = field(default_factory=list)
    marked_outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Registered outputs of components and of the stack, by URN, with secret markers."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Generated values by the name of the resource that made them."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Machines and accounts that the program itself asked, and what."""
    waited: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    """Origins that had to answer before the program went on, and the names of the resources that were there by then."""
    hooks: list[pulumi.ResourceHook] = field(default_factory=list)
    """What the program wants to be asked before the engine acts."""

    def of_type(self, token: str) -> list[Resource]:
        """All resources of a type, given by its whole token or by its last part."""
        return [it for it in self.resources if token in (it.type, it.type.rpartition(":")[2])]

    def one(self, token: str, name: str | None = None) -> Resource:
        """The only resource of that type (and name)."""
        (found,) = (it for it in self.of_type(token) if name in (None, it.name))
        return found

    def container(self, alias: str) -> Resource:
        """The container that is reached under `alias`."""
        (found,) = (it for it in self.of_type("Container") if it.inputs["hostname"] == alias)
        return found

    def resource(self, urn: str) -> Resource:
        """The resource with that URN."""
        (found,) = (it for it in self.resources if it.urn == urn)
        return found

    @property
    def marked_stack_outputs(self) -> dict[str, Any]:
        """What `pulumi stack output` would know, with secret markers."""
        (found,) = (outputs for urn, outputs in self.marked_outputs.items() if f"::{STACK_TYPE}::" in urn)
        return found

    @property
    def stack_outputs(self) -> dict[str, Any]:
        """What `pulumi stack output --show-secrets` would show."""
        values: dict[str, Any] = unmarked(self.marked_stack_outputs)
        return values


class RecordingMonitor:
    """The engine's side of resource registration: takes everything, and gives back what a provider would.

    In a preview it gives back what the engine does: the inputs, and no id, so that all else is unknown.
    """

    def __init__(self, *, project: str, stack: str, preview: bool) -> None:
        self.deployment = Deployment()
        self._project = project
        self._stack = stack
        self._preview = preview
        # The SDK calls from several threads.
        self._lock = threading.Lock()

    def RegisterResource(  # noqa: N802 - names of the protocol
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        resource = Resource(
            urn=self._urn(request.parent, request.type, request.name),
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=request.custom,
            provider=request.provider,
            marked_inputs=plain(request.object),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            deleted_with=request.deletedWith,
            dependencies=frozenset(request.dependencies),
            delete_before_replace=request.deleteBeforeReplace,
            replace_on_changes=tuple(request.replaceOnChanges),
            aliases=tuple(request.aliasURNs),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        outputs = struct_pb2.Struct()
        outputs.CopyFrom(request.object)
        if not self._preview:
            outputs.update(self._computed(resource))
        if resource.type != STACK_TYPE:
            with self._lock:
                self.deployment.resources.append(resource)
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn,
            id=self._id(resource) if resource.custom and not self._preview else "",
            object=outputs,
        )

    def _urn(self, parent: str, token: str, name: str) -> str:
        # The engine's own rule: types of the parents come before the type, but for the stack's.
        parents = "" if not parent or f"::{STACK_TYPE}::" in parent else parent.split("::")[2] + "$"
        return f"urn:pulumi:{self._stack}::{self._project}::{parents}{token}::{name}"

    def _id(self, resource: Resource) -> str:
        package, _, token = resource.type.partition(":")
        return (
            str(NUMBERS[token.rpartition("/")[2].partition(":")[0]]) if package == "linode" else f"{resource.name}-id"
        )

    def _computed(self, resource: Resource) -> dict[str, Any]:
        if resource.type == "random:index/randomPassword:RandomPassword":
            value = f"S3cret.{resource.name}".ljust(int(resource.inputs["length"]), "x")
            with self._lock:
                self.deployment.secrets[resource.name] = value
            return {"result": {SECRET_KEY: SECRET_VALUE, "value": value}}
        if resource.type == "docker:index/remoteImage:RemoteImage":
            return {"imageId": f"sha256:{resource.inputs['name']}"}
        if resource.type == "random:index/randomBytes:RandomBytes":
            seed = resource.name.encode().ljust(int(resource.inputs["length"]), b"x")
            values = {"base64": base64.b64encode(seed).decode(), "hex": seed.hex()}
            return {name: {SECRET_KEY: SECRET_VALUE, "value": value} for name, value in values.items()}
        if resource.type == "linode:index/networkingIp:NetworkingIp":
            return {"address": VM_ADDRESS}
        if resource.type == "linode:index/instance:Instance":
            return {"ipv4s": resource.inputs.get("ipv4s", [VM_ADDRESS_OF_ITS_OWN]), "ipv6": f"{VM_IPV6}/128"}
        if resource.type == "linode:index/objectStorageBucket:ObjectStorageBucket":
            return {"s3Endpoint": BUCKET_ENDPOINT}
        if resource.type == "linode:index/objectStorageKey:ObjectStorageKey":
            return {"accessKey": "KEY", "secretKey": {SECRET_KEY: SECRET_VALUE, "value": "S3cret.of-the-key"}}
        if resource.type == "keycloak:openid/client:Client":
            return {
                "serviceAccountUserId": f"{resource.name}-account" * bool(resource.inputs["serviceAccountsEnabled"])
            }
        return {}

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        with self._lock:
            self.deployment.marked_outputs[request.urn] = plain(request.outputs)
        return empty_pb2.Empty()

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        """The engine's side of hooks, which calls none: there is no state before this one."""
        with self._lock:
            self.deployment.hooks.append(hook)

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> None:  # noqa: N802
        raise AssertionError(f"{request.tok}: a call of a provider fails in the preview of a stack that is not up")

    def GetDeploymentInfo(self, _: object) -> resource_pb2.DeploymentInfo:  # noqa: N802
        return resource_pb2.DeploymentInfo(
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
                resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
                resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
            ]
        )

    def SignalAndWaitForShutdown(self, _: object) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A protobuf structure as Python values; numbers are floats."""
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return values


def is_secret(value: object) -> bool:
    """Whether this very value carries the marker."""
    return isinstance(value, dict) and value.get(SECRET_KEY) == SECRET_VALUE


def unmarked(value: Any) -> Any:
    """The same value without secret markers at any depth."""
    if is_secret(value):
        return unmarked(value["value"])
    if isinstance(value, dict):
        return {key: unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unmarked(item) for item in value]
    return value


def open_texts(value: Any) -> Iterator[str]:
    """Every text in a value that no secret marker covers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from open_texts(item)
    elif isinstance(value, dict) and not is_secret(value):
        yield from value
        for item in value.values():
            yield from open_texts(item)


def project_config() -> dict[str, dict[str, Any]]:
    """The keys that Pulumi.yaml declares in the project's namespace."""
    declared = yaml.safe_load(PROJECT_FILE.read_text())["config"]
    return {key: schema for key, schema in declared.items() if ":" not in key}


def defaults() -> dict[str, Any]:
    """The default of each key that has one."""
    return {key: schema["default"] for key, schema in project_config().items() if "default" in schema}


def stack_config(path: Path) -> dict[str, Any]:
    """A stack file's values in the project's namespace; one that was just made has none."""
    values = yaml.safe_load(path.read_text()).get("config", {})
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in values.items()}


def isolated(
    action: Callable[[], Result],
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    *,
    monitor: RecordingMonitor | None = None,
    stack: str = "dev",
    preview: bool = False,
) -> Result:
    """Do something in a stack with a configuration and an environment of its own.

    Values are actual as the CLI passes them: texts as they are, all else as JSON; nothing of this machine's.
    """
    actual = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in {**defaults(), **config}.items()
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "OHIF_", "LINODE_"))}

    def configured() -> Result:
        set_all_config(actual)
        runtime_settings.configure(
            mocks.MockSettings(  # type: ignore[no-untyped-call]
                monitor=monitor,
                engine=mocks.MockEngine(None),
                project=PROJECT,
                stack=stack,
                dry_run=preview,
                outputs=set(),
                lock=threading.Lock(),
                package_refs={},
            )
        )
        runtime_settings.SETTINGS.callbacks = monitor
        return action()

    with mock.patch.dict(os.environ, {**kept, **(environment or {})}, clear=True):
        return contextvars.copy_context().run(configured)


def load_settings(
    config: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    *,
    stack: str = "dev",
    preview: bool = False,
) -> settings.Settings:
    """The program's configuration: Pulumi.yaml's defaults and these values."""

    async def load() -> settings.Settings:
        return settings.load()

    # Secrets are outputs, and those need a loop.
    return isolated(lambda: asyncio.run(load()), config, environment, stack=stack, preview=preview)


def record(
    program: Callable[[], None],
    config: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    stack: str = "dev",
    preview: bool = False,
) -> Deployment:
    """Run `program` as the SDK runs one, and say what it asked for. It reaches no machine and no account."""
    monitor = RecordingMonitor(project=PROJECT, stack=stack, preview=preview)
    asked = monitor.deployment.asked

    async def complete(shell: Shell, script: str, *, timeout: float, attempt: float) -> CommandResult:
        asked.append((shell.machine, script))
        return CommandResult(code=0, output=SETUP_DONE if "cloud-init" in script else HEALTHY_SERVER, errors="")

    def get(account: Account, path: str, wanted: dict[str, str] | None = None) -> tuple[dict[str, Any], set[str]]:
        asked.append((account.url, path))
        return {"data": [{"id": ZONE_NUMBER, **(wanted or {})}]}, {"*"}

    async def answers(origin: str, ca_certificate: str | None) -> None:
        there = frozenset(it.name for it in monitor.deployment.resources)
        monitor.deployment.waited.append((origin, there))

    with (
        mock.patch.object(Shell, "_complete", complete),
        mock.patch.object(Account, "_get", get),
        mock.patch("components.public_name.origin.wait_until_it_answers", answers),
    ):
        isolated(
            lambda: asyncio.run(run_in_stack(program)),
            config or {},
            environment,
            monitor=monitor,
            stack=stack,
            preview=preview,
        )
    return monitor.deployment


def run_program(
    config: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    stack: str = "dev",
    preview: bool = False,
) -> Deployment:
    """Run the real program on Pulumi.yaml's defaults and these values."""

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    return record(program, config, environment=environment, stack=stack, preview=preview)
