"""Checks before an update, and whether their errors contain the fix."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import docker.errors
import pytest

from bootstrap import engine, network
from bootstrap.console import UserError
from bootstrap.engine import EngineAddress, EngineState
from tools import preflight
from tools.preflight import NEEDED_BYTES, Found, listener_on, refuse_foreign, refuse_little_memory
from tools.restore_drill import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


class FakeEngine:
    """The parts of the engine's client that the checks use."""

    def __init__(self, containers: list[Any] | None = None, images: set[str] | None = None) -> None:
        self.containers = SimpleNamespace(list=lambda **_: containers or [])
        self._images = images or set()
        self.images = self

    def get(self, name: str) -> str:
        if name not in self._images:
            raise docker.errors.ImageNotFound(name)
        return name


def client(engine: FakeEngine) -> docker.DockerClient:
    return cast("docker.DockerClient", engine)


def container(name: str, stack: str, port: int) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        labels={"org.ohif.project": "ohif", "org.ohif.stack": stack},
        ports={"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}], "9000/tcp": None},
    )


def test_a_listener_is_named_with_its_pid(taken_port: int) -> None:
    holder = listener_on("127.0.0.1", taken_port)
    assert holder is not None
    assert f"(pid {os.getpid()})" in holder


def test_a_free_port_has_no_listener() -> None:
    assert listener_on("127.0.0.1", free_port()) is None


def test_a_listener_on_another_address_does_not_count(taken_port: int) -> None:
    assert listener_on("127.0.0.2", taken_port) is None
    assert listener_on("0.0.0.0", taken_port) is not None


def test_a_port_in_use_is_rejected_with_the_process_and_the_fix(taken_port: int) -> None:
    with pytest.raises(UserError, match=rf"port {taken_port} is in use by .*pid {os.getpid()}") as caught:
        preflight.refuse_taken_port(client(FakeEngine()), "dev", "127.0.0.1", taken_port)
    assert "ohif:port" in caught.value.fix


def test_the_stacks_own_gateway_may_hold_its_port(taken_port: int) -> None:
    own = FakeEngine([container("ohif-dev-gateway", "dev", taken_port)])
    preflight.refuse_taken_port(client(own), "dev", "127.0.0.1", taken_port)


def test_another_stacks_container_on_the_port_is_named(taken_port: int) -> None:
    other = FakeEngine([container("ohif-e2e-gateway", "e2e", taken_port)])
    with pytest.raises(UserError, match="container ohif-e2e-gateway"):
        preflight.refuse_taken_port(client(other), "dev", "127.0.0.1", taken_port)


def test_too_little_memory_is_rejected_with_the_numbers() -> None:
    refuse_little_memory(NEEDED_BYTES, NEEDED_BYTES)
    with pytest.raises(UserError, match=r"needs about 2\.0 GiB; 1\.5 GiB is available.* 7\.8 GiB in all") as caught:
        refuse_little_memory(int(1.5 * 1024**3), int(7.8 * 1024**3))
    assert "137" in caught.value.fix


def test_the_memory_of_the_engine_counts_too() -> None:
    with pytest.raises(UserError, match=r"engine has 1\.0 GiB"):
        refuse_little_memory(16 * 1024**3, 1024**3)


def found(*names: str) -> Found:
    volumes = [SimpleNamespace(name=name) for name in names]
    return Found(containers=[], networks=[], volumes=volumes)


def test_volumes_of_another_checkout_are_rejected_with_the_fix() -> None:
    with pytest.raises(UserError, match="ohif-dev-orthanc") as caught:
        refuse_foreign("dev", found("ohif-dev-orthanc"), ["pulumi:pulumi:Stack"])
    assert "WITH THEIR DATA" in caught.value.fix
    assert "--filter label=org.ohif.stack=dev" in caught.value.fix


def test_own_volumes_and_an_empty_engine_are_accepted() -> None:
    refuse_foreign("dev", found("ohif-dev-orthanc"), ["docker:index/volume:Volume"])
    refuse_foreign("dev", found(), [])


def test_images_on_the_engine_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(_: str) -> bool:
        raise AssertionError("this must not probe the network")

    monkeypatch.setattr(network, "reachable", unwanted)
    preflight.refuse_missing_images(client(FakeEngine(images={"nginx:1"})), {"gateway": "nginx:1"})


def test_a_missing_image_with_an_unreachable_registry_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "reachable", lambda url: "quay.io" not in url)
    names = {"gateway": "nginx:1", "keycloak": "quay.io/keycloak/keycloak:26.7.3"}
    with pytest.raises(UserError, match=r"keycloak \(quay\.io/keycloak/keycloak:26\.7\.3\)") as caught:
        preflight.refuse_missing_images(client(FakeEngine()), names)
    assert "gateway" not in caught.value.problem
    assert "OFFLINE=1" in caught.value.fix


def lock(directory: Path, pid: int, hostname: str) -> None:
    content = {"pid": pid, "username": "me", "hostname": hostname, "timestamp": "2026-01-01T00:00:00Z"}
    (directory / f"{pid}.json").write_text(json.dumps(content))


def test_a_lock_of_a_dead_process_is_not_held(tmp_path: Path) -> None:
    lock(tmp_path, 2**22 + 1, socket.gethostname())
    # A number used again by something else is no update either.
    lock(tmp_path, os.getpid(), socket.gethostname())
    (tmp_path / "half.json").write_text("{")
    assert preflight.locks_held(tmp_path) == []


def test_a_lock_of_another_machine_is_respected(tmp_path: Path) -> None:
    lock(tmp_path, 1, "another-machine")
    assert [held["hostname"] for held in preflight.locks_held(tmp_path)] == ["another-machine"]


def test_an_engine_without_a_socket_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert engine.probe(EngineAddress.of_environment()) is EngineState.UNREACHABLE
    with pytest.raises(UserError, match="does not answer"):
        preflight.connect()
    with pytest.raises(UserError, match="DOCKER_HOST"):
        engine.ensure()


def test_a_socket_without_access_is_an_error_with_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "get_json", denied)
    with pytest.raises(UserError, match="may not use") as caught:
        engine.ensure()
    assert "usermod -aG" in caught.value.fix


def test_a_missing_engine_is_an_error_for_users_who_cannot_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "probe", lambda _: EngineState.UNREACHABLE)
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match="not installed") as caught:
        engine.ensure()
    assert "docker.io" in caught.value.fix


def test_a_stopped_engine_is_an_error_for_users_other_than_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match="not started") as caught:
        engine.start(EngineAddress("unix:///var/run/docker.sock"))
    assert "systemctl start docker" in caught.value.fix
