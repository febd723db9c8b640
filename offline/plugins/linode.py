"""Stand-in for the resource plugin `linode`: a client of the Linode API (v4)."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import httpx
from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.provider import Found, InitError, PluginError, Props, Resource, StandIn, pause
from offline.plugins.wire import serve

_URL = "https://api.linode.com"
_TIMEOUT = 30.0
# As officially: how long an instance may take to run or to go, and a name to be found.
_TIMEOUT = 900.0
_RDNS_TIMEOUT = 300.0
_POLL = 1.0
# Busy, rate limited, or a gateway that has lost its server.
_RETRIED = (408, 429, 502, 503, 504)


class NotFoundError(PluginError):
    """The API does not know the object."""


class Api:
    """A session at the Linode API."""

    def __init__(self, config: Props) -> None:
        token = config.get("token") or os.environ.get("LINODE_TOKEN")
        if not token:
            raise PluginError("the linode provider needs a token: its argument, or LINODE_TOKEN in the environment")
        url = (config.get("url") or os.environ.get("LINODE_URL") or _URL).rstrip("/")
        version = config.get("apiVersion") or os.environ.get("LINODE_API_VERSION") or "v4"
        self._http = httpx.Client(
            base_url=f"{url}/{version}/", headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT
        )

    def call(self, method: str, path: str, body: Props | None = None, filters: Props | None = None) -> Any:
        """One request; returns the JSON. Raises NotFoundError, and PluginError with the API's own reasons."""
        headers = {"X-Filter": json.dumps(filters)} if filters else {}
        for left in (4, 3, 2, 1, 0):
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise PluginError(f"the Linode API ({self._http.base_url}) does not answer: {error}") from error
            if answer.status_code not in _RETRIED or not left:
                break
            pause(_POLL)
        if answer.is_success:
            return answer.json() if answer.content else None
        kind = NotFoundError if answer.status_code == 404 else PluginError
        raise kind(f"the Linode API answered {answer.status_code} to {method} {path}: {_reasons(answer)}")

    def list(self, path: str, filters: Props | None = None) -> list[Props]:
        """All objects of a collection, or those that match."""
        found: list[Props] = []
        page, pages = 1, 1
        while page <= pages:
            answer = self.call("GET", f"{path}?page={page}&page_size=100", filters=filters)
            found, pages, page = found + answer["data"], answer["pages"], page + 1
        return found

    def wait(self, path: str, name: str, wanted: Any) -> Props:
        """Polls an object until a property has the value."""
        deadline = time.monotonic() + _TIMEOUT
        while (real := self.call("GET", path)).get(name) != wanted:
            if time.monotonic() > deadline:
                raise PluginError(f"{path}: {name} is {real.get(name)!r} and not {wanted!r} after {_TIMEOUT:.0f} s")
            pause(_POLL)
        return dict(real)


def _reasons(answer: httpx.Response) -> str:
    try:
        errors = answer.json()["errors"]
        return "; ".join(f"[{e['field']}] {e['reason']}" if e.get("field") else e["reason"] for e in errors)
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or "no reason given"


class Entity(Resource[Api]):
    """An object of a collection: made by POST, changed by PUT, with the same values under other names."""

    collection: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    """The API's name of each property that is sent and read back as it is."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Those of them that PUT does not take."""
    extra: ClassVar[Mapping[str, str]] = {}
    """The API's name of each further computed output."""

    def path(self, inputs: Props, resource_id: str = "") -> str:
        """The collection's path, or one object's."""
        return f"{self.collection}/{resource_id}" if resource_id else self.collection

    def body(self, inputs: Props) -> Props:
        """What is sent to make it."""
        return {self.fields[name]: inputs[name] for name in self.fields if name in inputs}

    def outputs(self, client: Api, real: Props) -> Props:
        """The computed outputs, of what the API shows."""
        shown = {**self.fields, **self.extra}
        return {name: real[key] for name, key in shown.items() if real.get(key) is not None}

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        """Inputs that are otherwise in the cloud."""
        for name in inputs.keys() & self.fields.keys():
            value = real.get(self.fields[name])
            same = sorted(value or []) == sorted(inputs[name]) if isinstance(inputs[name], list) else None
            if not (value == inputs[name] if same is None else same):
                yield name, value

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        real = client.call("POST", self.path(inputs), self.body(inputs))
        return str(real["id"]), self.outputs(client, real)

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", self.path(inputs, resource_id))
        except NotFoundError:
            return None
        return Found(self.outputs(client, real), dict(self.drift(real, inputs)))

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        fixed = {self.fields[name] for name in self.fixed if name in self.fields}
        body = {name: value for name, value in self.body(inputs).items() if name not in fixed}
        return self.outputs(client, client.call("PUT", self.path(inputs, resource_id), body))

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", self.path(state, resource_id))
        except NotFoundError:
            return


