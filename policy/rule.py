"""Types of the policy rules. They need no Pulumi package, so the tests and the policy pack share them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Resource(Protocol):
    """A resource as the engine knows it; the tests and the policy pack each have their own class for it."""

    @property
    def urn(self) -> str: ...
    @property
    def type(self) -> str:
        """Type token, such as `docker:index/container:Container`."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Properties without secret markers. In a preview, reading an unknown value may raise."""


@dataclass(frozen=True)
class Problem:
    """A violation and how to fix it."""

    problem: str
    fix: str
    urn: str = ""
    """The resource concerned, where a rule for the whole stack can name one."""

    def __str__(self) -> str:
        return f"{self.problem}. Fix: {self.fix}."


Problems = Iterator[Problem]


@dataclass(frozen=True)
class Rule:
    """A rule for each resource of some types, checked before the resource is created or changed."""

    name: str
    description: str
    types: tuple[str, ...]
    check: Callable[[Resource], Problems]

    def problems(self, resources: Sequence[Resource]) -> list[Problem]:
        """Violations by all resources to which the rule applies."""
        return [
            Problem(found.problem, found.fix, it.urn)
            for it in resources
            if it.type in self.types
            for found in self.check(it)
        ]


@dataclass(frozen=True)
class StackRule:
    """A rule for the resources of a stack together, checked after all of them.

    The pack then sees outputs instead of inputs. In the preview of a new stack, a resource whose provider cannot be
    configured yet has none, so a rule skips what is missing; `pulumi up` checks it.
    """

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Problems]

    def problems(self, resources: Sequence[Resource]) -> list[Problem]:
        """Violations by the stack."""
        return list(self.check(resources))


AnyRule = Rule | StackRule

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
DOCKER_VOLUME = "docker:index/volume:Volume"
CLIENT = "keycloak:openid/client:Client"
REALM = "keycloak:index/realm:Realm"
REALM_EVENTS = "keycloak:index/realmEvents:RealmEvents"
ROLE_MAPPER = "keycloak:openid/userRealmRoleProtocolMapper:UserRealmRoleProtocolMapper"
LDAP = "keycloak:ldap/userFederation:UserFederation"
LOGIN_PROVIDER = "keycloak:oidc/identityProvider:IdentityProvider"
USER_ROLES = "keycloak:index/userRoles:UserRoles"
KEYCLOAK_PROVIDER = "pulumi:providers:keycloak"
INSTANCE = "linode:index/instance:Instance"
FIREWALL = "linode:index/firewall:Firewall"
LINODE_VOLUME = "linode:index/volume:Volume"


def of_type(resources: Sequence[Resource], *tokens: str) -> list[Resource]:
    """The resources of these types."""
    return [it for it in resources if it.type in tokens]


def only(resources: Sequence[Resource], token: str) -> Resource | None:
    """The single resource of that type; `None` if a targeted update leaves it out."""
    found = of_type(resources, token)
    return found[0] if len(found) == 1 else None


def stack_of(resource: Resource) -> str:
    """Name of the stack that a URN belongs to: `urn:pulumi:<stack>::<project>::…`."""
    return resource.urn.removeprefix("urn:pulumi:").partition("::")[0]
