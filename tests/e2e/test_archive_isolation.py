"""What holds the archive in, whichever it is: who reaches it, and what its processes may do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.harness import ARCHIVE, OF_THE_ARCHIVE, Stack
from tests.e2e.other_containers import network_name, reached_from

EVERY_PROCESS = """
for process in /proc/[0-9]*; do
  name=$(cat $process/comm 2>/dev/null) || continue
  echo "$name $(sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p; s/^CapEff:\\t//p' $process/status | tr '\\n' ' ')"
done
"""
LAUNCHERS = {"docker-init", "tini", "sh", "bash", "sed", "tr", "cat", "sleep", "timeout"}
"""The engine's own first process, those of this question, and those of the health check."""


def test_nobody_but_the_gateway_reaches_the_archive(stack: Stack) -> None:
    """On a network next to the viewer, next to Keycloak, or on the one with outbound access."""
    networks = ("imaging", "identity", "edge")
    with ThreadPoolExecutor() as pool:
        reached = list(pool.map(lambda network: reached_from(stack, network_name(network)), networks))
    for network, found in zip(networks, reached, strict=True):
        assert found, network
        assert not {thing for thing, _ in found} & set(OF_THE_ARCHIVE[ARCHIVE]), network


@pytest.mark.parametrize("part", range(len(OF_THE_ARCHIVE[ARCHIVE])))
def test_servers_of_the_archive_run_without_privileges(stack: Stack, part: int) -> None:
    """Also where the image starts as root: what listens has become another user and kept no capability."""
    container = stack.container(OF_THE_ARCHIVE[ARCHIVE][part])
    said = container.exec_run(["sh", "-c", EVERY_PROCESS], user="root").output
    assert isinstance(said, bytes)
    servers = [line.split() for line in said.decode().splitlines() if line.split()[0] not in LAUNCHERS]
    assert servers
    for name, user, capabilities in servers:
        assert user != "0", name
        assert int(capabilities, 16) == 0, name


def test_archive_ends_when_it_is_asked_to(stack: Stack) -> None:
    """Within seconds: a process that does not get the signal is killed after a minute, with what it was writing."""
    for thing in OF_THE_ARCHIVE[ARCHIVE]:
        container = stack.container(thing)
        container.stop(timeout=40)
        container.reload()
        # 137 is a kill; Java and OpenLDAP have words of their own for an end that was asked for.
        assert container.attrs["State"]["ExitCode"] != 137, thing
    stack.up()
