"""The stand-in plugins as processes: started, spoken to and ended as the engine does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from offline.plugins.resource import InitError
from offline.plugins.shape import wrapped
from offline.plugins.wire import _partial

ROOT = Path(__file__).parents[2]
URN = "urn:pulumi:s::p::random:index/randomPassword:RandomPassword::x"


@pytest.fixture
def package() -> str:
    return "random"


@pytest.fixture
def process(package: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", f"offline.plugins.{package}", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


@pytest.fixture
def plugin(process: subprocess.Popen[str]) -> Iterator[Any]:
    assert process.stdout
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def test_reports_its_version(plugin: Any) -> None:
    assert plugin.GetPluginInfo(empty_pb2.Empty()).version.startswith("4.")
    assert plugin.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets


def test_difference_is_taken_from_the_old_inputs(plugin: Any) -> None:
    request = provider_pb2.DiffRequest(
        urn=URN, olds={"length": 8, "result": "x"}, old_inputs={"length": 8}, news={"length": 8}
    )
    assert plugin.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE
    request.news["length"] = 9
    assert list(plugin.Diff(request).replaces) == ["length"]


PORTS = [{"internal": 80, "external": 80, "ip": "0.0.0.0", "protocol": "tcp"}]


@pytest.mark.parametrize("package", ["docker"])
@pytest.mark.parametrize(("read", "replaced"), [(PORTS, []), ([*PORTS, *PORTS], ["ports"]), ([], ["ports"])])
def test_difference_of_what_is_read_back_is_taken_from_the_old_state(
    plugin: Any, read: list[Any], replaced: list[str]
) -> None:
    given = {"image": "x", "name": "y", "ports": [{"internal": 80, "external": 80}]}
    request = provider_pb2.DiffRequest(
        urn="urn:pulumi:s::p::docker:index/container:Container::x",
        olds={**given, "ports": read, "hostname": "chosen"},
        old_inputs=given,
        news=given,
    )
    assert list(plugin.Diff(request).replaces) == replaced


@pytest.mark.parametrize("package", ["keycloak"])
def test_changed_configuration_is_a_difference(plugin: Any) -> None:
    """Else the engine goes on with the old one: another address, another authority would not count."""
    request = provider_pb2.DiffRequest(
        urn="urn:pulumi:s::p::pulumi:providers:keycloak::x", old_inputs={"url": "http://a"}, news={"url": "http://a"}
    )
    assert plugin.DiffConfig(request).changes == provider_pb2.DiffResponse.DIFF_NONE
    request.news["url"] = "https://b"
    answer = plugin.DiffConfig(request)
    assert (answer.changes, list(answer.diffs)) == (provider_pb2.DiffResponse.DIFF_SOME, ["url"])


def test_errors_come_without_traceback(plugin: Any, process: subprocess.Popen[str]) -> None:
    with pytest.raises(grpc.RpcError) as error:
        plugin.Invoke(provider_pb2.InvokeRequest(tok="random:index:f"))
    assert error.value.details() == "the stand-in of the random plugin has no function random:index:f"
    with pytest.raises(grpc.RpcError) as error:
        plugin.GetSchema(provider_pb2.GetSchemaRequest())
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")


def test_the_engines_signal_ends_it_cleanly(plugin: Any, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0


ENGINE = """
import subprocess, sys
command = [sys.executable, "-m", "offline.plugins.random", "127.0.0.1:1"]
plugin = subprocess.Popen(command, stdout=subprocess.PIPE)
plugin.stdout.readline()
print(plugin.pid)
"""


def test_ends_with_the_engine() -> None:
    pid = int(subprocess.run([sys.executable, "-c", ENGINE], cwd=ROOT, capture_output=True, check=True).stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.2)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_partly_created_object_is_reported_with_its_state() -> None:
    failure = InitError("abc", {}, "not healthy")
    failure.properties = {"name": wrapped("box")}
    status = status_pb2.Status.FromString(_partial(failure))
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, detail.properties["name"], list(detail.reasons)) == ("abc", "box", ["not healthy"])
