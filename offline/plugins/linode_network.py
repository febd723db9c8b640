"""Addresses and firewalls of Linode."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.linode_api import Api, Entity, NotFoundError
from offline.plugins.resource import Found, PluginError, Props, Resource


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
