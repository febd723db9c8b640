"""The LDAP directory whose users sign in to realm `ohif`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak

from route import Role
from settings import Directory, DirectoryKind

CACHE_SECONDS = 60
"""How long Keycloak knows a user's groups without asking the directory; then a change there counts at the next renewal
of the access token."""
SYNC_SECONDS = 24 * 3600
"""Between two comparisons of all users. Who signs in is looked up at once in any case."""


@dataclass(frozen=True, kw_only=True)
class _Schema:
    """Names in a directory, as Keycloak's console fills them in for a vendor."""

    vendor: str
    username: str
    rdn: str
    uuid: str
    user_classes: tuple[str, ...]
    group_class: str
    nested_groups: bool
    """Whether members of a group within a group can be asked for (LDAP_MATCHING_RULE_IN_CHAIN)."""


SCHEMAS: Mapping[DirectoryKind, _Schema] = {
    DirectoryKind.ACTIVE_DIRECTORY: _Schema(
        vendor="AD",
        username="sAMAccountName",
        rdn="cn",
        uuid="objectGUID",
        user_classes=("person", "organizationalPerson", "user"),
        group_class="group",
        nested_groups=True,
    ),
    DirectoryKind.LDAP: _Schema(
        vendor="OTHER",
        username="uid",
        rdn="uid",
        uuid="entryUUID",
        user_classes=("inetOrgPerson", "organizationalPerson"),
        group_class="groupOfNames",
        nested_groups=False,
    ),
}


def make_directory(
    name: str, directory: Directory, roles: Mapping[str, keycloak.Role], opts: pulumi.ResourceOptions
) -> None:
    """Let the directory's users sign in, with the roles of their groups.

    Settings: Keycloak, Server Administration Guide, "Using external storage". Users are read only; a user that
    Keycloak has already keeps the name. Only the configured groups are read. Keycloak makes the mappers of name and
    e-mail itself, and for Active Directory those of disabled accounts and expired passwords.
    """
    realm = roles[Role.VIEWER].realm_id
    schema = SCHEMAS[directory.kind]
    username = directory.username_attribute or schema.username
    federation = keycloak.ldap.UserFederation(
        name,
        realm_id=realm,
        name="directory",
        enabled=True,
        vendor=schema.vendor,
        connection_url=directory.url,
        start_tls=directory.start_tls,
        use_truststore_spi="ALWAYS",
        bind_dn=directory.bind_dn,
        bind_credential=directory.bind_password,
        users_dn=directory.users_dn,
        search_scope="SUBTREE",
        custom_user_search_filter=directory.user_filter,
        username_ldap_attribute=username,
        rdn_ldap_attribute=schema.rdn,
        uuid_ldap_attribute=schema.uuid,
        user_object_classes=list(schema.user_classes),
        import_enabled=True,
        edit_mode="READ_ONLY",
        sync_registrations=False,
        # The operator vouches for the directory.
        trust_email=True,
        pagination=True,
        # A directory that does not answer holds a login up for no longer.
        connection_timeout="5s",
        read_timeout="10s",
        full_sync_period=SYNC_SECONDS,
        cache=keycloak.ldap.UserFederationCacheArgs(policy="MAX_LIFESPAN", max_lifespan=f"{CACHE_SECONDS // 60}m0s"),
        opts=opts,
    )
    for group, given in sorted(directory.groups.items()):
        made = keycloak.Group(f"{name}-group-{group}", realm_id=realm, name=group, opts=opts)
        keycloak.GroupRoles(
            f"{name}-group-{group}-roles",
            realm_id=realm,
            group_id=made.id,
            role_ids=[roles[role].id for role in sorted(given)],
            exhaustive=True,
            opts=opts,
        )
    if directory.groups:
        keycloak.ldap.GroupMapper(
            f"{name}-groups",
            realm_id=realm,
            ldap_user_federation_id=federation.id,
            name="groups",
            ldap_groups_dn=str(directory.groups_dn),
            groups_ldap_filter=groups_filter(directory.groups),
            group_name_ldap_attribute="cn",
            group_object_classes=[schema.group_class],
            membership_ldap_attribute="member",
            membership_attribute_type="DN",
            membership_user_ldap_attribute=username,
            preserve_group_inheritance=False,
            ignore_missing_groups=False,
            mode="READ_ONLY",
            user_roles_retrieve_strategy=(
                "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE_RECURSIVELY"
                if schema.nested_groups
                else "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE"
            ),
            drop_non_existing_groups_during_sync=False,
            groups_path="/",
            opts=opts,
        )


def groups_filter(groups: Iterable[str]) -> str:
    """An LDAP filter for groups by name (RFC 4515)."""
    return f"(|{''.join(f'(cn={_escaped(group)})' for group in sorted(groups))})"


def _escaped(value: str) -> str:
    return "".join(f"\\{ord(it):02x}" if it in "\\*()\0" else it for it in value)
