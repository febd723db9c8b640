"""The policy pack: `pulumi preview --policy-pack policy`. docs/how-to/check-policies.md describes it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi_policy

# Pulumi runs this directory by its path, so the package around it has to be made importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from policy.rule import AnyRule, Rule
from policy.rules import RULES


@dataclass(frozen=True)
class Analyzed:
    """A resource as the engine hands it to the pack."""

    urn: str
    type: str
    inputs: Mapping[str, Any]


def as_policy(rule: AnyRule) -> pulumi_policy.Policy:
    """The rule in the form of Pulumi's policy SDK; a violation stops the operation."""
    if isinstance(rule, Rule):

        def validate(args: pulumi_policy.ResourceValidationArgs, report: pulumi_policy.ReportViolation) -> None:
            if args.resource_type in rule.types:
                for problem in rule.check(Analyzed(args.urn, args.resource_type, args.props)):
                    report(str(problem), None)

        return pulumi_policy.ResourceValidationPolicy(rule.name, rule.description, validate)

    def validate_stack(args: pulumi_policy.StackValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        resources = [Analyzed(it.urn, it.resource_type, it.props) for it in args.resources]
        for problem in rule.check(resources):
            report(str(problem), problem.urn or None)

    return pulumi_policy.StackValidationPolicy(rule.name, rule.description, validate_stack)


pulumi_policy.PolicyPack(
    name="ohif",
    enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY,
    policies=[as_policy(rule) for rule in RULES],
)
