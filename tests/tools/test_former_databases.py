"""Databases that an upgrade keeps aside, in real volumes of real servers: whatever ends it half way, they are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from bootstrap.console import UserError
from names import PROJECT, docker_labels
from tests.components.gateway.real_nginx import engine, image
from tools import former_databases, preflight
from tools.container_exec import run
from tools.pulumi_run import Pulumi

pytestmark = pytest.mark.engine

STACK = "test-former"
DATABASES = ("keycloak-db", "orthanc-db")
VOLUME = "docker:index/volume:Volume"
ROOT = "urn:pulumi:test-former::ohif::"


class FakePulumi:
    """A state that can be changed."""

    stack = STACK

    def __init__(self) -> None:
        choice = {"archive": "orthanc", "databases": {"postgres": "16"}, "externalDatabase": False}
        self.resources: list[dict[str, Any]] = [
            {"type": "ohif:index:ArchiveChoice", "urn": f"{ROOT}ohif:index:ArchiveChoice::it", "inputs": choice},
            {"type": VOLUME, "urn": f"{ROOT}ohif:index:Database${VOLUME}::it", "protect": True},
            {"type": VOLUME, "urn": f"{ROOT}ohif:index:Orthanc${VOLUME}::files", "protect": True},
        ]

    @property
    def remembered(self) -> dict[str, Any]:
        return dict(self.resources[0]["inputs"])

    def output_of(self, *words: str, config: bool = False) -> str:
        if words == ("stack", "export"):
            return json.dumps({"deployment": {"resources": self.resources}})
        self.resources = json.loads(Path(words[2].removeprefix("--file=")).read_text())["deployment"]["resources"]
        return ""


@pytest.fixture
def pulumi() -> Pulumi:
    return cast("Pulumi", FakePulumi())


@pytest.fixture
def servers() -> Iterator[docker.DockerClient]:
    """Two servers of a stack with a database each, as far as folders go, and a third container without one."""
    labels = dict(docker_labels(PROJECT, STACK))
    with engine() as client:
        for name in (*DATABASES, "gateway"):
            volume = client.volumes.create(f"{PROJECT}-{STACK}-{name}", labels=labels)
            own = {"POSTGRES_DB": "it", "PGDATA": "/var/lib/postgresql/data/pgdata"} if name in DATABASES else {}
            client.containers.run(
                image("postgres"),
                name=volume.name,
                entrypoint=["sleep", "600"],
                environment=own,
                user="999:999",
                volumes={volume.name: {"bind": "/var/lib/postgresql/data", "mode": "rw"}} if own else {},
                labels=labels,
                init=True,
                detach=True,
            )
        try:
            yield client
        finally:
            found = preflight.find(client, STACK)
            for container in found.containers:
                container.remove(force=True)
            for it in found.volumes:
                it.remove()


def write(client: docker.DockerClient, text: str) -> None:
    for name in DATABASES:
        container = client.containers.get(f"{PROJECT}-{STACK}-{name}")
        container.start()
        assert run(container, ["sh", "-c", f'mkdir -p "$PGDATA" && echo {text} > "$PGDATA/it"']).code == 0


def texts(client: docker.DockerClient) -> list[str]:
    found = []
    for name in DATABASES:
        container = client.containers.get(f"{PROJECT}-{STACK}-{name}")
        container.start()
        found.append(run(container, ["sh", "-c", 'cat "$PGDATA/it"']).output.strip())
    return found


@pytest.mark.parametrize("running", [True, False], ids=["servers that run", "servers that are stopped"])
def test_what_is_kept_aside_is_seen_and_comes_back(servers: docker.DockerClient, pulumi: Pulumi, running: bool) -> None:
    write(servers, "former")
    former_databases.refuse(servers, STACK)
    former_databases.set_aside(servers, pulumi)
    # A second time, as after an interruption, changes nothing.
    former_databases.set_aside(servers, pulumi)
    assert "databases" not in cast("FakePulumi", pulumi).remembered
    if running:
        write(servers, "new")
    with pytest.raises(UserError, match="interrupted"):
        former_databases.refuse(servers, STACK)
    former_databases.put_back(servers, pulumi)
    former_databases.put_back(servers, pulumi)
    assert texts(servers) == ["former", "former"]
    former_databases.refuse(servers, STACK)


def test_what_is_not_needed_any_more_goes(servers: docker.DockerClient, pulumi: Pulumi) -> None:
    write(servers, "former")
    former_databases.set_aside(servers, pulumi)
    write(servers, "new")
    former_databases.remove(servers, STACK)
    former_databases.refuse(servers, STACK)
    former_databases.put_back(servers, pulumi)
    assert texts(servers) == ["new", "new"]


def test_an_interrupted_move_to_another_server_is_seen(servers: docker.DockerClient, pulumi: Pulumi) -> None:
    state = cast("FakePulumi", pulumi)
    write(servers, "former")
    former_databases.leave(servers, pulumi)
    assert state.remembered["externalDatabase"] is True
    own, files = state.resources[1:]
    assert own["retainOnDelete"] is True
    assert "protect" not in own
    assert files["protect"] is True
    assert not former_databases.are_own(servers, STACK)
    with pytest.raises(UserError, match="interrupted"):
        former_databases.refuse(servers, STACK)
    former_databases.come_back(servers, pulumi)
    former_databases.refuse(servers, STACK)
    assert state.remembered["externalDatabase"] is False


def test_a_move_that_ended_well_leaves_the_volumes(servers: docker.DockerClient, pulumi: Pulumi) -> None:
    former_databases.leave(servers, pulumi)
    left = former_databases.have_moved(servers, STACK)
    assert sorted(left) == sorted(f"{PROJECT}-{STACK}-{name}" for name in DATABASES)
    former_databases.refuse(servers, STACK)
