"""Realm `ohif` itself: session lengths, lock-out, and the attributes of users."""

from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak

from components.keycloak.server import REALM
from settings import PasswordRules, SignIn, Smtp

LOGIN_THEME = "ohif"


@dataclass(frozen=True, kw_only=True)
class LockOut:
    """When an account is locked for a while (Server Administration Guide, "Brute force attacks")."""

    failures: int
    wait_seconds: int
    longest_wait_seconds: int
    forget_seconds: int


SAVED_EVENTS = (
    "CODE_TO_TOKEN",
    "CODE_TO_TOKEN_ERROR",
    "LOGIN",
    "LOGOUT",
    "LOGOUT_ERROR",
    "REMOVE_CREDENTIAL",
    "REMOVE_CREDENTIAL_ERROR",
    "REMOVE_TOTP",
    "RESET_PASSWORD",
    "SEND_RESET_PASSWORD",
    "UPDATE_CREDENTIAL",
    "UPDATE_CREDENTIAL_ERROR",
    "UPDATE_EMAIL",
    "UPDATE_PASSWORD",
    "UPDATE_PASSWORD_ERROR",
    "UPDATE_PROFILE",
    "UPDATE_TOTP",
    "UPDATE_TOTP_ERROR",
    "USER_DISABLED_BY_TEMPORARY_LOCKOUT",
)
"""Events that Keycloak stores. Failed sign-ins and resets are not among them: they hold what was typed as the user
name, which may be a password. They are in the log, which leaves that out (components/keycloak/server.py)."""

LOCK_OUT = LockOut(failures=10, wait_seconds=60, longest_wait_seconds=15 * 60, forget_seconds=12 * 3600)
"""Ten wrong passwords, then a minute; a minute more with each further ten, at most a quarter of an hour: enough against
guessing, and nobody is locked out for good by a neighbour."""
LOGIN_SECONDS = 15 * 60
"""How long a login page can be used; as long as oauth2-proxy's cookie for it. Keycloak keeps every login that was
started in its memory for so long."""


def make_realm(name: str, sign_in: SignIn, opts: pulumi.ResourceOptions) -> keycloak.Realm:
    """The realm.

    Settings: Keycloak, Server Administration Guide, "Configuring realms", "Mitigating security threats". Nobody can
    register, and "forgot password" is shown only where mail can be sent.
    """
    return keycloak.Realm(
        name,
        realm=REALM,
        display_name="Image viewer",
        login_theme=LOGIN_THEME,
        ssl_required="external" if sign_in.secure else "none",
        registration_allowed=False,
        # Keycloak's own reset by mail enrols a new code too, so the mailbox alone would be enough.
        reset_password_allowed=sign_in.smtp is not None and not sign_in.mfa.demands,
        edit_username_allowed=False,
        remember_me=False,
        password_policy=password_policy(sign_in.password_rules),
        access_token_lifespan=_lifespan(sign_in.sessions.access_token),
        access_code_lifespan_login=_lifespan(LOGIN_SECONDS),
        sso_session_idle_timeout=_lifespan(sign_in.sessions.idle),
        sso_session_max_lifespan=_lifespan(sign_in.sessions.maximum),
        security_defenses=keycloak.RealmSecurityDefensesArgs(
            brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(
                max_login_failures=LOCK_OUT.failures,
                wait_increment_seconds=LOCK_OUT.wait_seconds,
                max_failure_wait_seconds=LOCK_OUT.longest_wait_seconds,
                failure_reset_time_seconds=LOCK_OUT.forget_seconds,
                # No extra wait for two wrong ones in quick succession: two requests a minute would keep a user out.
                # The gateway bounds how fast one address can guess.
                quick_login_check_milli_seconds=0,
                minimum_quick_login_wait_seconds=0,
            ),
            headers=keycloak.RealmSecurityDefensesHeadersArgs(
                content_security_policy=(
                    "default-src 'self'; script-src 'self' 'unsafe-inline'; "
                    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
                    "connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; form-action 'self'; "
                    "base-uri 'self'; object-src 'none'"
                ),
                x_frame_options="SAMEORIGIN",
                x_content_type_options="nosniff",
                referrer_policy="no-referrer",
                x_robots_tag="none",
                strict_transport_security="max-age=31536000",
            ),
        ),
        smtp_server=_smtp_server(sign_in.smtp),
        web_authn_policy=passkey_policy() if sign_in.passkeys else None,
        opts=opts,
    )


def make_user_profile(name: str, realm: keycloak.Realm, opts: pulumi.ResourceOptions) -> None:
    """Keycloak's default profile, but name and e-mail may be missing.

    With its default, a user without them is stopped after the first login by a form that asks for them.
    """
    permissions = keycloak.RealmUserProfileAttributePermissionsArgs(views=["admin", "user"], edits=["admin", "user"])
    keycloak.RealmUserProfile(
        name,
        realm_id=realm.id,
        attributes=[
            keycloak.RealmUserProfileAttributeArgs(
                name=attribute,
                display_name=f"${{{attribute}}}",
                permissions=permissions,
                validators=[
                    keycloak.RealmUserProfileAttributeValidatorArgs(name=validator, config=config)
                    for validator, config in validators.items()
                ],
            )
            for attribute, validators in {
                "username": {"length": {"min": "3", "max": "255"}},
                "email": {"length": {"max": "255"}, "email": {}},
                "firstName": {"length": {"max": "255"}},
                "lastName": {"length": {"max": "255"}},
            }.items()
        ],
        opts=opts,
    )


def password_policy(rules: PasswordRules) -> str:
    """Rules in Keycloak's syntax (Server Administration Guide, "Password policies")."""
    counted = {
        "length": rules.length,
        "digits": rules.digits,
        "upperCase": rules.upper_case,
        "lowerCase": rules.lower_case,
        "passwordHistory": rules.history,
        "forceExpiredPasswordChange": rules.maximum_age_days,
    }
    parts = [f"{name}({number})" for name, number in counted.items() if number]
    return " and ".join([parts[0], "notUsername(undefined)", "notEmail(undefined)", *parts[1:]])


def passkey_policy() -> keycloak.RealmWebAuthnPolicyArgs:
    """Passkeys and security keys as a second factor (Server Administration Guide, "WebAuthn").

    The password is the other factor, so a key without a PIN or fingerprint will do.
    """
    return keycloak.RealmWebAuthnPolicyArgs(
        relying_party_entity_name="Image viewer",
        signature_algorithms=["ES256", "EdDSA", "RS256"],
        attestation_conveyance_preference="none",
        user_verification_requirement="preferred",
        avoid_same_authenticator_register=True,
        create_timeout=0,
    )


def _lifespan(seconds: int) -> str:
    """A duration in the only form that the provider takes and gives back unchanged."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}h{rest // 60}m{rest % 60}s"


def _smtp_server(smtp: Smtp | None) -> keycloak.RealmSmtpServerArgs | None:
    if smtp is None:
        return None
    return keycloak.RealmSmtpServerArgs(
        host=smtp.host,
        port=str(smtp.port),
        from_=smtp.sender,
        starttls=smtp.start_tls,
        auth=None
        if smtp.user is None or smtp.password is None
        else keycloak.RealmSmtpServerAuthArgs(username=smtp.user, password=smtp.password),
    )
