"""Versions, the change log, update bots and hooks agree with what they describe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from bootstrap import pulumi_cli
from images import DEFAULT_IMAGES
from tools import lint

ROOT = Path(__file__).resolve().parents[2]
RENOVATE: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text())
LOCKS = ["requirements", "requirements-dev", "policy/requirements"]


def test_newest_version_of_the_changelog_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", project["version"]]
    assert yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text())["version"] == project["version"]


def managed(file: str) -> list[tuple[str, str]]:
    """Names and versions that Renovate's expressions find in a file."""
    found = []
    for manager in RENOVATE["customManagers"]:
        if any(re.search(pattern.strip("/"), file) for pattern in manager["managerFilePatterns"]):
            for expression in manager["matchStrings"]:
                # JavaScript's named groups in Python's notation.
                for match in re.finditer(expression.replace("(?<", "(?P<"), (ROOT / file).read_text()):
                    groups = match.groupdict()
                    found.append((groups.get("depName") or manager["depNameTemplate"], groups["currentValue"]))
    return found


def test_renovate_moves_every_image() -> None:
    names = [image.name.partition("@")[0] for image in DEFAULT_IMAGES.values()]
    assert sorted(f"{name}:{version}" for name, version in managed("images.py")) == sorted(names)


def test_renovate_moves_the_tools_outside_of_pypi() -> None:
    assert managed("bootstrap/pulumi_cli.py") == [("pulumi", pulumi_cli.VERSION)]
    assert managed("tools/lint.py") == [("rhysd/actionlint", lint.ACTIONLINT)]


def test_renovate_reads_the_files_that_name_versions() -> None:
    (pattern,) = RENOVATE["pip_requirements"]["managerFilePatterns"]
    for name in LOCKS:
        assert re.search(pattern.strip("/"), f"{name}.in")
    assert {"pip_requirements", "github-actions", "custom.regex"} == set(RENOVATE["enabledManagers"])


@pytest.mark.parametrize("name", LOCKS)
def test_lock_file_holds_the_versions_that_are_asked_for(name: str) -> None:
    """Renovate changes the first; `make lock` has to follow."""
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+) \\$", (ROOT / f"{name}.txt").read_text(), re.MULTILINE))
    asked = re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
    assert asked
    assert {package: locked.get(package.lower()) for package, _ in asked} == dict(asked)


def test_hooks_run_every_linter() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    run = [name for hook in hooks for name in hook["entry"].split()[3:]]
    assert sorted(run) == sorted(lint.NAMES)


def test_hooks_are_a_valid_configuration() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(ROOT / ".pre-commit-config.yaml")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


SOURCE_SUFFIXES = {".css", ".html", ".js", ".lua", ".py", ".sh"}


def test_no_file_of_the_program_is_long() -> None:
    """One that a reader must scroll through for long is two: 250 lines of source, 200 of a template."""
    listed = subprocess.run(["git", "ls-files", "*"], cwd=ROOT, capture_output=True, text=True, check=True)
    lengths = {
        path: len((ROOT / path).read_text().splitlines())
        for path in listed.stdout.split()
        if not path.startswith(("offline/", "tests/")) and (Path(path).suffix in SOURCE_SUFFIXES | {".j2"})
    }
    assert len(lengths) > 200
    limits = {path: 200 if path.endswith(".j2") else 250 for path in lengths}
    assert {path: length for path, length in lengths.items() if length > limits[path]} == {}
