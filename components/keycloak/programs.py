"""Clients of the realm for programs that use DICOMweb with tokens."""

from collections.abc import Mapping

import pulumi
import pulumi_keycloak as keycloak

from components.keycloak.server import CLIENT_ID
from components.secrets import IdentitySecrets
from route import Role
from settings import Program


def make_program(
    name: str,
    program: Program,
    secrets: IdentitySecrets,
    roles: Mapping[str, keycloak.Role],
    sign_in_flow: keycloak.openid.ClientAuthenticationFlowBindingOverridesArgs | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Make the client of a program.

    One with roles gets tokens for its service account with its secret (RFC 6749, 4.4). One without gets them for a user
    who signs in with a code in a browser (RFC 8628), by `sign_in_flow` if a second factor is required. No program sees
    a password of a user.
    """
    realm = roles[Role.VIEWER].realm_id
    own = program.roles is not None
    client = keycloak.openid.Client(
        name,
        realm_id=realm,
        client_id=program.name,
        name=program.name,
        access_type="CONFIDENTIAL" if own else "PUBLIC",
        client_secret=secrets.programs[program.name] if own else None,
        service_accounts_enabled=own,
        oauth2_device_authorization_grant_enabled=not own,
        standard_flow_enabled=False,
        implicit_flow_enabled=False,
        direct_access_grants_enabled=False,
        authentication_flow_binding_overrides=None if own else sign_in_flow,
        opts=opts,
    )
    make_claims(name, client, opts)
    if program.roles:
        keycloak.UserRoles(
            f"{name}-account-roles",
            realm_id=realm,
            user_id=client.service_account_user_id,
            role_ids=[roles[role].id for role in sorted(program.roles)],
            exhaustive=False,
            opts=opts,
        )


def make_claims(name: str, client: keycloak.openid.Client, opts: pulumi.ResourceOptions) -> None:
    """Put what oauth2-proxy looks at into a client's tokens: the roles, and for whom the token is."""
    keycloak.openid.UserRealmRoleProtocolMapper(
        f"{name}-roles",
        realm_id=client.realm_id,
        client_id=client.id,
        name="realm roles in groups",
        claim_name="groups",
        multivalued=True,
        opts=opts,
    )
    keycloak.openid.AudienceProtocolMapper(
        f"{name}-audience",
        realm_id=client.realm_id,
        client_id=client.id,
        name="audience",
        included_client_audience=CLIENT_ID,
        opts=opts,
    )
