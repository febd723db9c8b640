"""The directory whose users may sign in."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

import pulumi

from settings import parsing
from settings.model.federation import Directory, DirectoryKind, GroupRoles
from settings.parsing import ConfigurationError
from settings.tls import certificates
from settings.users import granted

DIRECTORY_FIELDS = frozenset(
    {"kind", "url", "startTls", "caCertificate", "bindDn", "bindPassword", "usersDn", "userFilter"}
    | {"usernameAttribute", "groupsDn", "groups"}
)


def directory(config: pulumi.Config, of_rights: Collection[str]) -> Directory | None:
    """The LDAP directory; `None` without one."""
    entry = parsing.fields(config, "directory", DIRECTORY_FIELDS)
    if not entry:
        return None
    text = {name: parsing.text("directory", entry, name) for name in DIRECTORY_FIELDS - {"groups", "startTls", "kind"}}
    missing = [name for name in ("url", "bindDn", "bindPassword", "usersDn") if text[name] is None]
    if missing:
        raise ConfigurationError("directory", f"needs {', '.join(missing)}.")
    url, start_tls = str(text["url"]), entry.get("startTls", False)
    check_url("directory.url", url, "ldap", "ldaps")
    if not isinstance(start_tls, bool) or start_tls == url.startswith("ldaps:"):
        raise ConfigurationError(
            "directory.url", "passwords need encryption: use ldaps://, or ldap:// together with startTls: true."
        )
    user_filter = text["userFilter"]
    if user_filter and not (user_filter.startswith("(") and user_filter.endswith(")")):
        raise ConfigurationError("directory.userFilter", f"{user_filter!r} is no LDAP filter in parentheses.")
    groups = group_roles("directory.groups", entry.get("groups", {}), of_rights)
    if groups and text["groupsDn"] is None:
        raise ConfigurationError("directory", "needs groupsDn, below which the groups are.")
    return Directory(
        kind=parsing.one_of("directory.kind", entry.get("kind"), DirectoryKind),
        url=url,
        start_tls=start_tls,
        ca_certificate=certificate("directory.caCertificate", text["caCertificate"]),
        bind_dn=str(text["bindDn"]),
        bind_password=pulumi.Output.secret(str(text["bindPassword"])),
        users_dn=str(text["usersDn"]),
        user_filter=user_filter,
        username_attribute=text["usernameAttribute"],
        groups_dn=text["groupsDn"],
        groups=groups,
    )


def check_url(key: str, url: str, *schemes: str) -> None:
    """Reject what is no address with one of these schemes."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\]", url):
        raise ConfigurationError(
            key, f"{url!r} is not an address that begins with {' or '.join(f'{it}://' for it in schemes)}"
        )


def certificate(key: str, value: str | None) -> str | None:
    """Certificates in PEM, if there are any."""
    if value is not None:
        certificates(key, value)
    return value


def group_roles(key: str, value: object, of_rights: Collection[str]) -> GroupRoles:
    """A map of groups to lists of roles."""
    if not isinstance(value, dict):
        raise ConfigurationError(key, "must be a map of groups to lists of roles.")
    for group in value:
        if not str(group).strip() or "/" in str(group):
            raise ConfigurationError(key, f"{group!r} is not the name of a group; it has no slash.")
    return {str(group): frozenset(granted(f"{key}.{group}", roles, of_rights)) for group, roles in value.items()}
