"""A route's rules, as nginx applies them."""

from collections.abc import Mapping
from dataclasses import dataclass

from route import SHARER, FromAdminNetworks, Role, Route, SignedIn, WithShareLink


@dataclass(frozen=True, kw_only=True)
class GuardedRoute:
    """A route as the template needs it."""

    route: Route
    methods: str | None
    """Alternatives of a regular expression; `None` if every method passes."""
    roles_by_method: Mapping[str, str]
    """Method (or `default`) to the roles that oauth2-proxy is asked for, joined by commas; empty: no session."""
    admin_networks_only: bool
    needs_share_link: bool

    @property
    def needs_session(self) -> bool:
        """Whether oauth2-proxy is asked before the request goes on."""
        return bool(self.roles_by_method)

    @property
    def variable(self) -> str:
        """Name of the map that picks the roles by the request's method."""
        return f"roles_{self.route.name.replace('-', '_')}"


def guard(route: Route) -> GuardedRoute:
    """Read a route's rules.

    Raises:
        ValueError: the rules mix kinds of access that one nginx location cannot tell apart.
    """
    kinds = {type(rule.access) for rule in route.rules}
    if len(kinds) != 1:
        raise ValueError(f"route {route.name} mixes {sorted(kind.__name__ for kind in kinds)}")
    methods = route.methods
    roles: dict[str, str] = {}
    for rule in route.rules:
        if isinstance(rule.access, SignedIn):
            wanted = ",".join(role for role in (*Role, SHARER) if role in rule.access.roles)
            for method in sorted(rule.methods) if rule.methods else ["default"]:
                roles.setdefault(method, wanted)
    # A method that no rule names never gets so far; the map must not let it through either.
    if roles:
        roles.setdefault("default", Role.PACSADMIN)
    return GuardedRoute(
        route=route,
        methods=None if methods is None else "|".join(sorted(methods)),
        roles_by_method=roles,
        admin_networks_only=kinds == {FromAdminNetworks},
        needs_share_link=kinds == {WithShareLink},
    )