class NetworkingIp(Resource[Api]):
    resource_type = "linode:index/networkingIp:NetworkingIp"
    args = "pulumi_linode:NetworkingIpArgs"
    implemented = frozenset({"public", "region", "reserved", "type"})
    defaults = {"type": "ipv4"}  # noqa: RUF012 # declared once, in the base class
    _shown: ClassVar[Mapping[str, str]] = {
        "address": "address",
        "gateway": "gateway",
        "linodeId": "linode_id",
        "prefix": "prefix",
        "rdns": "rdns",
        "subnetMask": "subnet_mask",
    }

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        for name in ("public", "reserved"):
            if inputs.get(name) not in (True, UNKNOWN):
                yield name, f"the stand-in knows reserved public addresses only: {name} must be true"
        if not inputs.get("region"):
            yield "region", "a reserved address needs a region"

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        raise PluginError(
            f"the address {resource_id} cannot be changed; the official plugin says that it was, and changes nothing. "
            "replace_on_changes makes it a new address"
        )

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        real = client.call("POST", "networking/ips", {name: inputs[name] for name in sorted(self.implemented)})
        return real["address"], self._outputs(real)

    def _outputs(self, real: Props) -> Props:
        return {name: real[key] for name, key in self._shown.items() if real.get(key) is not None}

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"networking/ips/{resource_id}")
        except NotFoundError:
            return None
        return Found(self._outputs(real), {} if real["reserved"] else {"reserved": False})

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            client.call("DELETE", f"networking/reserved/ips/{resource_id}")
        except NotFoundError:
            return


class Firewall(Entity):
    resource_type = "linode:index/firewall:Firewall"
    args = "pulumi_linode:FirewallArgs"
    collection = "networking/firewalls"
    fields = {"label": "label", "tags": "tags"}  # noqa: RUF012
    extra = {"created": "created", "status": "status", "updated": "updated"}  # noqa: RUF012
    _rules = ("inboundPolicy", "inbounds", "outboundPolicy", "outbounds")
    implemented = frozenset(fields) | frozenset(_rules) | {"disabled"}
    ordered = frozenset({"inbounds", "ipv4s", "ipv6s", "outbounds"})
    defaults = {"disabled": False}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        for name in ("inboundPolicy", "outboundPolicy"):
            if inputs[name] not in ("ACCEPT", "DROP", UNKNOWN):
                yield name, "must be ACCEPT or DROP"
        for name in ("inbounds", "outbounds"):
            rules = inputs.get(name)
            for index, rule in enumerate(rules if isinstance(rules, list) else []):
                for family, kind in (("ipv4s", ipaddress.IPv4Network), ("ipv6s", ipaddress.IPv6Network)):
                    networks = rule.get(family) if isinstance(rule, dict) else None
                    for network in networks if isinstance(networks, list) else []:
                        if not _is_network(network, kind):
                            yield f"{name}[{index}].{family}", f"{network!r} is no network such as 192.0.2.0/24"

    @staticmethod
    def _written(inputs: Props) -> Props:
        body: Props = {"inbound_policy": inputs["inboundPolicy"], "outbound_policy": inputs["outboundPolicy"]}
        for ours, theirs in (("inbounds", "inbound"), ("outbounds", "outbound")):
            body[theirs] = [
                {
                    **{
                        key: rule[key] for key in ("label", "action", "protocol", "ports", "description") if key in rule
                    },
                    "addresses": {family: rule[f"{family}s"] for family in ("ipv4", "ipv6") if rule.get(f"{family}s")},
                }
                for rule in inputs.get(ours, [])
            ]
        return body

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "rules": self._written(inputs)}

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        made, outputs = super().create(client, inputs)
        if inputs["disabled"]:
            outputs = self._switched(client, made, inputs)
        return made, outputs

    def _switched(self, client: Api, resource_id: str, inputs: Props) -> Props:
        body = {**Entity.body(self, inputs), "status": "disabled" if inputs["disabled"] else "enabled"}
        return self.outputs(client, client.call("PUT", self.path(inputs, resource_id), body))

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        yield from super().drift(real, inputs)
        if (real["status"] == "disabled") != inputs["disabled"]:
            yield "disabled", real["status"] == "disabled"
        rules, wanted = real["rules"], self._written(inputs)
        for name, key in zip(self._rules, ("inbound_policy", "inbound", "outbound_policy", "outbound"), strict=True):
            if _bare(rules.get(key)) != _bare(wanted[key]):
                yield name, _shown_rules(rules[key]) if key in ("inbound", "outbound") else rules[key]

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        outputs = self._switched(client, resource_id, inputs)
        if self._written(state) != self._written(inputs):
            client.call("PUT", f"{self.path(inputs, resource_id)}/rules", self._written(inputs))
        return outputs


def _is_network(text: Any, kind: type[ipaddress.IPv4Network] | type[ipaddress.IPv6Network]) -> bool:
    try:
        return text == UNKNOWN or bool("/" in text and kind(text))
    except (TypeError, ValueError):
        return False


