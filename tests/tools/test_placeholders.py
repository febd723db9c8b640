"""Placeholders work in a preview and are refused by `make up`; the documented example is a usable configuration."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from bootstrap.console import UserError
from settings import KEYS
from tests.program.cases import ENVIRONMENT, PROD
from tests.program.harness import ROOT, run_program, stack_config
from tools import placeholders

EXAMPLE = stack_config(ROOT / "Pulumi.prod.yaml.example")


def test_shipped_production_stack_has_every_placeholder_and_previews() -> None:
    assert len(placeholders.left_in(PROD)) == len(placeholders.PLACEHOLDERS)
    assert run_program(PROD, stack="prod", preview=True, environment={}).of_type("Container")


@pytest.mark.parametrize("path", placeholders.PLACEHOLDERS, ids=".".join)
def test_each_placeholder_is_refused_by_its_key(path: tuple[str, ...]) -> None:
    config: dict[str, Any] = copy.deepcopy(EXAMPLE) | {"ssh": {"publicKey": "ssh-ed25519 own"}}
    placeholders.refuse("prod", config)
    value: Any = placeholders.PLACEHOLDERS[path]
    if len(path) == 2:
        config[path[0]] = {path[1]: value}
    else:
        config[path[0]] = [value] if path == ("adminNetworks",) else value
    with pytest.raises(UserError, match=re.escape(f"ohif:{'.'.join(path)} still has the placeholder")):
        placeholders.refuse("prod", config)
    placeholders.refuse("dev", config | {"target": "local"})


def test_example_has_declared_keys_only_and_the_program_accepts_it() -> None:
    assert set(EXAMPLE) <= KEYS
    for preview in (True, False):
        made = run_program(EXAMPLE, stack="prod", preview=preview, environment=ENVIRONMENT)
        assert made.one("Instance").inputs["type"] == "g6-standard-4"
    assert made.stack_outputs["viewerUrl"] == "https://viewer.example.com/"


def test_example_uses_reserved_names_only() -> None:
    text = (ROOT / "Pulumi.prod.yaml.example").read_text()
    assert set(re.findall(r"[\w.-]+\.(?:com|org|net)\b", text)) <= {"viewer.example.com", "example.com"}
