"""`make pin`: which names are asked for, what is written, and what a real registry gives."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from bootstrap.console import UserError
from images import DEFAULT_IMAGES
from tools import debian_tools, pin

DIGEST = "sha256:" + "a" * 64


def test_asks_for_what_has_no_digest(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.ward.yaml"
    file.write_text(
        f"config:\n  ohif:images:\n    gateway: mirror/nginx:1\n    viewer: mirror/viewer:1@{DIGEST}\n"
        "    keycloak: {name: 'mirror/keycloak:26', optimized: true}\n"
    )
    own = {image.name for key, image in DEFAULT_IMAGES.items() if key not in ("gateway", "viewer", "keycloak")}
    assert pin.names(file) == sorted(own | {"mirror/nginx:1", "mirror/keycloak:26"})
    assert pin.names(tmp_path / "nowhere") == sorted({image.name for image in DEFAULT_IMAGES.values()})


def test_what_another_stack_pinned_stays_and_a_moved_tag_is_reported(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert pin.write({"a:1": DIGEST, "b:1": DIGEST}, lock) == []
    moved = f"sha256:{'b' * 64}"
    assert pin.write({"a:1": moved, "c:1": DIGEST}, lock) == ["a:1"]
    assert json.loads(lock.read_text()) == {"a:1": moved, "b:1": DIGEST, "c:1": DIGEST}


def test_one_that_is_not_found_writes_nothing() -> None:
    def ask(name: str) -> str:
        raise OSError("no such manifest")

    with pytest.raises(UserError, match=r"digest of nginx:1: no such manifest\n.*Nothing was written"):
        pin.resolved(["nginx:1"], ask)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on loopback, which engines take without HTTPS."""
    try:
        debian_tools.ensure("docker-registry")
    except UserError as problem:
        pytest.skip(str(problem))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = tmp_path / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "images")}}
    settings.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    with subprocess.Popen(
        ["docker-registry", "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert httpx.get(f"http://{address}/v2/", trust_env=False).status_code == 200
                break
            except httpx.TransportError:
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
        yield address
        server.terminate()


@pytest.mark.engine
def test_a_real_registry_gives_the_digest_and_the_image_comes_by_it(registry: str, tmp_path: Path) -> None:
    try:
        engine: Any = docker.from_env()
        engine.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    name = f"{registry}/ohif-test-{secrets.token_hex(4)}"
    scratch = tmp_path / "image.tar"
    subprocess.run(["tar", "-cf", scratch, "--files-from", "/dev/null"], check=True)
    made = engine.api.import_image_from_file(str(scratch), repository=name, tag="1")
    assert "errorDetail" not in made
    try:
        assert "errorDetail" not in engine.images.push(name, tag="1")
        digest = pin.resolved([f"{name}:1"], pin.from_registry)[f"{name}:1"]
        served = httpx.head(
            f"http://{registry}/v2/{name.partition('/')[2]}/manifests/1",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
            trust_env=False,
        )
        assert digest == served.headers["Docker-Content-Digest"]
        engine.images.remove(f"{name}:1", force=True)
        from offline.plugins import docker as plugin
        from tests.offline.plugin_driver import Driver

        image = Driver(plugin.plugin(), "docker:index/remoteImage:RemoteImage")
        state = image.create(name=f"{name}:1@{digest}", keepLocally=True)
        assert state["repoDigest"] == f"{name}@{digest}"
        with pytest.raises(UserError, match="does not give the digest"):
            pin.resolved([f"{name}:2"], pin.from_registry)
    finally:
        for found in engine.images.list(name=name):
            engine.images.remove(found.id, force=True)
