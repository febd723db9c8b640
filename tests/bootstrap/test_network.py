"""Open or restricted network: the probed hosts, and how the decision is made and saved."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bootstrap import network
from bootstrap.console import UserError
from bootstrap.network import Decision, decide, probe, probe_targets, reachable, registry_of

TARGETS = {"Pulumi's releases": "https://a.invalid/x", "quay.io": "https://quay.invalid/v2/"}


def no_probe() -> Mapping[str, str]:
    raise AssertionError("this must not probe the network")


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx:1.30", "registry-1.docker.io"),
        ("valkey/valkey:8", "registry-1.docker.io"),
        ("docker.io/library/nginx:1", "registry-1.docker.io"),
        ("quay.io/keycloak/keycloak:26.7.3", "quay.io"),
        ("localhost:5000/ohif/app:v3", "localhost:5000"),
        ("localhost/ohif:1", "localhost"),
    ],
)
def test_registry_comes_from_the_name(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_each_registry_is_probed_once() -> None:
    found = probe_targets("https://releases.invalid/cli", ["nginx:1", "postgres:17", "quay.io/a/b:1"])
    assert list(found.values()) == [
        "https://releases.invalid/cli",
        "https://quay.io/v2/",
        "https://registry-1.docker.io/v2/",
    ]


def test_one_unreachable_host_makes_the_network_restricted() -> None:
    decision = probe(TARGETS, lambda url: "quay" not in url)
    assert not decision.open
    assert "quay.io" in decision.reason
    assert "releases" not in decision.reason


def test_the_network_is_open_if_all_hosts_answer() -> None:
    assert probe(TARGETS, lambda _: True).open


def test_a_name_that_does_not_resolve_is_unreachable_within_seconds() -> None:
    started = time.monotonic()
    assert not reachable("https://no-such-host.invalid/v2/")
    assert time.monotonic() - started < 3 * network.PROBE_SECONDS


@pytest.mark.parametrize(("word", "is_open"), [("1", False), ("yes", False), ("0", True), ("false", True)])
def test_offline_decides_without_a_probe(word: str, is_open: bool) -> None:
    assert decide(no_probe, environment={"OFFLINE": word}).open is is_open


def test_offline_overrides_a_saved_decision() -> None:
    kept = Decision(open=True, reason="before", decided=time.time(), kept=True)
    assert not decide(no_probe, environment={"OFFLINE": "1"}, last=kept).open


def test_an_invalid_value_of_offline_is_rejected() -> None:
    with pytest.raises(UserError, match="OFFLINE=perhaps"):
        decide(no_probe, environment={"OFFLINE": "perhaps"})


def test_a_recent_decision_is_used_again() -> None:
    fresh = Decision(open=True, reason="", decided=time.time() - 60)
    assert decide(no_probe, environment={}, last=fresh) == fresh
    old = Decision(open=True, reason="", decided=time.time() - network.FRESH_SECONDS - 1)
    assert not decide(lambda: TARGETS, environment={}, last=old, check=lambda _: False).open


def test_the_decision_of_a_stack_does_not_expire() -> None:
    kept = Decision(open=True, reason="", decided=0, kept=True)
    assert decide(no_probe, environment={}, last=kept) == kept


def test_a_decision_is_saved_and_an_invalid_file_ignored(tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    assert network.last_decision(file) is None
    decision = Decision(open=False, reason="no answer from quay.io", decided=1.5)
    network.save_decision(decision, file)
    assert network.last_decision(file) == decision
    file.write_text('{"open":')
    assert network.last_decision(file) is None
