"""The realm with its client, roles and users, inside a running Keycloak."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak

from components.keycloak.directory import make_directory
from components.keycloak.login_providers import Brokering, make_login_provider
from components.keycloak.programs import make_claims, make_program
from components.keycloak.realm import SAVED_EVENTS, make_realm, make_user_profile
from components.keycloak.second_factor import (
    flow_after_provider,
    offer_second_factors,
    sign_in_flow,
)
from components.keycloak.server import CLIENT_ID
from components.secrets import IdentitySecrets
from public_paths import AUTH_PROXY_PATH, KEYCLOAK_PATH
from route import Role
from settings import CONSOLE_USER, SignIn

EVENT_DAYS = 90
SECONDS_PER_DAY = 24 * 3600

ROLE_DESCRIPTIONS: Mapping[str, str] = {
    Role.VIEWER: "Reads studies",
    Role.REPORTER: "Reads studies, stores measurements and segmentations",
    Role.PACSADMIN: "Administers the archive",
}


@dataclass(frozen=True)
class IdentityArgs:
    """Contents of the realm, and how to reach Keycloak."""

    origin: pulumi.Output[str]
    """Known once Keycloak answers there: its provider logs in once, without a retry."""
    sign_in: SignIn
    secrets: IdentitySecrets
    lasts_with: pulumi.Resource
    """When this leaves the stack, all that Keycloak stores is out of its reach."""


class Identity(pulumi.ComponentResource):
    """Realm `ohif` with its confidential client `ohif_viewer`, realm roles and users.

    Reached through the gateway with Keycloak's own admin API. A user's password counts at creation only: later
    it is the user's own. It does not delete users whom the console made.
    """

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Identity", name, None, opts)
        origin = args.origin
        provider = keycloak.Provider(
            f"{name}-keycloak",
            url=origin,
            base_path=KEYCLOAK_PATH,
            root_ca_certificate=args.sign_in.ca_certificate,
            client_id="admin-cli",
            username=CONSOLE_USER,
            password=args.secrets.console,
            # Making a realm takes Keycloak many seconds on a busy machine, and given up it would be half known.
            client_timeout=120,
            # A preview needs no server.
            initial_login=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # What Keycloak holds goes with its database: a destroy need not take it apart, so it works when Keycloak
        # is down.
        child = pulumi.ResourceOptions(parent=self, provider=provider, deleted_with=args.lasts_with)

        realm = make_realm(f"{name}-realm", args.sign_in, child)
        keycloak.RealmEvents(
            f"{name}-events",
            realm_id=realm.id,
            events_enabled=True,
            events_expiration=EVENT_DAYS * SECONDS_PER_DAY,
            admin_events_enabled=True,
            enabled_event_types=list(SAVED_EVENTS),
            events_listeners=["jboss-logging"],
            opts=child,
        )
        make_user_profile(f"{name}-user-profile", realm, child)
        before_users = offer_second_factors(name, realm, args.sign_in, child)
        flow = (
            keycloak.openid.ClientAuthenticationFlowBindingOverridesArgs(
                browser_id=sign_in_flow(name, realm, args.sign_in, child)
            )
            if args.sign_in.mfa.demands
            else None
        )
        descriptions = {
            **ROLE_DESCRIPTIONS,
            **args.sign_in.rights_roles,
        }
        roles = {
            role: keycloak.Role(
                f"{name}-role-{role}", realm_id=realm.id, name=role, description=description, opts=child
            )
            for role, description in descriptions.items()
        }
        client = keycloak.openid.Client(
            f"{name}-client",
            realm_id=realm.id,
            client_id=CLIENT_ID,
            name="Image viewer",
            client_secret=args.secrets.client,
            access_type="CONFIDENTIAL",
            standard_flow_enabled=True,
            implicit_flow_enabled=False,
            direct_access_grants_enabled=False,
            service_accounts_enabled=False,
            pkce_code_challenge_method="S256",
            # Exact, from the one endpoint: a redirect elsewhere cannot happen, and "invalid redirect_uri" neither.
            valid_redirect_uris=[pulumi.Output.concat(origin, f"{AUTH_PROXY_PATH}/callback")],
            valid_post_logout_redirect_uris=[pulumi.Output.concat(origin, "/")],
            web_origins=[],
            base_url=pulumi.Output.concat(origin, "/"),
            frontchannel_logout_enabled=False,
            authentication_flow_binding_overrides=flow,
            opts=child,
        )
        make_claims(f"{name}-client", client, child)
        for program in args.sign_in.programs:
            make_program(f"{name}-program-{program.name}", program, args.secrets, roles, flow, child)
        if args.sign_in.directory:
            make_directory(f"{name}-directory", args.sign_in.directory, roles, child)
        providers = args.sign_in.login_providers
        brokering = Brokering(
            origin=origin,
            roles=roles,
            second_factor=flow_after_provider(name, realm, args.sign_in, child)
            if providers and args.sign_in.mfa.demands
            else None,
        )
        for position, offered in enumerate(providers):
            make_login_provider(f"{name}-provider-{offered.name}", position, offered, brokering, child)
        for user in args.sign_in.users:
            account = keycloak.User(
                f"{name}-user-{user.name}",
                realm_id=realm.id,
                username=user.name,
                enabled=True,
                email=user.email,
                # The operator vouches for the address; without it Keycloak would ask for a mail that it can't send.
                email_verified=user.email is not None,
                first_name=user.first_name,
                last_name=user.last_name,
                # Without effect on a user who exists.
                initial_password=keycloak.UserInitialPasswordArgs(
                    value=args.secrets.users[user.name], temporary=args.sign_in.password_rules.temporary
                ),
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=before_users)),
            )
            keycloak.UserRoles(
                f"{name}-user-{user.name}-roles",
                realm_id=realm.id,
                user_id=account.id,
                role_ids=[roles[role].id for role in sorted(user.roles)],
                # Keycloak's own default roles stay with the user.
                exhaustive=False,
                opts=child,
            )
        self.register_outputs({})
