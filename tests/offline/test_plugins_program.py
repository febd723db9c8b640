"""The stand-ins accept what the program declares in each combination of settings, and have no other types."""

import pulumi.provider.experimental.provider as api

from offline.plugins import docker, keycloak, linode, random
from tests.offline.plugin_driver import run, values
from tests.program.cases import CASES, deploy, prod
from tests.program.harness import SECRET_KEY, Deployment, Resource

PLUGINS = {plugin.package: plugin for plugin in (docker.plugin(), keycloak.plugin(), random.plugin())}


def failures(resource: Resource) -> dict[str, str]:
    plugin = PLUGINS[resource.type.removeprefix("pulumi:providers:").partition(":")[0]]
    assert SECRET_KEY not in resource.inputs
    request = api.CheckRequest(resource.urn, {}, values(resource.inputs), b"seed")
    check = plugin.check_config if resource.type.startswith("pulumi:providers:") else plugin.check
    return {failure.property: failure.reason for failure in run(check(request)).failures or []}


def test_the_stand_ins_accept_the_program(deployment: Deployment) -> None:
    asked = [r for r in deployment.resources if r.type.removeprefix("pulumi:providers:").partition(":")[0] in PLUGINS]
    assert asked
    assert {r.urn: found for r in asked if (found := failures(r))} == {}


def test_the_stand_ins_have_no_type_that_the_program_does_not_declare() -> None:
    with_bucket = prod(backup={"repository": "linode", "region": "nl-ams"})
    declared = {it.type for made in (*map(deploy, CASES), with_bucket) for it in made.resources}
    plugins = [*PLUGINS.values(), linode.plugin()]
    assert {name for plugin in plugins for name in plugin.resources} - declared == set()


# Inputs that the program never sets and the stand-in needs all the same: Read reports them when they differ.
READ_BACK = {"cpuSet", "memoryReservation"}


def test_a_container_has_no_input_that_the_program_does_not_set() -> None:
    container = PLUGINS["docker"].resources["docker:index/container:Container"]
    used = {name for case in CASES for it in deploy(case).of_type(container.resource_type) for name in it.inputs}
    assert container.implemented - used - container.defaults.keys() - READ_BACK - {"ulimits"} == set()
