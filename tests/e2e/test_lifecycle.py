"""What a stack lives through: nothing, deaths of containers, restarts in any order, a stop and a start."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.harness import CONFIG_FILE, LABEL, NAME, ROOT, THINGS, Stack, by_hand, state_environment, tool
from tests.e2e.realm import Realm
from tools.dicomweb import StackOutputs

ODD_ORDER = ("gateway", "auth-proxy", "viewer", "sessions", "keycloak", "orthanc", "keycloak-db", "orthanc-db")
"""An order of starting in which everything that is needed comes after what needs it."""

DEATHS = (
    ("keycloak",),
    ("gateway",),
    ("keycloak-db", "orthanc-db"),
)
"""With the next test's they are every container; those that die together share the price of one healing."""


def lives(stack: Stack) -> dict[str, str]:
    """Which containers there are and since when they run."""
    return {container.id or "": container.attrs["State"]["StartedAt"] for container in stack.containers()}


def test_second_up_changes_nothing(stack: Stack) -> None:
    before = lives(stack)
    assert "nothing changed" in stack.up()
    assert lives(stack) == before


def test_wrong_passphrase_is_said_and_nothing_changes(stack: Stack) -> None:
    before = lives(stack)
    environment = {**state_environment(), "PULUMI_CONFIG_PASSPHRASE": "not the one"}
    done = subprocess.run(
        ["python3", "-m", "tools.stack", "up", "--stack", NAME, "--config-file", str(CONFIG_FILE)],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if name != "PULUMI_CONFIG_PASSPHRASE_FILE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the passphrase does not decrypt" in done.stdout + done.stderr
    assert lives(stack) == before


def test_preview_by_hand_sees_no_changes(stack: Stack) -> None:
    by_hand("pulumi preview --expect-no-changes")


def test_drift_is_what_differs_in_the_engine_or_in_keycloak(stack: Stack, outputs: StackOutputs) -> None:
    same = tool("stack", "drift")
    assert (same.returncode, "nothing differs" in same.stdout) == (0, True), same.stdout
    with Realm(stack, outputs.credentials["admin"]).changed(ssoSessionIdleTimeout=4711):
        differs = tool("stack", "drift")
    assert differs.returncode == 1
    assert "ssoSessionIdleTimeout" in differs.stdout, differs.stdout


def test_configuration_of_the_running_tools_is_valid(stack: Stack) -> None:
    done = stack.container("gateway").exec_run("nginx -t -c /etc/ohif/nginx.conf")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("dying", DEATHS, ids="+".join)
def test_up_heals_what_was_killed(stack: Stack, outputs: StackOutputs, dying: tuple[str, ...]) -> None:
    for thing in dying:
        stack.container(thing).kill()
    stack.up()
    for thing in dying:
        assert stack.container(thing).status == "running", thing
    stack.wait_for_login(outputs.credentials)


def test_up_heals_what_was_removed_besides_what_was_killed(stack: Stack, outputs: StackOutputs) -> None:
    stack.container("auth-proxy").remove(force=True)
    for thing in ("sessions", "orthanc", "viewer"):
        stack.container(thing).kill()
    stack.up()
    for thing in ("auth-proxy", "sessions", "orthanc", "viewer"):
        assert stack.container(thing).status == "running", thing
    stack.wait_for_login(outputs.credentials)


def test_starts_in_any_order(stack: Stack, outputs: StackOutputs) -> None:
    assert sorted(ODD_ORDER) == sorted(THINGS)
    for thing in ODD_ORDER:
        stack.container(thing).stop(timeout=10)
    for thing in ODD_ORDER:
        stack.container(thing).start()
    stack.wait_for_login(outputs.credentials, seconds=90)


@pytest.mark.parametrize("thing", ["sessions", "keycloak", "gateway"])
def test_restart_of_one_ends_in_a_working_login(stack: Stack, outputs: StackOutputs, thing: str) -> None:
    stack.container(thing).restart(timeout=10)
    stack.wait_for_login(outputs.credentials)


@pytest.mark.parametrize("pruned", [["networks"], ["containers", "networks"]], ids="+".join)
def test_down_and_up_keep_studies_and_users(stack: Stack, outputs: StackOutputs, pruned: list[str]) -> None:
    """Also after `docker network prune` or `docker system prune` between them."""
    stack.down()
    assert not [container.name for container in stack.containers() if container.status == "running"]
    for kind in pruned:
        removed = getattr(stack.engine, kind).prune(filters={"label": LABEL})
        assert removed[f"{kind.capitalize()}Deleted"]
    stack.up()
    stack.wait_for_login(outputs.credentials)
    assert stack.outputs().credentials == outputs.credentials
