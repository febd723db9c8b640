"""Realm `ohif` itself: how long a session lasts, how a guesser is held off, what a person is."""

import pulumi
import pulumi_keycloak as keycloak

from components.keycloak import REALM
from settings import Settings, Smtp

LOGIN_THEME = "ohif"

PASSWORD_POLICY = "length(12) and notUsername(undefined) and notEmail(undefined) and passwordHistory(3)"  # noqa: S105
"""For passwords that persons choose. Length over character classes: NIST SP 800-63B, 5.1.1."""


def make_realm(name: str, told: Settings, opts: pulumi.ResourceOptions) -> keycloak.Realm:
    """The realm.

    Settings: Keycloak, Server Administration Guide, "Configuring realms", "Mitigating security threats". Nobody can
    register, and "forgot password" is shown only where mail can be sent.
    """
    return keycloak.Realm(
        name,
        realm=REALM,
        display_name="Image viewer",
        login_theme=LOGIN_THEME,
        ssl_required="external" if told.secure else "none",
        registration_allowed=False,
        reset_password_allowed=told.smtp is not None,
        edit_username_allowed=False,
        remember_me=False,
        password_policy=PASSWORD_POLICY,
        access_token_lifespan=_lifespan(told.sessions.access_token),
        sso_session_idle_timeout=_lifespan(told.sessions.idle),
        sso_session_max_lifespan=_lifespan(told.sessions.maximum),
        security_defenses=keycloak.RealmSecurityDefensesArgs(
            brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(
                # Ten wrong passwords, then a minute that grows with each further one, at most a quarter of
                # an hour: enough against guessing, and nobody is locked out for good by a neighbour.
                max_login_failures=10,
                wait_increment_seconds=60,
                max_failure_wait_seconds=15 * 60,
                failure_reset_time_seconds=12 * 3600,
                quick_login_check_milli_seconds=1000,
                minimum_quick_login_wait_seconds=60,
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
        smtp_server=_smtp_server(told.smtp),
        opts=opts,
    )


def make_user_profile(name: str, realm: keycloak.Realm, opts: pulumi.ResourceOptions) -> None:
    """Keycloak's default profile, but name and e-mail may be missing.

    With its default, a person without them is stopped after the first login by a form that asks for them.
    """
    persons = keycloak.RealmUserProfileAttributePermissionsArgs(views=["admin", "user"], edits=["admin", "user"])
    keycloak.RealmUserProfile(
        name,
        realm_id=realm.id,
        attributes=[
            keycloak.RealmUserProfileAttributeArgs(
                name=attribute,
                display_name=f"${{{attribute}}}",
                permissions=persons,
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