def _bare(rules: Any) -> Any:
    """Rules without what is empty, in which form the API gives them back."""
    if not isinstance(rules, list):
        return rules
    return [
        {key: value for key, value in rule.items() if value}
        | {"addresses": {family: nets for family, nets in rule["addresses"].items() if nets}}
        for rule in rules
    ]


def _shown_rules(rules: list[Props]) -> list[Props]:
    return [
        {key: rule[key] for key in ("label", "action", "protocol", "ports") if rule.get(key)}
        | {f"{family}s": networks for family, networks in rule["addresses"].items() if networks}
        for rule in rules
    ]


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
        deadline = time.monotonic() + _TIMEOUT
        try:
            while client.call("GET", self.path(state, resource_id)):
                if time.monotonic() > deadline:
                    raise PluginError(f"instance {resource_id} is still there after {_TIMEOUT:.0f} s")
                pause(_POLL)
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
            deadline = time.monotonic() + _TIMEOUT
            while client.call("GET", path)["linode_id"] is not None:
                if time.monotonic() > deadline:
                    raise PluginError(f"{path} is still attached after {_TIMEOUT:.0f} s")
                pause(_POLL)
        if instance is not None and real != instance:
            client.call("POST", f"{path}/attach", {"linode_id": instance})

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            self._attach(client, self.path(state, resource_id), None)
        except NotFoundError:
            return
        super().delete(client, resource_id, state)


class Domain(Entity):
    resource_type = "linode:index/domain:Domain"
    args = "pulumi_linode:DomainArgs"
    collection = "domains"
    fields = {  # noqa: RUF012
        "description": "description",
        "domain": "domain",
        "expireSec": "expire_sec",
        "refreshSec": "refresh_sec",
        "retrySec": "retry_sec",
        "soaEmail": "soa_email",
        "tags": "tags",
        "ttlSec": "ttl_sec",
        "type": "type",
    }
    extra = {"status": "status"}  # noqa: RUF012
    implemented = frozenset(fields)
    replace = frozenset({"type"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs["type"] not in ("master", UNKNOWN):
            yield "type", "the stand-in knows zones of type master only"
        if "soaEmail" not in inputs:
            yield "soaEmail", "a zone of type master needs it"


class DomainRecord(Entity):
    resource_type = "linode:index/domainRecord:DomainRecord"
    args = "pulumi_linode:DomainRecordArgs"
    fields = {  # noqa: RUF012
        "name": "name",
        "priority": "priority",
        "recordType": "type",
        "tag": "tag",
        "target": "target",
        "ttlSec": "ttl_sec",
    }
    implemented = frozenset(fields) | {"domainId"}
    replace = frozenset({"domainId", "recordType"})
    fixed = frozenset({"recordType"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        kind = inputs["recordType"]
        if kind not in ("A", "AAAA", "CAA", "CNAME", "MX", "TXT", UNKNOWN):
            yield "recordType", "must be A, AAAA, CAA, CNAME, MX or TXT (the stand-in knows no SRV and NS)"
        if kind == "CAA" and "tag" not in inputs:
            yield "tag", "a record of type CAA needs it: issue, issuewild or iodef"

    def path(self, inputs: Props, resource_id: str = "") -> str:
        records = f"domains/{inputs['domainId']}/records"
        return f"{records}/{resource_id}" if resource_id else records

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        for name, value in super().drift(real, inputs):
            # The API rounds times up to the values that it knows.
            if not (name == "ttlSec" and value is not None and value > inputs["ttlSec"]):
                yield name, value


class Rdns(Resource[Api]):
    resource_type = "linode:index/rdns:Rdns"
    args = "pulumi_linode:RdnsArgs"
    implemented = frozenset({"address", "rdns", "waitForAvailable"})
    replace = frozenset({"address"})
    defaults = {"waitForAvailable": False}  # noqa: RUF012

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        deadline = time.monotonic() + (_RDNS_TIMEOUT if inputs["waitForAvailable"] else 0)
        while True:
            try:
                client.call("PUT", f"networking/ips/{inputs['address']}", {"rdns": inputs["rdns"]})
                return inputs["address"], {}
            except PluginError as error:
                # The API looks the name up first, and a new record takes a while to be known.
                if "lookup" not in str(error) or time.monotonic() > deadline:
                    raise
                pause(_POLL)

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"networking/ips/{resource_id}")["rdns"]
        except NotFoundError:
            return None
        return Found(drift={} if real == inputs["rdns"] else {"rdns": real})

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            client.call("PUT", f"networking/ips/{resource_id}", {"rdns": None})
        except NotFoundError:
            return


def plugin() -> StandIn[Api]:
    resources = (NetworkingIp(), Firewall(), Instance(), Volume(), Domain(), DomainRecord(), Rdns())
    return StandIn("linode", resources, Api, config=frozenset({"apiVersion", "token", "url"}))


if __name__ == "__main__":
    serve(plugin())
