"""The tools find what the program creates: names, types and outputs are those of the program, not copies of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import names
import outputs
from settings import CONSOLE_USER
from tests.program.cases import CASES, deploy
from tools import stack
from tools.dicomweb import StackOutputs

ROOT = Path(__file__).resolve().parents[2]
STOPPED_AT_ANY_TIME = {"certificate", "dns-updater", "backup"}
WRITTEN_ONCE = ("ohif:index:", "org.ohif.project", "org.ohif.stack", "index/container:Container", "RandomPassword:")


def test_each_container_has_its_place_when_the_stack_stops() -> None:
    declared = {it.inputs["hostname"] for case in CASES for it in deploy(case).of_type("Container")}
    ordered = [name for group in stack.STOP_ORDER for name in group]
    assert len(ordered) == len(set(ordered))
    assert set(ordered) == {it for it in declared if not it.endswith("-dump")} - STOPPED_AT_ANY_TIME


def test_the_program_uses_the_names_that_the_tools_search_for() -> None:
    deployment = deploy(CASES[0])
    assert deployment.one(names.ARCHIVE_CHOICE_TYPE).inputs["archive"]
    assert [it for it in deployment.resources if it.name == names.ARCHIVE_COMPONENT and not it.custom]
    secrets = {it.name for it in deployment.of_type("RandomPassword")}
    assert f"{names.SECRETS_COMPONENT}-{names.user_secret(CONSOLE_USER)}" in secrets
    assert all(name.startswith(f"{names.SECRETS_COMPONENT}-") for name in secrets)


@pytest.mark.parametrize("folder", ["bench", "bootstrap", "tools"])
def test_names_of_the_program_are_not_written_again(folder: str) -> None:
    sources = {path: path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))}
    assert sources
    assert [(path.name, name) for path, text in sources.items() for name in WRITTEN_ONCE if name in text] == []


def test_outputs_that_the_tools_read_are_exported() -> None:
    exported = {field.name.lower() for field in fields(outputs.StackOutputs)}
    assert {field.name.replace("_", "") for field in fields(StackOutputs)} <= exported
