"""What the program asks for, in each combination of settings, is what the stand-ins accept."""

import pulumi.provider.experimental.provider as api

from offline.plugins import docker, keycloak, random
from tests.offline.plugin_driver import run, values
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
