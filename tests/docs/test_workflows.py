"""The workflows give no more than they must: rights, secrets, and what a stranger's text can reach."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
MAY_COMMENT = {("preview", "comment")}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    """The workflow; YAML 1.1 reads its key `on` as true."""
    workflow = yaml.safe_load(path.read_text())
    assert isinstance(workflow, dict)
    return {"on" if key is True else key: value for key, value in workflow.items()}


def steps(path: Path) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def test_both_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["checks.yml", "preview.yml"]


@every_workflow
def test_it_runs_on_pull_requests_and_nothing_stronger(path: Path) -> None:
    assert set(load(path)["on"]) == {"pull_request"}


@every_workflow
def test_rights_are_none_but_those_of_each_job(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        wanted = {"pull-requests": "write"} if (path.stem, name) in MAY_COMMENT else {"contents": "read"}
        assert job["permissions"] == wanted, name


@every_workflow
def test_jobs_that_may_write_run_no_code_of_the_pull_request(path: Path) -> None:
    for job in load(path)["jobs"].values():
        if "write" in job["permissions"].values():
            assert not [step for step in job["steps"] if "uses" in step]
            assert "head.repo.full_name == github.repository" in job["if"]


@every_workflow
def test_actions_are_pinned_and_leave_no_credentials(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert PINNED.fullmatch(step["uses"]), step["uses"]
            if step["uses"].startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"# v\d+\.\d+\.\d+$", line), "the comment names the version"


def test_checks_run_on_every_supported_python() -> None:
    """The same versions as pyproject.toml names, from the oldest that it allows."""
    (checks,) = (path for path in WORKFLOWS if path.stem == "checks")
    matrix = load(checks)["jobs"]["checks"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [it.rpartition(" ")[2] for it in project["classifiers"] if it.startswith("Programming Language")]
    assert matrix == named == ["3.11", "3.12", "3.13", "3.14"]
    assert project["requires-python"] == f">={matrix[0]}"


@every_workflow
def test_no_expression_is_written_into_a_command(path: Path) -> None:
    for step in steps(path):
        assert not EXPRESSION.search(step.get("run", ""))


@every_workflow
def test_no_secret_is_used(path: Path) -> None:
    assert not [found for found in EXPRESSION.findall(path.read_text()) if "secrets" in found]


@every_workflow
def test_every_job_has_an_end(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 30 for job in load(path)["jobs"].values())


@every_workflow
def test_pipes_fail_with_their_first_failure(path: Path) -> None:
    assert load(path)["defaults"]["run"]["shell"] == "bash"
