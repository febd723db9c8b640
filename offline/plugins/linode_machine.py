"""Instances and volumes of Linode."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.linode_api import TIMEOUT, Api, Entity, NotFoundError, poll
from offline.plugins.resource import InitError, PluginError, Props


class Instance(Entity):
    resource_type = "linode:index/instance:Instance"
    args = "pulumi_linode:InstanceArgs"
    collection = "linode/instances"
    fields = {  # noqa: RUF012
        "diskEncryption": "disk_encryption",
        "image": "image",
        "label": "label",
        "region": "region",
        "tags": "tags",
        "type": "type",
    }
    extra = {  # noqa: RUF012
        "capabilities": "capabilities",
        "hasUserData": "has_user_data",
        "hostUuid": "host_uuid",
        "ipv4s": "ipv4",
        "ipv6": "ipv6",
        "locks": "locks",
        "status": "status",
        "watchdogEnabled": "watchdog_enabled",
    }
    implemented = frozenset(fields) | frozenset(
        {"authorizedKeys", "backupsEnabled", "booted", "firewallId", "ipv4s", "metadatas", "rootPass", "swapSize"}
    )
    replace = frozenset({"authorizedKeys", "diskEncryption", "firewallId", "image", "ipv4s", "metadatas", "rootPass"})
    secret_outputs = frozenset({"rootPass"})
    defaults = {"backupsEnabled": False, "booted": True}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        label = inputs.get("label")
        if label is not None and label != UNKNOWN and not re.fullmatch(r"[A-Za-z0-9][\w.-]{1,48}[A-Za-z0-9]", label):
            yield "label", "must have 3 to 50 letters, digits, dashes, underscores and dots"
        metadatas = inputs.get("metadatas")
        if isinstance(metadatas, list) and len(metadatas) > 1:
            yield "metadatas", "at most one"
        for name in ("type", "image"):
            if name not in inputs:
                yield name, "the stand-in makes no instance without it"

    def body(self, inputs: Props) -> Props:
        renamed = {
            "authorizedKeys": "authorized_keys",
            "backupsEnabled": "backups_enabled",
            "booted": "booted",
            "firewallId": "firewall_id",
            "ipv4s": "ipv4",
            "rootPass": "root_pass",
            "swapSize": "swap_size",
        }
        body = {**super().body(inputs), **{key: inputs[name] for name, key in renamed.items() if name in inputs}}
        for metadata in inputs.get("metadatas", []):
            body["metadata"] = {"user_data": metadata.get("userData")}
        return body

    def outputs(self, client: Api, real: Props) -> Props:
        return {
            **super().outputs(client, real),
            "backups": [{"enabled": real["backups"]["enabled"]}],
            "ipAddress": real["ipv4"][0],
            # A list in the official schema, of one.
            "specs": [{name: real["specs"][name] for name in ("disk", "memory", "vcpus")}],
        }

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        yield from super().drift(real, inputs)
        if real["backups"]["enabled"] != inputs["backupsEnabled"]:
            yield "backupsEnabled", real["backups"]["enabled"]
        if (real["status"] == "running") != inputs["booted"]:
            yield "booted", real["status"] == "running"
        if "ipv4s" in inputs and not set(inputs["ipv4s"]) <= set(real["ipv4"]):
            yield "ipv4s", real["ipv4"]

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        made, outputs = super().create(client, inputs)
        return made, {**outputs, **self._settled(client, made, inputs, outputs)}

    def _settled(self, client: Api, resource_id: str, inputs: Props, outputs: Props) -> Props:
        """Waits until the instance is on or off as it should be."""
        wanted = "running" if inputs["booted"] else "offline"
        try:
            return self.outputs(client, client.wait(self.path(inputs, resource_id), "status", wanted))
        except PluginError as error:
            raise InitError(resource_id, outputs, str(error)) from error

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        for name in ("region", "swapSize"):
            if state.get(name) != inputs.get(name):
                raise PluginError(f"the stand-in does not change {name!r} of an instance that exists")
        path = self.path(inputs, resource_id)
        body: Props = {name: inputs[name] for name in ("label", "tags") if name in inputs}
        outputs = self.outputs(client, client.call("PUT", path, body))
        if state["type"] != inputs["type"]:
            resize = {"type": inputs["type"], "allow_auto_disk_resize": False}
            client.call("POST", f"{path}/resize", resize)
        if state["backupsEnabled"] != inputs["backupsEnabled"]:
            client.call("POST", f"{path}/backups/{'enable' if inputs['backupsEnabled'] else 'cancel'}")
        if state["booted"] != inputs["booted"]:
            client.call("POST", f"{path}/{'boot' if inputs['booted'] else 'shutdown'}")
        return {**outputs, **self._settled(client, resource_id, inputs, outputs)}

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        super().delete(client, resource_id, state)
        deadline = time.monotonic() + TIMEOUT
        try:
            while client.call("GET", self.path(state, resource_id)):
                if time.monotonic() > deadline:
                    raise PluginError(f"instance {resource_id} is still there after {TIMEOUT:.0f} s")
                poll()
        except NotFoundError:
            return


class Volume(Entity):
    resource_type = "linode:index/volume:Volume"
    args = "pulumi_linode:VolumeArgs"
    collection = "volumes"
    fields = {  # noqa: RUF012
        "encryption": "encryption",
        "label": "label",
        "linodeId": "linode_id",
        "region": "region",
        "size": "size",
        "tags": "tags",
    }
    fixed = frozenset({"encryption", "linodeId", "region", "size"})
    extra = {"filesystemPath": "filesystem_path", "status": "status"}  # noqa: RUF012
    implemented = frozenset(fields)
    replace = frozenset({"encryption", "region"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        size = inputs.get("size")
        if isinstance(size, int) and not 10 <= size <= 16384:
            yield "size", "must be 10 to 16384 (GB)"
        if "region" not in inputs:
            yield "region", "a new volume needs it, also with linodeId"

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        made, outputs = super().create(client, inputs)
        return made, {**outputs, **self._active(client, made, inputs)}

    def _active(self, client: Api, resource_id: str, inputs: Props) -> Props:
        path = self.path(inputs, resource_id)
        real = client.wait(path, "status", "active")
        if "linodeId" in inputs:
            # Officially WaitForVolumeLinodeID: an instance does not take a volume at once.
            real = client.wait(path, "linode_id", inputs["linodeId"])
        return self.outputs(client, real)

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        path = self.path(inputs, resource_id)
        super().update(client, resource_id, state, inputs)
        if "size" in inputs and state.get("size") != inputs["size"]:
            client.call("POST", f"{path}/resize", {"size": inputs["size"]})
        # Officially too, an instance that is not named any more keeps the volume.
        if "linodeId" in inputs:
            self._attach(client, path, inputs["linodeId"])
        return self._active(client, resource_id, inputs)

    @staticmethod
    def _attach(client: Api, path: str, instance: int | None) -> None:
        """Moves the volume to this instance, or to none."""
        real = client.call("GET", path)["linode_id"]
        if real not in (None, instance):
            client.call("POST", f"{path}/detach")
            deadline = time.monotonic() + TIMEOUT
            while client.call("GET", path)["linode_id"] is not None:
                if time.monotonic() > deadline:
                    raise PluginError(f"{path} is still attached after {TIMEOUT:.0f} s")
                poll()
        if instance is not None and real != instance:
            client.call("POST", f"{path}/attach", {"linode_id": instance})

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            self._attach(client, self.path(state, resource_id), None)
        except NotFoundError:
            return
        super().delete(client, resource_id, state)
