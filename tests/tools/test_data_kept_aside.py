"""Data that an upgrade keeps aside, in real volumes: whatever ends it half way, they are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from bootstrap.console import UserError
from names import OWN_PLACE, PROJECT, SERVER_PLACE, docker_labels, docker_name
from tests.components.gateway.real_nginx import engine, image
from tools import former_databases, left_volumes, preflight
from tools.container_exec import run
from tools.pulumi_run import Pulumi

pytestmark = pytest.mark.engine

STACK = "test-former"
DATABASES = ("keycloak-db", "orthanc-db")
FILES = "orthanc"
VOLUME = "docker:index/volume:Volume"
ROOT = "urn:pulumi:test-former::ohif::"


class FakePulumi:
    """A state that can be changed."""

    stack = STACK

    def __init__(self) -> None:
        choice = {"archive": "orthanc", "databases": {"postgres": "16"}}
        self.resources: list[dict[str, Any]] = [
            {"type": "ohif:index:ArchiveChoice", "urn": f"{ROOT}ohif:index:ArchiveChoice::it", "inputs": choice},
            *(
                {
                    "type": VOLUME,
                    "urn": f"{ROOT}{VOLUME}::{name}",
                    "protect": True,
                    "outputs": {"name": docker_name(PROJECT, STACK, name)},
                }
                for name in (*DATABASES, FILES)
            ),
        ]

    @property
    def remembered(self) -> dict[str, Any]:
        return dict(self.resources[0]["inputs"])

    @property
    def protected(self) -> list[str]:
        """Names of the volumes that only an administrator may let go."""
        return [it["urn"].rpartition("::")[2] for it in self.resources if it.get("protect")]

    @property
    def kept(self) -> list[str]:
        """Names of the volumes that stay on the engine when they leave the stack."""
        return [it["urn"].rpartition("::")[2] for it in self.resources if it.get("retainOnDelete")]

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
    """Two servers of a stack with a database each, as far as folders go, an archive with files, and a gateway."""
    labels = dict(docker_labels(PROJECT, STACK))
    with engine() as client:
        for name in (*DATABASES, FILES, "gateway"):
            volume = client.volumes.create(f"{PROJECT}-{STACK}-{name}", labels=labels)
            own = {"POSTGRES_DB": "it", "PGDATA": "/var/lib/postgresql/data/pgdata"} if name in DATABASES else {}
            client.containers.run(
                image("postgres"),
                name=volume.name,
                entrypoint=["sleep", "600"],
                environment=own,
                user="999:999",
                volumes={} if name == "gateway" else {volume.name: {"bind": "/var/lib/postgresql/data", "mode": "rw"}},
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
    left_volumes.refuse(servers, STACK)
    former_databases.set_aside(servers, pulumi)
    # A second time, as after an interruption, changes nothing.
    former_databases.set_aside(servers, pulumi)
    assert "databases" not in cast("FakePulumi", pulumi).remembered
    if running:
        write(servers, "new")
    with pytest.raises(UserError, match="interrupted"):
        left_volumes.refuse(servers, STACK)
    former_databases.put_back(servers, pulumi)
    former_databases.put_back(servers, pulumi)
    assert texts(servers) == ["former", "former"]
    left_volumes.refuse(servers, STACK)


def test_what_is_not_needed_any_more_goes(servers: docker.DockerClient, pulumi: Pulumi) -> None:
    write(servers, "former")
    former_databases.set_aside(servers, pulumi)
    write(servers, "new")
    former_databases.remove(servers, STACK)
    left_volumes.refuse(servers, STACK)
    former_databases.put_back(servers, pulumi)
    assert texts(servers) == ["new", "new"]


MOVES = {
    "database": ({"database": SERVER_PLACE}, DATABASES),
    "files": ({"files": "/mnt/nas/ohif"}, (FILES,)),
    "both": ({"database": SERVER_PLACE, "files": "/mnt/nas/ohif"}, (*DATABASES, FILES)),
}


@pytest.mark.parametrize(("places", "left"), MOVES.values(), ids=MOVES)
def test_an_interrupted_move_to_another_place_is_seen(
    servers: docker.DockerClient, pulumi: Pulumi, places: dict[str, str], left: tuple[str, ...]
) -> None:
    state = cast("FakePulumi", pulumi)
    left_volumes.leave(servers, pulumi, places)
    assert state.remembered["places"] == places
    assert left_volumes.place({"resources": state.resources}, "files") == places.get("files", OWN_PLACE)
    assert sorted(state.kept) == sorted(left)
    assert sorted(state.protected) == sorted({*DATABASES, FILES} - set(left))
    assert [it for it in left_volumes.VOLUMES if not left_volumes.are_own(servers, STACK, it)] == list(places)
    assert left_volumes.are_moving(servers, STACK) == list(places)
    with pytest.raises(UserError, match="interrupted"):
        left_volumes.refuse(servers, STACK)
    left_volumes.come_back(servers, pulumi, places)
    left_volumes.refuse(servers, STACK)
    assert state.remembered["places"] == dict.fromkeys(places, OWN_PLACE)


@pytest.mark.parametrize(("places", "left"), MOVES.values(), ids=MOVES)
def test_a_move_that_ended_well_leaves_the_volumes(
    servers: docker.DockerClient, pulumi: Pulumi, places: dict[str, str], left: tuple[str, ...]
) -> None:
    left_volumes.leave(servers, pulumi, places)
    names = left_volumes.have_moved(servers, STACK, places)
    assert sorted(names) == sorted(docker_name(PROJECT, STACK, name) for name in left)
    assert not left_volumes.are_moving(servers, STACK)
    left_volumes.refuse(servers, STACK)
