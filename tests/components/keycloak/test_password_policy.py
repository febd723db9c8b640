"""Rules for passwords, in Keycloak's syntax."""

from components.keycloak.realm import password_policy
from settings import PasswordRules

USUAL = PasswordRules(
    length=12, digits=0, upper_case=0, lower_case=0, history=3, maximum_age_days=None, temporary=False
)


def test_usual_rules_are_those_that_running_stacks_have() -> None:
    wanted = "length(12) and notUsername(undefined) and notEmail(undefined) and passwordHistory(3)"
    assert password_policy(USUAL) == wanted


def test_every_rule_is_in_the_policy() -> None:
    strict = PasswordRules(
        length=16, digits=1, upper_case=1, lower_case=1, history=0, maximum_age_days=90, temporary=False
    )
    assert password_policy(strict) == (
        "length(16) and notUsername(undefined) and notEmail(undefined) and digits(1) and upperCase(1) and lowerCase(1) "
        "and forceExpiredPasswordChange(90)"
    )
