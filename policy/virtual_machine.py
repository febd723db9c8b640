"""Rules for the virtual machine at Linode, its firewall and its volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from policy.rule import (
    FIREWALL,
    INSTANCE,
    LINODE_VOLUME,
    AnyRule,
    Problem,
    Problems,
    Resource,
    Rule,
    StackRule,
    of_type,
    stack_of,
)

PROJECT = "ohif"
LABEL_LENGTH = range(3, 33)
"""Names that Linode accepts."""


def firewall_is_closed(firewall: Resource) -> Problems:
    if firewall.inputs.get("inboundPolicy") != "DROP":
        yield Problem("the firewall accepts traffic without a rule", 'set inbound_policy to "DROP"')
    if firewall.inputs.get("outboundPolicy") != "ACCEPT":
        yield Problem("the VM has no egress for updates and images", 'set outbound_policy to "ACCEPT"')
    rules = list(firewall.inputs.get("inbounds") or ())
    for rule in rules:
        if (rule.get("action"), rule.get("protocol")) != ("ACCEPT", "TCP"):
            yield Problem(f"rule {rule.get('label')} is not ACCEPT for TCP", "describe one open TCP port per rule")
        if not (rule.get("ipv4s") or rule.get("ipv6s")):
            yield Problem(f"rule {rule.get('label')} names no sources", "name the networks that may connect")
        if len(rule.get("label") or "") not in LABEL_LENGTH:
            yield Problem(f"rule label {rule.get('label')!r} is rejected by Linode", "use 3 to 32 characters")
    for port, count in Counter(rule.get("ports") for rule in rules).items():
        if count > 1:
            yield Problem(f"{count} rules open port {port}", "merge them into one rule")


def firewall_does_not_list_vm(firewall: Resource) -> Problems:
    if "linodes" in set(firewall.inputs):
        yield Problem(
            "the firewall would be attached after the VM started", "attach it from the VM: set firewall_id there"
        )


def vm_has_firewall(instance: Resource) -> Problems:
    if "firewallId" not in set(instance.inputs):
        yield Problem("the VM starts without a firewall", "set firewall_id")


def vm_is_closed(instance: Resource) -> Problems:
    for key in ("authorizedKeys", "authorizedUsers", "stackscriptId"):
        if key in set(instance.inputs) and instance.inputs[key]:
            yield Problem(f"{key} lets users in as root", f"remove {key}: cloud-init creates the only user")


def disks_are_encrypted(resource: Resource) -> Problems:
    key = {INSTANCE: "diskEncryption", LINODE_VOLUME: "encryption"}[resource.type]
    if resource.inputs.get(key) != "enabled":
        yield Problem("data lies unencrypted on Linode's disks", f'set {key} to "enabled"')


def names_are_of_stack(resource: Resource) -> Problems:
    stack, label = stack_of(resource), resource.inputs.get("label") or ""
    if label != f"{PROJECT}-{stack}" and not label.startswith(f"{PROJECT}-{stack}-"):
        yield Problem(f"label {label!r} could collide with another stack", f"begin it with {PROJECT}-{stack}")
    if len(label) not in LABEL_LENGTH:
        yield Problem(f"Linode rejects the label {label!r}", "use a shorter stack name: labels have 3 to 32 characters")
    if sorted(resource.inputs.get("tags") or ()) != sorted([PROJECT, stack]):
        yield Problem(f"{label} cannot be found by the stack's tags", f"set the tags {PROJECT} and {stack}")


def one_firewall(resources: Sequence[Resource]) -> Problems:
    if of_type(resources, INSTANCE) and len(of_type(resources, FIREWALL)) != 1:
        yield Problem("the stack has a VM and not exactly one firewall", "declare the firewall in the same component")


RULES: tuple[AnyRule, ...] = (
    Rule("firewall", "The firewall opens named TCP ports only.", (FIREWALL,), firewall_is_closed),
    Rule("firewall-first", "The firewall exists before the VM.", (FIREWALL,), firewall_does_not_list_vm),
    Rule("vm-firewall", "The VM starts behind its firewall.", (INSTANCE,), vm_has_firewall),
    Rule("vm-access", "The VM accepts no login as root.", (INSTANCE,), vm_is_closed),
    Rule("encryption", "Disks and volumes are encrypted.", (INSTANCE, LINODE_VOLUME), disks_are_encrypted),
    Rule("linode-names", "Labels and tags contain the stack.", (INSTANCE, FIREWALL, LINODE_VOLUME), names_are_of_stack),
    StackRule("one-firewall", "A VM has exactly one firewall.", one_firewall),
)
