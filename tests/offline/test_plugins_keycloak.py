"""The keycloak stand-in against a real Keycloak: made as asked, no difference after a refresh, drift is seen."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
import httpx
import pytest

from offline.plugins import keycloak
from offline.plugins.keycloak_admin import Admin
from offline.plugins.resource import PluginError
from tests.offline.plugin_driver import Driver

pytestmark = [pytest.mark.engine, pytest.mark.slow]
IMAGES = ("ohif-offline/keycloak:", "quay.io/keycloak/keycloak:")
ADMIN_PASSWORD = secrets.token_hex(12)
PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def config() -> Iterator[dict[str, Any]]:
    """The provider's configuration for a Keycloak that lives as long as the tests of this file."""
    try:
        engine: Any = docker.from_env()
        tags = [tag for image in engine.images.list() for tag in image.tags]
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    image = next((tag for prefix in IMAGES for tag in tags if tag.startswith(prefix)), None)
    if image is None:
        pytest.skip("no image of Keycloak on the engine")
    server = engine.containers.run(
        image,
        ["start-dev", "--http-relative-path=/keycloak"],
        detach=True,
        remove=True,
        mem_limit="1g",
        ports={"8080/tcp": ("127.0.0.1", None)},
        environment={"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD},
    )
    try:
        server.reload()
        port = server.ports["8080/tcp"][0]["HostPort"]
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        while not _answers(f"{url}/keycloak/realms/master"):
            assert time.monotonic() < deadline, server.logs(tail=20).decode()
            time.sleep(1)
        yield {
            "url": url,
            "basePath": "/keycloak",
            "username": "admin",
            "password": ADMIN_PASSWORD,
            "clientId": "admin-cli",
            "initialLogin": False,
        }
    finally:
        server.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class World:
    """Resources by name, each with the inputs it was made of."""

    config: dict[str, Any]
    made: dict[str, tuple[Driver, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plugin = keycloak.plugin()
        self.plugin._config = self.config

    @property
    def admin(self) -> Admin:
        return self.plugin.client()

    def make(self, kind: str, **inputs: Any) -> str:
        module, _, name = kind.rpartition("/")
        token = f"keycloak:{module or 'index'}/{name[0].lower()}{name[1:]}:{name}"
        driver = Driver(self.plugin, token, f"thing{len(self.made)}")
        driver.create(**inputs)
        self.made[f"{name} {len(self.made)}"] = (driver, inputs)
        return driver.id

    def one(self, kind: str) -> tuple[Driver, dict[str, Any]]:
        return next(pair for name, pair in self.made.items() if name.split()[0] == kind)


@pytest.fixture(scope="module")
def world(config: dict[str, Any]) -> World:
    world = World(config)
    realm = world.make(
        "Realm",
        realm="ohif",
        displayName="OHIF",
        sslRequired="none",
        passwordPolicy="length(12)",
        accessTokenLifespan="5m0s",
        ssoSessionIdleTimeout="15m0s",
        attributes={"frontendUrl": "http://127.0.0.1"},
        internationalization={"supportedLocales": ["de", "en"], "defaultLocale": "en"},
        otpPolicy={"algorithm": "HmacSHA256"},
        webAuthnPolicy={"relyingPartyEntityName": "Image viewer", "signatureAlgorithms": ["ES256", "RS256"]},
        smtpServer={"host": "mail", "from": "a@b.c", "auth": {"username": "u", "password": "smtp-secret"}},
        securityDefenses={
            "headers": {"xFrameOptions": "DENY"},
            "bruteForceDetection": {"maxLoginFailures": 5, "failureResetTimeSeconds": 600},
        },
    )
    world.make("RealmEvents", realmId=realm, eventsEnabled=True, eventsExpiration=60, eventsListeners=["jboss-logging"])
    viewer = world.make("Role", realmId=realm, name="viewer", description="sees", attributes={"a": "1##2"})
    world.make("Role", realmId=realm, name="pacsadmin", compositeRoles=[viewer])
    client = world.make(
        "openid/Client",
        realmId=realm,
        clientId="ohif_viewer",
        accessType="CONFIDENTIAL",
        clientSecret="client-secret-1",
        standardFlowEnabled=True,
        pkceCodeChallengeMethod="S256",
        validRedirectUris=["http://127.0.0.1/oauth2/callback"],
        validPostLogoutRedirectUris=["http://127.0.0.1/", "http://127.0.0.1/x"],
        extraConfig={"own": "y"},
    )
    on_client = {"realmId": realm, "clientId": client}
    claim = {**on_client, "claimName": "c"}
    world.make("openid/UserRealmRoleProtocolMapper", name="roles", multivalued=True, **claim)
    world.make("openid/AudienceProtocolMapper", includedClientAudience="ohif_viewer", **on_client)
    user = world.make(
        "User",
        realmId=realm,
        username="viewer",
        email="viewer@example.org",
        firstName="A",
        lastName="B",
        initialPassword={"value": PASSWORD},
    )
    world.make("UserRoles", realmId=realm, userId=user, roleIds=[viewer])
    group = world.make("Group", realmId=realm, name="Radiologists (CT*)")
    world.make("GroupRoles", realmId=realm, groupId=group, roleIds=[viewer])
    directory = world.make(
        "ldap/UserFederation",
        realmId=realm,
        name="directory",
        vendor="OTHER",
        connectionUrl="ldaps://ldap.example.org",
        useTruststoreSpi="ALWAYS",
        bindDn="cn=pacs",
        bindCredential="ldap-secret",
        usersDn="ou=people",
        searchScope="SUBTREE",
        customUserSearchFilter="(department=radiology)",
        usernameLdapAttribute="uid",
        rdnLdapAttribute="uid",
        uuidLdapAttribute="entryUUID",
        userObjectClasses=["inetOrgPerson", "organizationalPerson"],
        connectionTimeout="5s",
        fullSyncPeriod=3600,
        cache={"policy": "MAX_LIFESPAN", "maxLifespan": "1m0s"},
    )
    world.make(
        "ldap/GroupMapper",
        realmId=realm,
        ldapUserFederationId=directory,
        name="groups",
        ldapGroupsDn="ou=groups",
        groupNameLdapAttribute="cn",
        groupObjectClasses=["groupOfNames"],
        membershipLdapAttribute="member",
        membershipUserLdapAttribute="uid",
        mode="READ_ONLY",
        groupsLdapFilter="(cn=ct)",
    )
    world.make(
        "oidc/IdentityProvider",
        realm=realm,
        alias="entra",
        issuer="https://login.example.org",
        authorizationUrl="https://login.example.org/auth",
        tokenUrl="https://login.example.org/token",
        jwksUrl="https://login.example.org/keys",
        clientId="pacs",
        clientSecret="client-secret-2",
        validateSignature=True,
        syncMode="FORCE",
        guiOrder="1",
        extraConfig={"pkceEnabled": "true", "pkceMethod": "S256"},
    )
    world.make(
        "AttributeToRoleIdentityMapper",
        realm=realm,
        identityProviderAlias="entra",
        name="ct: viewer",
        claimName="groups",
        claimValue="ct",
        role="viewer",
        extraConfig={"syncMode": "INHERIT"},
    )
    world.make("DefaultRoles", realmId=realm, defaultRoles=["offline_access", "account/view-profile"])
    world.make(
        "RequiredAction",
        realmId=realm,
        alias="CONFIGURE_TOTP",
        enabled=True,
        defaultAction=True,
        config={"max_auth_age": "0"},
    )
    flow = world.make("authentication/Flow", realmId=realm, alias="password-and-code", providerId="basic-flow")
    world.make(
        "authentication/Execution",
        realmId=realm,
        parentFlowAlias="password-and-code",
        authenticator="auth-otp-form",
        requirement="REQUIRED",
        priority=10,
    )
    world.make(
        "authentication/Subflow",
        realmId=realm,
        parentFlowAlias="password-and-code",
        alias="code-of-some",
        requirement="CONDITIONAL",
        priority=20,
    )
    condition = world.make(
        "authentication/Execution",
        realmId=realm,
        parentFlowAlias="code-of-some",
        authenticator="conditional-user-role",
        requirement="REQUIRED",
        priority=10,
    )
    world.make(
        "authentication/ExecutionConfig",
        realmId=realm,
        executionId=condition,
        alias="some",
        config={"condUserRole": "viewer", "negate": "false"},
    )
    world.make(
        "openid/Client",
        realmId=realm,
        clientId="overriding",
        accessType="CONFIDENTIAL",
        standardFlowEnabled=True,
        validRedirectUris=["http://127.0.0.1/x"],
        authenticationFlowBindingOverrides={"browserId": flow},
    )
    world.make(
        "RealmUserProfile",
        realmId=realm,
        attributes=[
            {"name": name, "permissions": {"views": ["admin", "user"], "edits": ["admin"]}}
            for name in ("username", "email", "firstName", "lastName")
        ],
    )
    return world


def test_refresh_finds_no_difference(world: World) -> None:
    for name, (resource, inputs) in world.made.items():
        assert resource.refresh() is not None, name
        assert resource.diff(**inputs).diffs == [], name


def test_realm_is_as_asked(world: World) -> None:
    real = world.admin.call("GET", "/ohif")
    expected = {"bruteForceProtected": True, "failureFactor": 5, "maxDeltaTimeSeconds": 600, "sslRequired": "none"}
    assert expected.items() <= real.items()
    assert real["browserSecurityHeaders"]["xFrameOptions"] == "DENY"
    realm, _ = world.one("Realm")
    assert realm.id == "ohif" and realm.state["smtpServer"].is_secret


def test_secret_outputs_are_secret(world: World) -> None:
    client, _ = world.one("Client")
    user, _ = world.one("User")
    directory, _ = world.one("UserFederation")
    provider, _ = world.one("IdentityProvider")
    assert directory.state["bindCredential"].is_secret and provider.state["clientSecret"].is_secret
    assert client.state["clientSecret"].is_secret and user.state["initialPassword"].is_secret


def test_generated_client_secret_and_service_account_are_outputs(world: World) -> None:
    other = Driver(world.plugin, "keycloak:openid/client:Client", "auto")
    state = other.create(realmId="ohif", accessType="CONFIDENTIAL", serviceAccountsEnabled=True)
    assert state["clientSecret"] and state["serviceAccountUserId"] and state["clientId"].startswith("auto-")
    other.delete()
    assert other.refresh() is None


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Realm", {"displayName": "New", "attributes": None, "smtpServer": None, "ssoSessionIdleTimeout": "20m0s"}),
        ("Role", {"description": "looks", "attributes": None}),
        ("Client", {"validRedirectUris": ["http://127.0.0.1/other"], "extraConfig": None}),
        ("UserRealmRoleProtocolMapper", {"addToIdToken": False, "claimName": "groups"}),
        ("User", {"firstName": "C", "requiredActions": ["UPDATE_PASSWORD"]}),
        ("DefaultRoles", {"defaultRoles": ["uma_authorization"]}),
        ("RealmEvents", {"adminEventsEnabled": True}),
        ("RequiredAction", {"defaultAction": False, "config": {"max_auth_age": "60"}}),
        ("Flow", {"description": "says more"}),
        ("Group", {"name": "Radiologists"}),
        ("GroupRoles", {"roleIds": []}),
        (
            "UserFederation",
            {
                "startTls": True,
                "connectionUrl": "ldap://other",
                "customUserSearchFilter": None,
                "bindCredential": "new",
            },
        ),
        ("GroupMapper", {"groupsLdapFilter": "(cn=mr)", "preserveGroupInheritance": False}),
        (
            "IdentityProvider",
            {
                "displayName": "Hospital",
                "extraConfig": {"pkceEnabled": "false", "pkceMethod": "S256"},
                "postBrokerLoginFlowAlias": "registration",
            },
        ),
        ("AttributeToRoleIdentityMapper", {"claimValue": "mr", "role": "pacsadmin"}),
        ("Execution", {"requirement": "ALTERNATIVE", "priority": 7}),
        ("Subflow", {"requirement": "REQUIRED", "priority": 7, "description": "says more"}),
        ("ExecutionConfig", {"config": {"condUserRole": "pacsadmin", "negate": "true"}}),
    ],
)
def test_change_in_place_is_there_after_a_refresh(world: World, kind: str, changes: dict[str, Any]) -> None:
    resource, inputs = world.one(kind)
    changed = {name: value for name, value in {**inputs, **changes}.items() if value is not None}
    for wanted in (changed, inputs):
        assert resource.diff(**wanted).replaces == []
        resource.update(**wanted)
        assert resource.refresh() is not None
        assert resource.diff(**wanted).diffs == []


def test_what_someone_changed_by_hand_is_seen_and_set_back(world: World) -> None:
    realm, inputs = world.one("Realm")
    world.admin.call("PUT", "/ohif", {"ssoSessionIdleTimeout": 77, "failureFactor": 99})
    realm.refresh()
    assert realm.diff(**inputs).diffs == ["securityDefenses", "ssoSessionIdleTimeout"]
    realm.update(**inputs)
    realm.refresh()
    assert realm.diff(**inputs).diffs == []


def test_client_uses_the_flow_until_the_override_is_taken_away(world: World) -> None:
    resource, inputs = world.made[
        next(name for name, (_, given) in world.made.items() if given.get("clientId") == "overriding")
    ]
    flow = inputs["authenticationFlowBindingOverrides"]["browserId"]
    path = f"/ohif/clients/{resource.id}"
    assert world.admin.call("GET", path)["authenticationFlowBindingOverrides"] == {"browser": flow}
    resource.update(**{name: value for name, value in inputs.items() if name != "authenticationFlowBindingOverrides"})
    assert world.admin.call("GET", path)["authenticationFlowBindingOverrides"] == {}
    resource.update(**inputs)
    assert world.admin.call("GET", path)["authenticationFlowBindingOverrides"] == {"browser": flow}


def test_update_of_the_realm_undoes_bindings_as_officially(world: World) -> None:
    realm, inputs = world.one("Realm")
    realm.update(**inputs)
    bound = {**world.admin.call("GET", "/ohif"), "browserFlow": "password-and-code"}
    world.admin.call("PUT", "/ohif", bound)
    assert world.admin.call("GET", "/ohif")["browserFlow"] == "password-and-code"
    realm.update(**inputs)
    assert world.admin.call("GET", "/ohif")["browserFlow"] == "browser"


def test_what_exists_already_is_a_conflict(world: World) -> None:
    with pytest.raises(PluginError, match=r"Keycloak answered 409 .*viewer already exists"):
        world.make("Role", realmId="ohif", name="viewer")


def test_password_that_the_policy_refuses_leaves_no_user(world: World) -> None:
    with pytest.raises(PluginError, match=r"Keycloak answered 400"):
        world.make("User", realmId="ohif", username="other", initialPassword={"value": "short-one"})
    assert world.admin.call("GET", "/ohif/users", username="other") == []


def test_wrong_password_of_the_provider_is_said_without_telling_it(config: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=r"no session at Keycloak .*Invalid user credentials") as failure:
        World({**config, "password": "wrong-password"}).make("Realm", realm="other")
    assert "wrong-password" not in str(failure.value)


def test_all_can_be_removed_and_is_gone(world: World) -> None:
    for resource, _ in reversed(world.made.values()):
        resource.delete()
        resource.delete()  # gone already: no error
    for name in ("Realm", "Role", "Client", "User", "UserRoles", "RealmEvents"):
        assert world.one(name)[0].refresh() is None
