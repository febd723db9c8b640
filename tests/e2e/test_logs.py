"""Log lines that outlive their containers: on a volume for as long as is configured, and on a log server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from settings import ArchiveKind
from tests.certificates import signed
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, NAME, Stack, tool, wait_until
from tests.e2e.log_server import LogServer, stopped_log_server
from tools.dicomweb import sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the gateway does not ask which archive it is")

STUDY, EARLIER = "1.2.826.0.1.3680043.8.498.11", "1.2.826.0.1.3680043.8.498.12"
WAITED = [f"1.2.826.0.1.3680043.8.498.13.{number}" for number in range(3)]


@pytest.fixture(scope="module")
def server(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> LogServer:
    return stopped_log_server(tmp_path_factory.mktemp("log-server"), stack.edge_address())


@pytest.fixture(scope="module")
def viewer(stack: Stack, up_with: UpWith) -> Iterator[httpx.Client]:
    up_with(auditDays=30)
    with closing(sign_in(stack.url, "viewer", stack.outputs().credentials["viewer"])) as session:
        yield session


def in_gateway(stack: Stack, script: str) -> str:
    result = stack.container("gateway").exec_run(["/bin/sh", "-c", f'cd "$AUDIT" && {script}'])
    assert isinstance(result.output, bytes)
    assert result.exit_code == 0, result.output
    return result.output.decode()


def search_for(session: httpx.Client, study: str) -> None:
    assert session.get(f"/pacs/studies?StudyInstanceUID={study}").status_code in (200, 204)


def accesses(study: str, since: str = "1d") -> list[str]:
    """Who is reported to have asked for a study."""
    done = tool("audit", "--study", study, "--since", since, "--json")
    assert done.returncode == 0, done.stdout
    return [it["user"] for it in json.loads(done.stdout)["accesses"]]


def test_a_new_container_has_what_the_old_one_logged(
    stack: Stack, viewer: httpx.Client, server: LogServer, up_with: UpWith
) -> None:
    search_for(viewer, STUDY)
    with httpx.Client(base_url=stack.url) as nobody:
        assert nobody.get(f"/pacs/studies?StudyInstanceUID={STUDY}").status_code == 401
    wait_until(lambda: accesses(STUDY) == ["viewer"], "line on the volume", 10)
    before = stack.container("gateway").id
    with server.running():
        up_with(auditDays=31, logs=server.settings)
    assert stack.container("gateway").id != before
    assert accesses(STUDY) == ["viewer"]
    # Requests without a user fill no volume.
    users = {json.loads(it)["user"] for it in in_gateway(stack, "cat today.log").splitlines()}
    assert "" not in users
    assert "viewer" in users


def test_a_day_that_is_over_is_compressed_and_one_day_deleted(stack: Stack, viewer: httpx.Client) -> None:
    search_for(viewer, EARLIER)
    wait_until(lambda: accesses(EARLIER) == ["viewer"], "line on the volume", 10)
    yesterday = in_gateway(stack, "date -u -d @$(($(date +%s) - 86400)) +%F").strip()
    in_gateway(stack, "echo old | gzip >2020-01-01.log.gz && touch -d '2020-01-02 00:00:00' 2020-01-01.log.gz")
    in_gateway(stack, f"touch -d '{yesterday} 12:00:00' today.log")
    # It looks at the file's day when it starts.
    stack.container("gateway").restart()
    wait_until(lambda: stack.container("gateway").attrs["State"]["Health"]["Status"] == "healthy", "gateway", 30)
    wait_until(lambda: f"{yesterday}.log.gz" in in_gateway(stack, "ls"), "the compressed day", 30)
    assert EARLIER in in_gateway(stack, f"gzip -cd {yesterday}.log.gz")
    assert in_gateway(stack, "ls").split() == [f"{yesterday}.log.gz", "today.log"]
    assert accesses(EARLIER, "3d") == ["viewer"]
    search_for(viewer, STUDY)
    wait_until(lambda: STUDY in in_gateway(stack, "cat today.log"), "a line in the new file", 10)


def check(stack: Stack) -> str:
    """What the health check of what sends the lines says; empty: all is well."""
    output = stack.container("logs").exec_run(["/bin/sh", "/etc/logs/check.sh"]).output
    assert isinstance(output, bytes)
    return output.decode()


def test_lines_of_all_containers_reach_a_log_server_once(stack: Stack, viewer: httpx.Client, server: LogServer) -> None:
    """From the first line of each on; those about users' requests even if both ends are away in between."""
    with server.running():
        with httpx.Client(base_url=stack.url) as nobody:
            assert nobody.get(f"/pacs/studies?StudyInstanceUID={WAITED[0]}").status_code == 401
        search_for(viewer, WAITED[0])
        wait_until(lambda: len(server.lines(WAITED[0])) == 2, "line of each request", 20)
        by_nobody, by_viewer = sorted(server.lines(WAITED[0]), key=lambda it: '"user":"viewer"' in it)
        assert by_nobody.split()[:2] == [f"ohif-{NAME}", "gateway"]
        assert by_viewer.split()[:2] == [f"ohif-{NAME}", "audit"]
        assert json.loads(by_viewer.split(maxsplit=2)[2])["status"] in (200, 204)
        for program, says in {
            "keycloak": "Listening on",
            "orthanc": "Orthanc has started",
            "keycloak-db": "ready",
        }.items():
            assert server.lines(f" {program} ", says), program
        assert check(stack) == ""
    # Docker keeps them too.
    assert WAITED[0] in stack.container("gateway").logs(tail=100).decode()

    search_for(viewer, WAITED[1])
    stack.container("logs").kill()
    stack.container("logs").start()
    search_for(viewer, WAITED[2])
    with server.running(by=signed("somebody else's authority", covers=())):
        wait_until(lambda: "certificate verify failed" in stack.container("logs").logs().decode(), "refusal", 30)
        wait_until(lambda: "the log server takes no lines" in check(stack), "warning", 20)
        assert not server.lines(WAITED[1])
    with server.running():
        wait_until(lambda: all(server.lines(it) for it in WAITED), "lines that waited", 30)
        wait_until(lambda: check(stack) == "", "healthy", 20)
    assert [len(server.lines(it, '"user":"viewer"')) for it in WAITED] == [1, 1, 1]
