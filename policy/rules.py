"""All policy rules, in one list: the tests check it in every combination of settings, the policy pack in a stack."""

from __future__ import annotations

from policy import containers, federation, identity, virtual_machine
from policy.rule import AnyRule

RULES: tuple[AnyRule, ...] = (*containers.RULES, *identity.RULES, *federation.RULES, *virtual_machine.RULES)
