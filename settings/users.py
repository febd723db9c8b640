"""Users, programs, and the mail server that reaches users."""

import re
from collections.abc import Collection, Container, Mapping, Sequence

import pulumi

from route import SHARER, Role, group_role
from settings import parsing
from settings.model.sign_in import CONSOLE_USER, Mfa, PasswordRules, Program, Smtp, User
from settings.parsing import ConfigurationError

KEYCLOAK_CLIENTS = frozenset(
    {"account", "account-console", "admin-cli", "broker", "ohif_viewer", "realm-management", "security-admin-console"}
)
"""Clients that the realm has already."""
PASSWORD_RULES: Mapping[str, tuple[int, int, int]] = {
    "length": (12, 12, 20),
    "digits": (0, 0, 1),
    "upperCase": (0, 0, 1),
    "lowerCase": (0, 0, 1),
    "history": (3, 0, 24),
    "maximumAgeDays": (0, 0, 3650),
}
"""Default, least and most of each rule. Length over character classes: NIST SP 800-63B, 5.1.1. A generated password has
20 letters and digits, one of each kind at least."""
NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


def users(config: pulumi.Config, of_rights: Collection[str]) -> tuple[User, ...]:
    found: list[User] = []
    for position, entry in enumerate(parsing.items(config, "users")):
        key = f"users[{position}]"
        parsing.refuse_fields(key, entry, frozenset({"name", "roles", "email", "firstName", "lastName"}))
        name = _name(key, entry, "users", {user.name for user in found})
        if name == CONSOLE_USER:
            raise ConfigurationError(key, f"the name {name} belongs to Keycloak's console; take another.")
        found.append(
            User(
                name=name,
                roles=frozenset(granted(key, entry.get("roles", []), of_rights)),
                email=parsing.text(key, entry, "email"),
                first_name=parsing.text(key, entry, "firstName"),
                last_name=parsing.text(key, entry, "lastName"),
            )
        )
    return tuple(found)


def programs(config: pulumi.Config, of_rights: Collection[str]) -> tuple[Program, ...]:
    found: list[Program] = []
    for position, entry in enumerate(parsing.items(config, "programs")):
        key = f"programs[{position}]"
        parsing.refuse_fields(key, entry, frozenset({"name", "roles", "forUsers"}))
        name = _name(key, entry, "programs", {program.name for program in found})
        for_users = entry.get("forUsers", False)
        if name in KEYCLOAK_CLIENTS:
            raise ConfigurationError(key, f"the name {name} belongs to a client of Keycloak; take another.")
        if not isinstance(for_users, bool) or for_users == ("roles" in entry):
            raise ConfigurationError(key, "needs either a list roles or forUsers: true.")
        found.append(
            Program(name=name, roles=None if for_users else frozenset(granted(key, entry["roles"], of_rights)))
        )
    return tuple(found)


def download_roles(config: pulumi.Config) -> frozenset[Role]:
    return frozenset(roles_of("downloadRoles", parsing.items(config, "downloadRoles")))


def _name(key: str, entry: Mapping[str, object], kind: str, others: Container[str]) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigurationError(key, f"name {name!r} must be small letters, digits and . _ @ -")
    if name in others:
        raise ConfigurationError(key, f"there are two {kind} {name}.")
    return name


def granted(key: str, values: object, of_rights: Collection[str]) -> Sequence[str]:
    """The realm roles in a list: roles, and those that `rights` adds."""
    if not isinstance(values, list):
        raise ConfigurationError(key, "roles must be a list.")
    known_here = list(of_rights)  # Values of YAML may be lists, which no set takes.
    others = [it for it in values if it not in known_here]
    prefix = group_role("")
    unknown = [it for it in others if str(it).startswith(prefix)]
    if unknown:
        groups = [it.removeprefix(prefix) for it in known_here if it.startswith(prefix)]
        known = f"rights.groups are {', '.join(groups)}" if groups else "rights.groups names none"
        raise ConfigurationError(key, f"{unknown[0]!r} is not a group; {known}.")
    if SHARER in others:
        raise ConfigurationError(key, f"the role {SHARER} needs rights.shares.")
    return [it for it in values if it in known_here] + list(roles_of(key, others))


def roles_of(key: str, values: object) -> Sequence[Role]:
    """The roles in a list."""
    if not isinstance(values, list):
        raise ConfigurationError(key, "roles must be a list.")
    unknown = [value for value in values if value not in list(Role)]
    if unknown:
        raise ConfigurationError(key, f"{unknown[0]!r} is not a role; roles are {', '.join(Role)}.")
    return [Role(value) for value in values]


def password_rules(config: pulumi.Config) -> PasswordRules:
    """What users' own passwords must be like. Generated ones follow every rule that can be set."""
    entry = parsing.fields(config, "passwordRules", frozenset(PASSWORD_RULES) | {"temporary"})
    temporary = entry.get("temporary", False)
    if not isinstance(temporary, bool):
        raise ConfigurationError("passwordRules.temporary", "must be true or false.")
    numbers = {
        name: parsing.whole_number(f"passwordRules.{name}", entry.get(name, default), at_least=least, at_most=most)
        for name, (default, least, most) in PASSWORD_RULES.items()
    }
    return PasswordRules(
        length=numbers["length"],
        digits=numbers["digits"],
        upper_case=numbers["upperCase"],
        lower_case=numbers["lowerCase"],
        history=numbers["history"],
        maximum_age_days=numbers["maximumAgeDays"] or None,
        temporary=temporary,
    )


def passkeys(config: pulumi.Config, mfa: Mfa, host: str | None, *, secure: bool) -> bool:
    """Whether users may have passkeys. Browsers have them for names, reached by HTTPS, and for localhost."""
    if not parsing.boolean(config, "passkeys"):
        return False
    if mfa is not Mfa.REQUIRED:
        # Keycloak's account console asks for codes only, and enrols a further device.
        raise ConfigurationError("passkeys", "need mfa: required, where everybody has a code as well.")
    if host is None or not re.search("[a-z]", host) or ":" in host:
        raise ConfigurationError("passkeys", "belong to a name; set host to one, not to an address.")
    if not secure and host != "localhost":
        raise ConfigurationError("passkeys", "need HTTPS; set tls.")
    return True


def smtp(config: pulumi.Config) -> Smtp | None:
    entry = parsing.fields(config, "smtp", frozenset({"host", "port", "from", "startTls", "user", "password"}))
    if not entry:
        return None
    host, sender = parsing.text("smtp", entry, "host"), parsing.text("smtp", entry, "from")
    user, password = parsing.text("smtp", entry, "user"), parsing.text("smtp", entry, "password")
    if not host or not sender:
        raise ConfigurationError("smtp", "needs host and from.")
    if (user is None) != (password is None):
        raise ConfigurationError("smtp", "needs user and password together.")
    port, start_tls = entry.get("port", 587), entry.get("startTls", True)
    if type(port) is not int or not 1 <= port <= 65535 or not isinstance(start_tls, bool):
        raise ConfigurationError("smtp", "port must be a whole number from 1 to 65535, startTls true or false.")
    return Smtp(
        host=host,
        port=port,
        sender=sender,
        start_tls=start_tls,
        user=user,
        password=None if password is None else pulumi.Output.secret(password),
    )
