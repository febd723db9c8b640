"""One-time codes as a second factor of realm `ohif`: who is asked for one, and who may remove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_keycloak as keycloak

from route import Role
from settings import Mfa


@dataclass(frozen=True)
class Step:
    """A step of a flow that everybody has to take: one of Keycloak's authenticators, and its settings."""

    authenticator: str
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ConditionalSteps:
    """Steps for the users to whom all conditions among them apply (Server Administration Guide, "Conditions in
    conditional flows")."""

    name: str
    steps: Sequence[Step]


def _is_administrator(expected: bool) -> Step:
    return Step("conditional-user-role", {"condUserRole": Role.PACSADMIN, "negate": "false" if expected else "true"})


PASSWORD = Step("auth-username-password-form")
CODE = Step("auth-otp-form")
"""Keycloak makes users without a code enrol one before the sign-in ends, however and whenever they were created."""
HAS_CODE = Step("conditional-user-configured")
ALLOWED = Step("allow-access-authenticator")
"""Keycloak takes a flow of which no step applies to a user for a failed one."""
CODE_STEPS: Mapping[Mfa, Sequence[Step | ConditionalSteps]] = {
    Mfa.ADMINISTRATORS: (
        ConditionalSteps("administrators", (_is_administrator(True), CODE)),
        ConditionalSteps("others-with-code", (_is_administrator(False), HAS_CODE, CODE)),
    ),
    Mfa.REQUIRED: (CODE,),
}
"""What comes after the password. Keycloak's SSO cookie is no step of a sign-in: a session that another client of the
realm got by the password alone opens nothing."""

DEFAULT_ROLES = ("offline_access", "uma_authorization", "account/view-profile")
MANAGE_ACCOUNT = "account/manage-account"
"""Role by which users change their account over Keycloak's account API, which also deletes credentials."""


def offer_codes(name: str, realm: keycloak.Realm, mfa: Mfa, opts: pulumi.ResourceOptions) -> Sequence[pulumi.Resource]:
    """Enrolment of a code, and whether users may remove their own; what must be there before a user is made.

    Where somebody needs a code they may not: a password and one session would be enough to remove it and enrol another.
    A session older than a second enrols a further device only after a new sign-in with password and code
    (`max_auth_age`, which Keycloak compares in whole seconds).
    """
    # A default action stays with a user who is made while it is one.
    before_users = []
    if mfa is not Mfa.OFF:
        before_users.append(
            keycloak.RequiredAction(
                f"{name}-one-time-code",
                realm_id=realm.id,
                alias="CONFIGURE_TOTP",
                name="Set up a one-time code",
                enabled=True,
                default_action=mfa is Mfa.REQUIRED,
                config={"max_auth_age": "0"} if mfa.demands else None,
                opts=opts,
            )
        )
    keycloak.RequiredAction(
        f"{name}-code-removal",
        realm_id=realm.id,
        alias="delete_credential",
        name="Delete Credential",
        enabled=not mfa.demands,
        default_action=False,
        opts=opts,
    )
    keycloak.DefaultRoles(
        f"{name}-default-roles",
        realm_id=realm.id,
        default_roles=[*DEFAULT_ROLES, *([] if mfa.demands else [MANAGE_ACCOUNT])],
        opts=opts,
    )
    return before_users


def require_code(name: str, realm: keycloak.Realm, mfa: Mfa, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A browser flow with password and code; the id of the flow, known once all its steps are in place.

    Clients use the flow by an override of their own. The realm's bindings are not touched: each
    update of the realm by the Keycloak provider sets them back to what the state has.
    """
    flow, ready = _flow(
        f"{name}-code-flow",
        "password-and-code",
        "Password, then a one-time code, at every sign-in",
        (PASSWORD, *CODE_STEPS[mfa]),
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.id)


def require_code_of_provider(
    name: str, realm: keycloak.Realm, mfa: Mfa, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A flow that asks for a code after the login at another provider; its alias, known once its step is in place."""
    flow, ready = _flow(
        f"{name}-provider-code-flow",
        "code-after-provider",
        "A one-time code, after the login at another provider",
        CODE_STEPS[mfa] if mfa is Mfa.REQUIRED else (ALLOWED, *CODE_STEPS[mfa]),
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.alias)


def _flow(
    name: str,
    alias: str,
    description: str,
    steps: Sequence[Step | ConditionalSteps],
    realm: keycloak.Realm,
    opts: pulumi.ResourceOptions,
) -> tuple[keycloak.authentication.Flow, pulumi.Output[object]]:
    """A flow, and an output that is known once its steps are in place."""
    flow = keycloak.authentication.Flow(
        name, realm_id=realm.id, alias=alias, description=description, provider_id="basic-flow", opts=opts
    )
    made: list[pulumi.CustomResource] = []
    for position, step in enumerate(steps, start=1):
        if isinstance(step, Step):
            made += _step(name, flow.alias, step, position, realm, opts)
            continue
        subflow = keycloak.authentication.Subflow(
            f"{name}-{step.name}",
            realm_id=realm.id,
            parent_flow_alias=flow.alias,
            alias=f"{alias}-{step.name}",
            requirement="CONDITIONAL",
            priority=10 * position,
            opts=opts,
        )
        made.append(subflow)
        for inner_position, inner in enumerate(step.steps, start=1):
            made += _step(f"{name}-{step.name}", subflow.alias, inner, inner_position, realm, opts)
    return flow, pulumi.Output.all(*(it.id for it in made))


def _step(
    name: str,
    flow: pulumi.Output[str],
    step: Step,
    position: int,
    realm: keycloak.Realm,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.CustomResource]:
    execution = keycloak.authentication.Execution(
        f"{name}-{step.authenticator}",
        realm_id=realm.id,
        parent_flow_alias=flow,
        authenticator=step.authenticator,
        requirement="REQUIRED",
        priority=10 * position,
        opts=opts,
    )
    if not step.config:
        return [execution]
    settings = keycloak.authentication.ExecutionConfig(
        f"{name}-{step.authenticator}-settings",
        realm_id=realm.id,
        execution_id=execution.id,
        alias=f"{name}-{step.authenticator}",
        config=step.config,
        opts=opts,
    )
    return [execution, settings]
