"""Second factors of realm `ohif`, one-time codes and passkeys: who is asked for one, and who may remove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_keycloak as keycloak

from route import Role
from settings import Mfa, SignIn


@dataclass(frozen=True)
class Step:
    """A step of a flow: one of Keycloak's authenticators, and its settings."""

    authenticator: str
    config: Mapping[str, str] = field(default_factory=dict)
    requirement: str = "REQUIRED"


@dataclass(frozen=True)
class Steps:
    """Steps within a flow (Server Administration Guide, "Creating flows", "Conditions in conditional flows").

    `CONDITIONAL`: for the users to whom all conditions among them apply. `ALTERNATIVE`: in place of those next to them.
    """

    name: str
    steps: Sequence["Step | Steps"]
    requirement: str = "CONDITIONAL"


def _is_administrator(expected: bool) -> Step:
    return Step("conditional-user-role", {"condUserRole": Role.PACSADMIN, "negate": "false" if expected else "true"})


PASSWORD = Step("auth-username-password-form")
CODE = Step("auth-otp-form")
"""Keycloak makes users without a code enrol one before the sign-in ends, however and whenever they were created."""
PASSKEY_OR_CODE = Steps(
    "passkey-or-code",
    (Step("webauthn-authenticator", requirement="ALTERNATIVE"), Steps("code", (CODE,), "ALTERNATIVE")),
    "REQUIRED",
)
"""Who has a passkey may use it; who has neither enrols a code, as that step by itself is a required one."""
HAS_CODE = Step("conditional-user-configured")
ALLOWED = Step("allow-access-authenticator")
"""Keycloak takes a flow of which no step applies to a user for a failed one."""

DEFAULT_ROLES = ("offline_access", "uma_authorization", "account/view-profile")
MANAGE_ACCOUNT = "account/manage-account"
"""Role by which users change their account over Keycloak's account API, which also deletes credentials."""


def after_password(sign_in: SignIn) -> Sequence[Step | Steps]:
    """What comes after the password where a second factor is demanded.

    Keycloak's SSO cookie is no step of a sign-in: a session that another client of the realm got by the password alone
    opens nothing.
    """
    if sign_in.mfa is Mfa.REQUIRED:
        return (PASSKEY_OR_CODE if sign_in.passkeys else CODE,)
    return (
        Steps("administrators", (_is_administrator(True), CODE)),
        Steps("others-with-code", (_is_administrator(False), HAS_CODE, CODE)),
    )


def offer_second_factors(
    name: str, realm: keycloak.Realm, sign_in: SignIn, opts: pulumi.ResourceOptions
) -> Sequence[pulumi.Resource]:
    """Enrolment of a code and of passkeys, and whether users may remove their own; what must be there before a user is
    made.

    Where somebody needs a code they may not: a password and one session would be enough to remove it and enrol another.
    A session older than a second enrols a further device only after a new sign-in with password and code
    (`max_auth_age`, which Keycloak compares in whole seconds).
    """
    mfa = sign_in.mfa
    recent = {"max_auth_age": "0"} if mfa.demands else None
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
                config=recent,
                opts=opts,
            )
        )
    if sign_in.passkeys:
        keycloak.RequiredAction(
            f"{name}-passkey",
            realm_id=realm.id,
            alias="webauthn-register",
            name="Set up a passkey",
            enabled=True,
            default_action=False,
            config=recent,
            opts=opts,
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


def sign_in_flow(name: str, realm: keycloak.Realm, sign_in: SignIn, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A browser flow with password and second factor; the id of the flow, known once all its steps are in place.

    Clients use the flow by an override of their own. The realm's bindings are not touched: each
    update of the realm by the Keycloak provider sets them back to what the state has.
    """
    flow, ready = _flow(
        f"{name}-code-flow",
        "password-and-code",
        "Password, then a one-time code, at every sign-in",
        (PASSWORD, *after_password(sign_in)),
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.id)


def flow_after_provider(
    name: str, realm: keycloak.Realm, sign_in: SignIn, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A flow that asks for a second factor after the login at another provider; its alias, known once its steps are in
    place."""
    steps = after_password(sign_in)
    flow, ready = _flow(
        f"{name}-provider-code-flow",
        "code-after-provider",
        "A one-time code, after the login at another provider",
        steps if sign_in.mfa is Mfa.REQUIRED else (ALLOWED, *steps),
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.alias)


def _flow(
    name: str,
    alias: str,
    description: str,
    steps: Sequence[Step | Steps],
    realm: keycloak.Realm,
    opts: pulumi.ResourceOptions,
) -> tuple[keycloak.authentication.Flow, pulumi.Output[object]]:
    """A flow, and an output that is known once its steps are in place."""
    flow = keycloak.authentication.Flow(
        name, realm_id=realm.id, alias=alias, description=description, provider_id="basic-flow", opts=opts
    )
    made = _made(name, alias, flow.alias, steps, realm, opts)
    return flow, pulumi.Output.all(*(it.id for it in made))


def _made(
    name: str,
    prefix: str,
    parent: pulumi.Output[str],
    steps: Sequence[Step | Steps],
    realm: keycloak.Realm,
    opts: pulumi.ResourceOptions,
) -> list[pulumi.CustomResource]:
    """Resources for the steps of a flow, those within others too."""
    made: list[pulumi.CustomResource] = []
    for position, step in enumerate(steps, start=1):
        if isinstance(step, Step):
            made += _step(name, parent, step, position, realm, opts)
            continue
        subflow = keycloak.authentication.Subflow(
            f"{name}-{step.name}",
            realm_id=realm.id,
            parent_flow_alias=parent,
            alias=f"{prefix}-{step.name}",
            requirement=step.requirement,
            priority=10 * position,
            opts=opts,
        )
        inner = _made(f"{name}-{step.name}", f"{prefix}-{step.name}", subflow.alias, step.steps, realm, opts)
        made += [subflow, *inner]
    return made


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
        requirement=step.requirement,
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
