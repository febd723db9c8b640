"""The health checks at the end of an update: run now, until they pass."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest

from bootstrap.console import UserError
from tools import health
from tools.health import wait_until_healthy


class Service:
    """A container whose health check has these results in turn; the last one stays."""

    def __init__(self, name: str, *results: Any, test: list[str] | None = None) -> None:
        self.name = f"ohif-ward-{name}"
        self.attrs = {"Config": {"Healthcheck": {"Test": ["CMD", "check", name] if test is None else test}}}
        self.results = list(results)
        self.commands: list[list[str]] = []

    def exec_run(self, command: list[str], environment: dict[str, str]) -> tuple[int, bytes]:
        assert environment == {"THOROUGH": "1"}
        self.commands.append(command)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result, b"connecting\nConnection refused\n"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PAUSE", 0.01)


def wait(*services: Service, timeout: float = 5) -> None:
    wait_until_healthy(services, timeout)  # type: ignore[arg-type]


def test_each_check_is_run_until_it_passes() -> None:
    database = Service("orthanc-db", 0)
    archive = Service("orthanc", 1, docker.errors.APIError("container is restarting"), 1, 0)
    wait(database, archive)
    assert archive.commands == [["check", "orthanc"]] * 4
    assert len(database.commands) == 1


def test_check_that_never_passes_is_reported_with_its_last_line() -> None:
    with pytest.raises(UserError) as problem:
        wait(Service("gateway", 0), Service("keycloak", 1), timeout=0.05)
    assert problem.value.problem == "ohif-ward-keycloak does not pass its health check: Connection refused"
    assert "docker logs ohif-ward-keycloak" in problem.value.fix


def test_services_without_requests_or_checks_are_left_out() -> None:
    wait(Service("certificate", 1), Service("viewer", 1, test=[]), Service("old", 1, test=["NONE"]), timeout=0.05)
    wait()
