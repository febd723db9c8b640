"""Other servers that sign users in to realm `ohif`, by OpenID Connect or SAML."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import pulumi
import pulumi_keycloak as keycloak

from components.keycloak.server import REALM
from public_paths import KEYCLOAK_PATH
from route import Role
from settings import LoginProvider, OpenIdProvider, SamlProvider


@dataclass(frozen=True, kw_only=True)
class Brokering:
    """What all providers share."""

    origin: pulumi.Output[str]
    roles: Mapping[str, keycloak.Role]
    second_factor: pulumi.Output[str] | None
    """Alias of a flow that follows the provider's login."""


class _Common(TypedDict):
    """Arguments of both kinds of resources."""

    realm: pulumi.Output[str]
    alias: str
    display_name: str
    gui_order: str
    enabled: bool
    validate_signature: bool
    backchannel_supported: bool
    store_token: bool
    trust_email: bool
    sync_mode: str
    first_broker_login_flow_alias: str
    post_broker_login_flow_alias: pulumi.Output[str] | None


def make_login_provider(
    name: str, position: int, provider: LoginProvider, brokering: Brokering, opts: pulumi.ResourceOptions
) -> None:
    """Offer a provider on the login page, and give its users the roles of their groups.

    Settings: Keycloak, Server Administration Guide, "Integrating identity providers". The roles are set again at
    each login. A user who has an account in the realm already must prove that it is theirs before the two are linked.
    """
    roles = brokering.roles
    common = _Common(
        realm=roles[Role.VIEWER].realm_id,
        alias=provider.name,
        display_name=provider.label,
        gui_order=str(position),
        enabled=True,
        validate_signature=True,
        backchannel_supported=False,
        store_token=False,
        trust_email=False,
        sync_mode="FORCE",
        first_broker_login_flow_alias="first broker login",
        post_broker_login_flow_alias=brokering.second_factor,
    )
    match provider:
        case OpenIdProvider():
            alias = _openid(name, provider, common, opts).alias
        case SamlProvider():
            alias = _saml(name, provider, common, brokering.origin, opts).alias
    for group, given in sorted(provider.groups.items()):
        for role in sorted(given):
            keycloak.AttributeToRoleIdentityMapper(
                f"{name}-{group}-{role}",
                realm=common["realm"],
                identity_provider_alias=alias,
                name=f"{group}: {role}",
                role=roles[role].name,
                extra_config={"syncMode": "INHERIT"},
                opts=opts,
                **_membership(provider, group),
            )


def _openid(
    name: str, provider: OpenIdProvider, common: _Common, opts: pulumi.ResourceOptions
) -> keycloak.oidc.IdentityProvider:
    return keycloak.oidc.IdentityProvider(
        name,
        **common,
        issuer=provider.issuer,
        authorization_url=provider.authorization_url,
        token_url=provider.token_url,
        jwks_url=provider.keys_url,
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        default_scopes=provider.scopes,
        # The ID token says all, in one request less.
        disable_user_info=True,
        extra_config={"pkceEnabled": "true", "pkceMethod": "S256", "clientAuthMethod": "client_secret_post"},
        opts=opts,
    )


def _saml(
    name: str, provider: SamlProvider, common: _Common, origin: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> keycloak.saml.IdentityProvider:
    by_attribute = provider.username_attribute is not None
    return keycloak.saml.IdentityProvider(
        name,
        **common,
        entity_id=pulumi.Output.concat(origin, f"{KEYCLOAK_PATH}/realms/{REALM}"),
        single_sign_on_service_url=provider.sign_on_url,
        signing_certificate=",".join(provider.signing_certificates),
        # Requests go by redirect: the content security policy of Keycloak's pages lets no form be sent elsewhere.
        post_binding_authn_request=False,
        post_binding_response=True,
        post_binding_logout=False,
        # The provider decides what it sends as the user's name.
        name_id_policy_format="Unspecified",
        principal_type="ATTRIBUTE" if by_attribute else "SUBJECT",
        principal_attribute=provider.username_attribute,
        # Assertions of another issuer are refused, though the same key signed them.
        extra_config={"idpEntityId": provider.entity_id, "allowCreate": "true"},
        opts=opts,
    )


def _membership(provider: LoginProvider, group: str) -> Mapping[str, str | None]:
    """What of the provider's answer means that a user is in a group."""
    match provider:
        case OpenIdProvider():
            return {"claim_name": provider.claim, "claim_value": group}
        case SamlProvider():
            return {"attribute_name": provider.attribute, "attribute_value": group}
