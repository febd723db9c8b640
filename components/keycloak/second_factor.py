"""One-time codes as a second factor of realm `ohif`: who is asked for one, and who may remove it."""

from collections.abc import Sequence

import pulumi
import pulumi_keycloak as keycloak

from settings import Mfa

BROWSER_STEPS = ("auth-username-password-form", "auth-otp-form")
"""Authenticators of a sign-in with a password and a code, in this order. Keycloak's SSO cookie is not among them: a
session that another client of the realm got by the password alone opens nothing."""

DEFAULT_ROLES = ("offline_access", "uma_authorization", "account/view-profile")
MANAGE_ACCOUNT = "account/manage-account"
"""Role by which users change their account over Keycloak's account API, which also deletes credentials."""


def offer_codes(name: str, realm: keycloak.Realm, mfa: Mfa, opts: pulumi.ResourceOptions) -> None:
    """Enrolment of a code, and whether users may remove their own.

    With `required` they may not: a password and one session would be enough to remove the code and enrol another.
    A session older than a second enrols a further device only after a new sign-in with password and code
    (`max_auth_age`, which Keycloak compares in whole seconds).
    """
    required = mfa is Mfa.REQUIRED
    if mfa is not Mfa.OFF:
        keycloak.RequiredAction(
            f"{name}-one-time-code",
            realm_id=realm.id,
            alias="CONFIGURE_TOTP",
            name="Set up a one-time code",
            enabled=True,
            default_action=required,
            config={"max_auth_age": "0"} if required else None,
            opts=opts,
        )
    keycloak.RequiredAction(
        f"{name}-code-removal",
        realm_id=realm.id,
        alias="delete_credential",
        name="Delete Credential",
        enabled=not required,
        default_action=False,
        opts=opts,
    )
    keycloak.DefaultRoles(
        f"{name}-default-roles",
        realm_id=realm.id,
        default_roles=[*DEFAULT_ROLES, *([] if required else [MANAGE_ACCOUNT])],
        opts=opts,
    )


def require_code(name: str, realm: keycloak.Realm, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A browser flow with password and code; the id of the flow, known once all its steps are in place.

    The code's step is REQUIRED: Keycloak makes users without a code enrol one before the sign-in ends, however and
    whenever they were created.

    Clients use the flow by an override of their own. The realm's bindings are not touched: each
    update of the realm by the Keycloak provider sets them back to what the state has.
    """
    flow, ready = _flow(
        f"{name}-code-flow",
        "password-and-code",
        "Password, then a one-time code, at every sign-in",
        BROWSER_STEPS,
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.id)


def require_code_of_provider(name: str, realm: keycloak.Realm, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A flow that asks for a code after the login at another provider; its alias, known once its step is in place."""
    flow, ready = _flow(
        f"{name}-provider-code-flow",
        "code-after-provider",
        "A one-time code, after the login at another provider",
        BROWSER_STEPS[1:],
        realm,
        opts,
    )
    return ready.apply(lambda _: flow.alias)


def _flow(
    name: str, alias: str, description: str, steps: Sequence[str], realm: keycloak.Realm, opts: pulumi.ResourceOptions
) -> tuple[keycloak.authentication.Flow, pulumi.Output[object]]:
    """A flow whose steps are all required, and an output that is known once they are in place."""
    flow = keycloak.authentication.Flow(
        name, realm_id=realm.id, alias=alias, description=description, provider_id="basic-flow", opts=opts
    )
    executions = [
        keycloak.authentication.Execution(
            f"{name}-{authenticator}",
            realm_id=realm.id,
            parent_flow_alias=flow.alias,
            authenticator=authenticator,
            requirement="REQUIRED",
            priority=10 * position,
            opts=opts,
        )
        for position, authenticator in enumerate(steps, start=1)
    ]
    return flow, pulumi.Output.all(*(it.id for it in executions))
