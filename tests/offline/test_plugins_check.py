"""Check, Diff and previews of the stand-in plugins: strict, and without contact to anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi.provider.experimental.provider as api
import pytest
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from offline.plugins import docker, keycloak, linode, random
from offline.plugins.provider import StandIn
from offline.plugins.resource import PluginError
from offline.plugins.shape import redacted, secrets_in, shape_of, wrapped
from tests.offline.plugin_driver import Driver, plain_map, run, values

PASSWORD = "random:index/randomPassword:RandomPassword"
CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
IMAGE = "docker:index/remoteImage:RemoteImage"
REALM = "keycloak:index/realm:Realm"
CLIENT = "keycloak:openid/client:Client"
USER = "keycloak:index/user:User"
MAPPER = "keycloak:openid/userRealmRoleProtocolMapper:UserRealmRoleProtocolMapper"

PLUGINS: list[Callable[[], StandIn[Any]]] = [docker.plugin, keycloak.plugin, linode.plugin, random.plugin]
RESOURCES = [
    pytest.param(make(), resource, id=resource.resource_type)
    for make in PLUGINS
    for resource in make().resources.values()
]


def unreachable(plugin: StandIn[Any]) -> StandIn[Any]:
    """A plugin that fails when it touches the world."""

    def connect(_: Any) -> Any:
        raise AssertionError("contacted something")

    plugin._connect = connect
    return plugin


def driver(make: Any, kind: str, name: str = "thing") -> Driver:
    return Driver(unreachable(make()), kind, name)


# Declarations


@pytest.mark.parametrize(("plugin", "resource"), RESOURCES)
def test_declarations_name_properties_that_the_sdk_has(plugin: StandIn[Any], resource: Any) -> None:
    known = shape_of(resource.args).fields.keys()
    assert resource.implemented <= known
    assert resource.replace <= resource.implemented
    assert resource.defaults.keys() | resource.creation_only | resource.read_back <= resource.implemented
    assert resource.autoname is None or resource.autoname in resource.implemented
    assert shape_of(resource.args).required <= resource.implemented


@pytest.mark.parametrize(("plugin", "resource"), RESOURCES)
def test_each_property_is_either_implemented_or_refused(plugin: StandIn[Any], resource: Any) -> None:
    for name in shape_of(resource.args).fields.keys() - resource.implemented:
        _, failures = Driver(plugin, resource.resource_type).check(**{name: UNKNOWN})
        assert "the stand-in does not implement" in failures[name]


@pytest.mark.parametrize("make", PLUGINS)
def test_version_is_that_of_the_sdk(make: Any) -> None:
    assert make().version.count(".") == 2


# Check


def test_unknown_type_is_named() -> None:
    with pytest.raises(PluginError, match="docker:index/service:Service"):
        driver(docker.plugin, "docker:index/service:Service").check(name="x")


def test_unknown_property_is_named_with_its_resource() -> None:
    _, failures = driver(random.plugin, PASSWORD).check(length=8, lenght=8)
    assert failures == {"lenght": f"unknown property 'lenght' of {PASSWORD}"}


def test_nested_unknown_property_missing_one_and_wrong_type_are_named() -> None:
    _, failures = driver(docker.plugin, CONTAINER).check(
        image="x", uploads=[{"file": "/a", "content": "b"}, {"contents": "b"}], ports=[{"internal": "80"}]
    )
    assert failures.keys() == {"uploads[1].contents", "uploads[1].file", "ports[0].internal"}
    assert failures["ports[0].internal"] == "must be of type integer, not string"
    assert failures["uploads[1].file"] == "missing required property 'uploads[1].file'"


def test_required_property_is_demanded() -> None:
    assert driver(docker.plugin, CONTAINER).check()[1] == {"image": "missing required property 'image'"}


def test_reasons_never_quote_a_value() -> None:
    _, failures = driver(docker.plugin, CONTAINER).check(image="x", memory="s3cret-value")
    assert "s3cret-value" not in str(failures)


def test_property_without_effect_here_is_refused() -> None:
    _, failures = driver(docker.plugin, CONTAINER).check(
        image="x", gpus="all", networksAdvanced=[{"name": "n", "macAddress": "02:00:00:00:00:01"}]
    )
    assert failures.keys() == {"gpus", "networksAdvanced.macAddress"}
    assert failures["gpus"] == f"the stand-in does not implement 'gpus' of {CONTAINER}"


def test_defaults_and_names_are_those_of_the_official_plugin() -> None:
    inputs = plain_map(driver(docker.plugin, CONTAINER, "web").checked(image="x"))
    assert (inputs["mustRun"], inputs["restart"], inputs["networkMode"], inputs["waitTimeout"]) == (
        True,
        "no",
        "bridge",
        60,
    )
    assert inputs["name"].startswith("web-") and len(inputs["name"]) == len("web-") + 7


def test_generated_name_is_kept() -> None:
    network = driver(docker.plugin, NETWORK)
    network.inputs = network.checked()
    assert network.diff(labels=[{"label": "a", "value": "b"}]).diffs == ["labels"]


def test_name_of_a_resource_may_hold_colons() -> None:
    assert driver(random.plugin, PASSWORD, "a::b").check(length=8)[1] == {}


def test_unknown_values_pass() -> None:
    assert (
        driver(docker.plugin, CONTAINER).check(image=UNKNOWN, ports=UNKNOWN, memory=UNKNOWN, uploads=[UNKNOWN])[1] == {}
    )
    assert driver(keycloak.plugin, CLIENT).check(realmId=UNKNOWN, accessType=UNKNOWN)[1] == {}
    assert (
        driver(keycloak.plugin, REALM).check(realm=UNKNOWN, ssoSessionIdleTimeout=UNKNOWN, sslRequired=UNKNOWN)[1] == {}
    )


@pytest.mark.parametrize(
    ("make", "kind", "props", "named"),
    [
        (
            docker.plugin,
            CONTAINER,
            {"image": "x", "readOnly": True, "uploads": [{"file": "/a", "content": "b"}]},
            "uploads",
        ),
        (docker.plugin, CONTAINER, {"image": "x", "uploads": [{"file": "/a"}]}, "uploads[0]"),
        (docker.plugin, CONTAINER, {"image": "x", "healthcheck": {"interval": "soon"}}, "healthcheck.interval"),
        (random.plugin, PASSWORD, {"length": 3, "minLower": 2, "minUpper": 2}, "length"),
        (keycloak.plugin, REALM, {"ssoSessionIdleTimeout": "900"}, "ssoSessionIdleTimeout"),
        (keycloak.plugin, REALM, {"sslRequired": "sometimes"}, "sslRequired"),
        (keycloak.plugin, CLIENT, {"realmId": "r", "accessType": "private"}, "accessType"),
        (
            keycloak.plugin,
            CLIENT,
            {"realmId": "r", "accessType": "PUBLIC", "validRedirectUris": ["a"]},
            "validRedirectUris",
        ),
        (keycloak.plugin, MAPPER, {"realmId": "r", "claimName": "c"}, "clientId"),
        (keycloak.plugin, USER, {"realmId": "r", "username": "Viewer"}, "username"),
    ],
)
def test_bad_combinations_are_refused(make: Any, kind: str, props: dict[str, Any], named: str) -> None:
    assert named in driver(make, kind).check(**props)[1]


# The provider's own configuration


def check_config(make: Any, **props: Any) -> dict[str, str]:
    answer = run(make().check_config(api.CheckRequest("urn", {}, values(props), b"")))
    return {failure.property: failure.reason for failure in answer.failures or []}


def test_configuration_comes_as_json_text() -> None:
    assert check_config(docker.plugin, host="unix:///x", sshOpts='["-v"]', version="5.1.1") == {}
    assert check_config(keycloak.plugin, url="http://x", initialLogin="false", clientTimeout="5") == {}


def test_configuration_is_checked() -> None:
    assert check_config(docker.plugin, hots="x").keys() == {"hots"}
    assert check_config(keycloak.plugin, clientTimeout='"x"').keys() == {"clientTimeout"}
    assert "does not implement" in check_config(keycloak.plugin, jwtToken="x")["jwtToken"]
    assert check_config(docker.plugin, registryAuth='[{"address": "a", "configFile": "b"}]').keys() == {
        "registryAuth.configFile"
    }


def test_configuration_may_be_unknown() -> None:
    assert check_config(keycloak.plugin, url=UNKNOWN, clientTimeout=UNKNOWN) == {}


# Diff

BOX = {"image": "sha256:1", "name": "box", "envs": ["A=1", "B=2"], "command": ["a", "b"], "memory": 64}


def changed(make: Any, kind: str, before: dict[str, Any], **after: Any) -> api.DiffResponse:
    resource = driver(make, kind)
    resource.inputs = resource.checked(**before)
    return resource.diff(**{key: value for key, value in {**before, **after}.items() if value is not None})


def test_no_change_and_another_order_of_a_set_are_no_difference() -> None:
    assert changed(docker.plugin, CONTAINER, BOX).changes is False
    assert changed(docker.plugin, CONTAINER, BOX, envs=["B=2", "A=1"]).changes is False


def test_secretness_is_no_difference() -> None:
    assert changed(docker.plugin, CONTAINER, BOX, envs=wrapped(BOX["envs"], secret=True)).changes is False


@pytest.mark.parametrize(
    ("props", "replaced"),
    [
        ({"image": "sha256:2"}, True),
        ({"envs": ["A=2"]}, True),
        ({"envs": None}, True),
        ({"command": ["b", "a"]}, True),
        ({"uploads": [{"file": "/a", "content": "b"}]}, True),
        ({"labels": [{"label": "a", "value": "b"}]}, True),
        ({"ports": [{"internal": 80}]}, True),
        ({"networksAdvanced": [{"name": "n"}]}, True),
        ({"image": UNKNOWN}, True),
        ({"memory": 128}, False),
        ({"memory": None}, False),
        ({"restart": "always"}, False),
        # As with the official plugin; the program asks for the replacement by replace_on_changes.
        ({"healthcheck": {"tests": ["NONE"]}}, False),
        ({"tmpfs": {"/tmp": ""}}, False),
        ({"init": True}, False),
        ({"mustRun": False}, False),
    ],
)
def test_container_is_replaced_for_what_the_engine_cannot_change(props: dict[str, Any], replaced: bool) -> None:
    answer = changed(docker.plugin, CONTAINER, BOX, **props)
    assert answer.diffs == list(props)
    assert answer.replaces == (list(props) if replaced else [])
    assert answer.delete_before_replace is False


def test_each_change_of_a_random_value_makes_a_new_one() -> None:
    assert changed(random.plugin, PASSWORD, {"length": 8}, length=9).replaces == ["length"]
    assert changed(random.plugin, PASSWORD, {"length": 8}, special=False).replaces == ["special"]


def test_initial_password_counts_at_creation_only() -> None:
    before = {"realmId": "r", "username": "viewer", "initialPassword": {"value": "a"}}
    assert changed(keycloak.plugin, USER, before, initialPassword={"value": "b"}).changes is False


def test_image_is_pulled_again_for_its_triggers_only() -> None:
    assert changed(docker.plugin, IMAGE, {"name": "a"}, pullTriggers=["x"]).replaces == ["pullTriggers"]
    assert changed(docker.plugin, IMAGE, {"name": "a"}, keepLocally=True).replaces == []


# Previews and secrets


def test_preview_contacts_nothing_and_leaves_unknown_outputs_out() -> None:
    container = driver(docker.plugin, CONTAINER)
    state = container.create(preview=True, image=UNKNOWN)
    assert container.id == "" and "networkDatas" not in state


def test_generated_password_is_secret_and_as_asked() -> None:
    password = driver(random.plugin, PASSWORD)
    password.plugin._connect = lambda _: None
    password.create(length=24, minNumeric=3, minUpper=2, minLower=1, special=False)
    assert password.state["result"].is_secret and password.id == "none"
    text = str(password.state["result"].value)
    assert len(text) == 24 and text.isalnum()
    assert sum(map(str.isdigit, text)) >= 3 and sum(map(str.isupper, text)) >= 2 and any(map(str.islower, text))


def test_random_bytes_are_secret_and_of_the_length() -> None:
    raw = driver(random.plugin, "random:index/randomBytes:RandomBytes")
    raw.plugin._connect = lambda _: None
    assert len(raw.create(length=32)["hex"]) == 64
    assert raw.state["hex"].is_secret and raw.state["base64"].is_secret


def test_errors_lose_what_is_secret() -> None:
    inputs = {"envs": PropertyValue([PropertyValue("KEY=hidden-one", is_secret=True), wrapped("A=shown")])}
    assert redacted("hidden-one shown KEY=hidden-one", secrets_in(inputs)) == "[secret] shown [secret]"


def test_import_is_refused_clearly() -> None:
    with pytest.raises(PluginError, match="import"):
        run(random.plugin().read(api.ReadRequest(Driver(random.plugin(), PASSWORD).urn, "none", {}, {})))


def test_groups_of_a_user_profile_are_a_set_and_its_attributes_a_list() -> None:
    profile = driver(keycloak.plugin, "keycloak:index/realmUserProfile:RealmUserProfile")
    names = [{"name": "a"}, {"name": "b"}]
    profile.inputs = profile.checked(realmId="r", attributes=names, groups=names)
    assert profile.diff(realmId="r", attributes=names, groups=names[::-1]).diffs == []
    assert profile.diff(realmId="r", attributes=names[::-1], groups=names).diffs == ["attributes"]
