"""The end of a stack. KEEP=1 leaves it up to be looked at."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import KEEP
from tests.e2e.harness import CONFIG_FILE, NAME, ROOT, Stack, by_hand, state_environment, wait_until
from tools.dicomweb import sign_in

pytestmark = pytest.mark.skipif(KEEP, reason="KEEP=1: the stack stays up")


def test_destroy_by_hand_with_a_dead_keycloak_leaves_nothing(stack: Stack) -> None:
    stack.container("keycloak").kill()
    by_hand("pulumi destroy --yes")
    assert stack.leftovers() == []


@pytest.mark.slow
def test_up_heals_an_up_that_was_killed_and_destroy_leaves_nothing(stack: Stack) -> None:
    """From nothing: the first `up` dies while containers are being made, the second one goes on from there."""
    with subprocess.Popen(
        ["python3", "-m", "tools.stack", "up", "--stack", NAME, "--config-file", str(CONFIG_FILE)],
        cwd=ROOT,
        env=state_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        wait_until(lambda: len(stack.containers()) >= 3, "containers of the first up", 60)
        os.killpg(first.pid, signal.SIGKILL)
    stack.up()
    outputs = stack.outputs()
    assert outputs.base_url == stack.url
    sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
    stack.destroy()
    assert stack.leftovers() == []
