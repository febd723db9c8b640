"""`make status` and `make smoke` say how a running stack is, and see what does not work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from settings import ArchiveKind
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, ROOT, THINGS, Stack, state_environment, tool
from tests.e2e.realm import Realm
from tools import sample
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the statistics are Orthanc's")


@pytest.fixture
def without_viewer(stack: Stack) -> Iterator[None]:
    """The stack while the viewer is stopped."""
    stack.container("viewer").stop(timeout=5)
    yield
    stack.up()


def test_the_status_has_every_part_and_what_is_stored(stack: Stack, session: Sessions) -> None:
    assert session("viewer").get("/pacs/studies").status_code == 200
    done = tool("status", "--json")
    assert done.returncode == 0, done.stdout
    status = json.loads(done.stdout)
    assert {it["name"] for it in status["parts"]} == set(THINGS)
    assert {it["state"] for it in status["parts"]} == {"healthy"}
    assert all(0 < it["memory_mib"] <= it["memory_limit_mib"] for it in status["parts"])
    found = session("pacsadmin").get("/pacs-admin/statistics").json()
    assert (status["studies"], status["instances"]) == (found["CountStudies"], found["CountInstances"])
    assert status["instances"] >= sample.SLICES
    assert status["sessions"] >= 1
    databases = {it["name"]: it for it in status["databases"]}
    assert set(databases) == {"keycloak-db", "orthanc-db"}
    assert all(
        0 < it["connections"] < it["connections_limit"] and it["size_bytes"] > 10**6 for it in databases.values()
    )
    assert 0 < status["disk_free_gb"] < status["disk_gb"]
    assert status["problems"] == []


def test_the_metrics_are_of_the_running_stack(stack: Stack, session: Sessions, tmp_path: Path) -> None:
    assert session("viewer").get("/pacs/studies").status_code == 200
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, "viewer", "not the password")
    file = tmp_path / "ohif.prom"
    done = tool("status", "--textfile", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    families = {family.name: family.samples for family in text_string_to_metric_families(file.read_text())}
    assert {it.labels["part"]: it.value for it in families["ohif_part_up"]} == dict.fromkeys(THINGS, 1)
    answered = {it.labels["status"]: it.value for it in families["ohif_recent_requests"]}
    assert answered["2xx"] > 0 and answered["3xx"] > 0
    assert families["ohif_recent_failed_sign_ins"][0].value >= 1
    assert families["ohif_instances"][0].value >= sample.SLICES
    assert tool("status", "--textfile", str(tmp_path / "no-folder" / "ohif.prom")).returncode == 2


@pytest.mark.usefixtures("without_viewer")
def test_a_stopped_part_needs_attention_and_fails_the_smoke_test() -> None:
    status = tool("status")
    assert status.returncode == 1
    assert "attention: viewer is exited" in status.stdout
    smoke = tool("smoke")
    assert smoke.returncode == 1
    assert "FAILED  viewer: signs in, reads, is refused the rest: GET /ohif-viewer/ answers 50" in smoke.stdout


def test_the_smoke_test_passes_and_leaves_nothing(stack: Stack, outputs: StackOutputs, session: Sessions) -> None:
    realm = Realm(stack, outputs.credentials["admin"])
    users, studies = realm.ask("GET", "/users/count"), session("pacsadmin").get("/pacs/studies").json()
    done = tool("smoke")
    assert done.returncode == 0, done.stdout
    lines = [line.split()[0] for line in done.stdout.splitlines()]
    assert lines == ["ok"] * 5
    assert realm.ask("GET", "/users/count") == users
    assert session("pacsadmin").get("/pacs/studies").json() == studies


def test_a_stack_that_is_not_there_is_no_success() -> None:
    for module in ("status", "smoke"):
        done = subprocess.run(
            [sys.executable, "-m", f"tools.{module}", "--stack", "no-such-stack"],
            cwd=ROOT,
            env=state_environment(),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (1, 2), done.stdout
        assert "error:" in done.stderr
        assert "Traceback" not in done.stderr
