"""The docker stand-in against a real engine: made, changed in place, replaced, broken, healed, removed."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from pulumi.provider.experimental.property_value import PropertyValue

from offline.plugins import docker as docker_plugin
from offline.plugins import provider
from offline.plugins import resource as resource_module
from offline.plugins.resource import InitError, PluginError
from tests.offline.plugin_driver import Driver

pytestmark = pytest.mark.engine
# Any of these has a shell; the first is the base of the images made for restricted networks.
IMAGES = ("ohif-offline/base", "ohif-offline/", "nginx", "postgres", "valkey")


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    return client


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> str:
    tags = [tag for known in engine.images.list() for tag in known.tags]
    for prefix in IMAGES:
        for tag in tags:
            if tag.startswith(prefix):
                return tag
    pytest.skip("no image with a shell on the engine")


class World:
    """Resources that are removed after the test, the last one first."""

    def __init__(self, image: str) -> None:
        self.plugin = docker_plugin.plugin()
        self.image = image
        self.name = f"ohif-test-{secrets.token_hex(4)}"
        self.made: list[Driver] = []

    def new(self, kind: str) -> Driver:
        self.made.append(Driver(self.plugin, f"docker:index/{kind[0].lower()}{kind[1:]}:{kind}", self.name))
        return self.made[-1]

    def box(self, command: str = "sleep 1000", **props: Any) -> dict[str, Any]:
        """Inputs of a small hardened container."""
        return {
            "image": self.image,
            "name": self.name,
            "entrypoints": ["sh", "-c"],
            "command": [command],
            "user": "1000",
            "capabilities": {"drops": ["ALL"]},
            "securityOpts": ["no-new-privileges:true"],
            "memory": 32,
            "memorySwap": 32,
            "networkMode": "none",
            "stopTimeout": 1,
            **props,
        }


@pytest.fixture
def world(engine: docker.DockerClient, image: str) -> Iterator[World]:
    world = World(image)
    yield world
    for resource in reversed(world.made):
        if resource.id:
            resource.delete()


CHECK = {"tests": ["CMD", "test", "-e", "/tmp/well"], "interval": "1s", "timeout": "2s", "retries": 2}


def test_hardened_container_is_as_asked_and_a_refresh_finds_no_difference(world: World, engine: Any) -> None:
    network = world.new("Network")
    # An engine publishes no port of a container that is on internal networks alone.
    network.create(name=world.name, internal=False, labels=[{"label": "a", "value": "b"}])
    volume = world.new("Volume")
    volume.create(name=world.name)
    box = world.new("Container")
    inputs = world.box(
        "cat /etc/own.conf; touch /tmp/well; exec sleep 1000",
        networkMode="bridge",
        networksAdvanced=[{"name": world.name, "aliases": ["box"]}],
        volumes=[{"volumeName": world.name, "containerPath": "/data"}],
        uploads=[
            {"file": "/etc/own.conf", "content": "hello\n", "permissions": "0440"},
            {"file": "/x", "contentBase64": "aGk="},
        ],
        tmpfs={"/tmp": "size=1m"},
        ports=[{"internal": 80, "external": 0, "ip": "127.0.0.1"}],
        ulimits=[{"name": "nofile", "soft": 100, "hard": 200}],
        logDriver="json-file",
        logOpts={"max-size": "1m"},
        restart="unless-stopped",
        healthcheck=CHECK,
        wait=True,
    )
    state = box.create(**inputs)
    assert state["networkDatas"][0]["networkName"] == world.name
    assert {"bridge", "containerLogs", "hostname", "ipcMode", "runtime", "shmSize"} <= state.keys()
    real = engine.containers.get(box.id)
    assert real.logs() == b"hello\n"
    host = real.attrs["HostConfig"]
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
    assert (host["Memory"], host["MemorySwap"], host["Tmpfs"]) == (2**25, 2**25, {"/tmp": "size=1m"})
    assert list(real.attrs["NetworkSettings"]["Networks"]) == [world.name]
    for resource in (network, volume, box):
        assert resource.refresh() is not None
    assert box.diff(**inputs).changes is False
    box.delete()
    assert box.refresh() is None
    box.id = ""


def test_ports_are_read_back_by_port_and_compared_in_that_order(world: World) -> None:
    """As officially: a list in another order is a change at every `up`, and replaces the container."""
    ports: list[dict[str, Any]] = [
        {"ip": address, "internal": inside, "external": 0}
        for address, inside in (("127.0.0.1", 80), ("127.0.0.2", 1080), ("127.0.0.1", 443), ("127.0.0.2", 1443))
    ]
    by_port = sorted(ports, key=lambda port: int(port["internal"]))
    for given, replaced in ((ports, ["ports"]), (by_port, [])):
        box = world.new("Container")
        inputs = world.box(networkMode="bridge", ports=given)
        state = box.create(**inputs)
        assert [(port["internal"], port["ip"], port["protocol"]) for port in state["ports"]] == [
            (port["internal"], port["ip"], "tcp") for port in by_port
        ]
        assert all(port["external"] for port in state["ports"])
        assert box.diff(**inputs).replaces == replaced
        box.refresh()
        assert box.diff(**inputs).replaces == replaced
        assert box.diff(**{**inputs, "ports": by_port[:1]}).replaces == ["ports"]
        assert box.diff(**world.box(networkMode="bridge")).replaces == ["ports"]
        box.delete()
        box.id = ""


def test_two_bindings_of_a_port_are_read_back_as_the_engine_lists_them(world: World, engine: Any) -> None:
    box = world.new("Container")
    bindings = [{"ip": address, "internal": 80, "external": 0} for address in ("127.0.0.1", "127.0.0.2")]
    state = box.create(**world.box(networkMode="bridge", ports=bindings))
    (listed,) = engine.containers.get(box.id).attrs["NetworkSettings"]["Ports"].values()
    assert [port["ip"] for port in state["ports"]] == [binding["HostIp"] for binding in listed]


def test_stopped_container_has_no_ports_and_is_replaced(world: World, engine: Any) -> None:
    """As officially (kreuzwerker/terraform-provider-docker, issue 77)."""
    box = world.new("Container")
    inputs = world.box(networkMode="bridge", ports=[{"ip": "127.0.0.1", "internal": 80, "external": 0}])
    box.create(**inputs)
    engine.containers.get(box.id).kill()
    refreshed = box.refresh()
    assert refreshed and refreshed["ports"] == []
    assert box.diff(**inputs).replaces == ["ports"]


def test_limits_change_in_place(world: World, engine: Any) -> None:
    box = world.new("Container")
    box.create(**world.box())
    before = box.id
    inputs = world.box(memory=64, memorySwap=64, restart="always")
    assert sorted(box.diff(**inputs).diffs) == ["memory", "memorySwap", "restart"]
    box.update(**inputs)
    host = engine.containers.get(before).attrs["HostConfig"]
    assert (host["Memory"], host["RestartPolicy"]["Name"]) == (2**26, "always")


def test_exited_container_is_seen_and_started_in_place(world: World, engine: Any) -> None:
    box = world.new("Container")
    box.create(**world.box())
    engine.containers.get(box.id).kill()
    refreshed = box.refresh()
    assert refreshed and refreshed["mustRun"] is False and refreshed["exitCode"] == 137
    answer = box.diff(**world.box())
    assert (answer.diffs, answer.replaces) == (["mustRun"], [])
    assert "exitCode" not in box.update(**world.box()) or engine.containers.get(box.id).status == "running"
    assert engine.containers.get(box.id).status == "running"


def test_what_the_engine_writes_in_its_own_way_differs_after_a_refresh(world: World) -> None:
    box = world.new("Container")
    inputs = world.box(
        capabilities={"adds": ["CHOWN"], "drops": ["ALL"]}, healthcheck={**CHECK, "interval": "60s"}, memorySwap=None
    )
    box.create(**inputs)
    assert box.diff(**inputs).changes is False
    box.refresh()
    answer = box.diff(**inputs)
    assert (answer.diffs, answer.replaces) == (["capabilities", "healthcheck", "memorySwap"], ["capabilities"])


def test_unhealthy_container_is_kept_and_explained_without_secrets_and_heals(world: World, engine: Any) -> None:
    box = world.new("Container")
    inputs = world.box(
        'echo "password is $PASSWORD"; exec sleep 1000',
        envs=PropertyValue([PropertyValue("PASSWORD=hunter2hunter2", is_secret=True)]),
        tmpfs={"/tmp": "size=1m,mode=1777"},
        healthcheck=CHECK,
        wait=True,
        waitTimeout=3,
    )
    with pytest.raises(InitError) as failure:
        box.create(**inputs)
    assert f"container {world.name} is not healthy after 3 s" in str(failure.value)
    assert "last health check (code 1)" in str(failure.value)
    assert "password is [secret]" in str(failure.value) and "hunter2" not in str(failure.value)
    box.id, box.state = failure.value.resource_id, failure.value.properties
    assert box.state["envs"].contains_secret()
    engine.containers.get(box.id).exec_run(["touch", "/tmp/well"])
    box.update(**inputs)
    assert engine.containers.get(box.id).attrs["State"]["Health"]["Status"] == "healthy"


def test_container_that_exits_at_once_is_an_error_with_its_last_words(world: World) -> None:
    box = world.new("Container")
    with pytest.raises(InitError, match=r"exited with code 3\nlast log lines:\ngoodbye") as failure:
        box.create(**world.box("echo goodbye; exit 3", healthcheck=CHECK, wait=True))
    box.id, box.state = failure.value.resource_id, failure.value.properties


def test_failure_before_the_start_leaves_nothing(world: World, engine: Any) -> None:
    box = world.new("Container")
    with pytest.raises(PluginError, match="wait needs a healthcheck"):
        box.create(**world.box(wait=True))
    with pytest.raises(PluginError, match=r"network ohif-test-none not found"):
        box.create(**world.box(networkMode="bridge", networksAdvanced=[{"name": "ohif-test-none"}]))
    assert engine.containers.list(all=True, filters={"name": world.name}) == []


def test_taken_name_is_an_error(world: World) -> None:
    world.new("Container").create(**world.box())
    with pytest.raises(PluginError, match="already in use"):
        Driver(world.plugin, "docker:index/container:Container").create(**world.box())


def test_cancel_ends_a_wait_and_keeps_the_container(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = threading.Event()
    for module in (provider, resource_module):
        monkeypatch.setattr(module, "cancelled", fresh)
    box = world.new("Container")
    threading.Timer(1, lambda: asyncio.run(world.plugin.cancel())).start()
    with pytest.raises(InitError, match="when Pulumi was cancelled") as failure:
        box.create(**world.box(healthcheck=CHECK, wait=True))
    box.id, box.state = failure.value.resource_id, failure.value.properties
    monkeypatch.undo()


def test_local_image_is_found_and_kept(world: World, engine: Any) -> None:
    found = Driver(world.plugin, "docker:index/remoteImage:RemoteImage")
    state = found.create(name=world.image, keepLocally=True)
    assert state["imageId"] == engine.images.get(world.image).id and state["repoDigest"] == ""
    assert found.refresh() == state
    found.delete()
    assert engine.images.get(world.image)


def test_image_that_is_nowhere_is_an_error_with_its_name(world: World) -> None:
    with pytest.raises(PluginError, match=r"image 127\.0\.0\.1:1/none:1 is not on the engine at .* cannot be pulled"):
        Driver(world.plugin, "docker:index/remoteImage:RemoteImage").create(name="127.0.0.1:1/none:1")


def test_engine_that_does_not_answer_is_named() -> None:
    plugin = docker_plugin.plugin()
    plugin._config = {"host": "unix:///nowhere.sock"}
    with pytest.raises(PluginError, match=r"no Docker engine answers at unix:///nowhere\.sock"):
        Driver(plugin, "docker:index/volume:Volume").create(name="x")
