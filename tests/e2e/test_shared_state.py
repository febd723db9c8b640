"""A team's state in a bucket of a real S3 server, used by the same commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import yaml  # type: ignore[import-untyped]

from bootstrap.state import ensure_stack
from names import PROJECT
from tests.e2e.harness import NAME, ROOT, Stack, state_environment, tool
from tests.e2e.s3_server import S3Server, s3_server

STACK, PORT = "team", 8599


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), "127.0.0.1") as made:
        (made.folder / "hospital").mkdir()
        yield made


@pytest.fixture
def environment(server: S3Server, tmp_path: Path) -> dict[str, str]:
    """What each member of the team has set."""
    authority = tmp_path / "authority.pem"
    authority.write_text(server.authority)
    return {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(authority),
        "PULUMI_BACKEND_URL": f"s3://hospital/pacs?endpoint=https://{server.address}&s3ForcePathStyle=true",
        "PULUMI_CONFIG_PASSPHRASE": "known to the team",
    }


def up(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`make up` of the team's stack."""
    file = folder / f"Pulumi.{STACK}.yaml"
    file.write_text(yaml.safe_dump({"config": {"ohif:port": PORT, "ohif:users": []}}))
    return subprocess.run(
        ["python3", "-um", "tools.stack", "up", "--stack", STACK, "--config-file", str(file)],
        cwd=ROOT, env={**state_environment(), **environment}, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_a_running_stack_moves_into_the_bucket(stack: Stack, environment: dict[str, str], tmp_path: Path) -> None:
    """With the passphrase that it has; nothing has to be made again, and no secret is ever unencrypted."""
    del environment["PULUMI_CONFIG_PASSPHRASE"]
    own, team = state_environment(), {**state_environment(), **environment}
    export = ["pulumi", "stack", "export", "--stack", NAME]
    exported = subprocess.run(export, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True, check=True).stdout
    file = tmp_path / "e2e.yaml"
    file.touch()
    ensure_stack(NAME, team, file)
    subprocess.run(
        ["pulumi", "stack", "import", "--stack", NAME], cwd=ROOT, env=team, input=exported, text=True, check=True
    )
    same = tool("stack", "drift", **environment)
    assert (same.returncode, "nothing differs" in same.stdout) == (0, True), same.stdout


def test_an_update_of_somebody_else_is_said_with_the_name(
    engine: docker.DockerClient, server: S3Server, environment: dict[str, str], tmp_path: Path
) -> None:
    state = server.folder / "hospital" / "pacs" / ".pulumi"
    file = tmp_path / "first.yaml"
    file.touch()
    ensure_stack(STACK, {**state_environment(), **environment}, file)
    lock = state / "locks" / "organization" / PROJECT / STACK / "ab12.json"
    lock.parent.mkdir(parents=True)
    held = {"pid": 4711, "username": "curie", "hostname": "reading-room", "timestamp": "2026-11-29T09:00:00Z"}
    lock.write_text(json.dumps(held))
    refused = up(tmp_path, environment)
    lock.unlink()
    assert refused.returncode == 1
    assert "another update of this stack is running" in refused.stdout, refused.stdout
    assert "curie@reading-room" in refused.stdout
    assert (state / "stacks" / PROJECT / f"{STACK}.json").is_file()
    assert not engine.containers.list(all=True, filters={"label": f"org.ohif.stack={STACK}"})


def test_a_bucket_that_refuses_the_key_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    refused = up(tmp_path, {**environment, "AWS_SECRET_ACCESS_KEY": "another"})
    assert refused.returncode == 1
    assert "PULUMI_BACKEND_URL" in refused.stdout, refused.stdout
