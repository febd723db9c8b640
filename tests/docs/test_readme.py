"""The documents say what the program says, and what they refer to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from images import DEFAULT_IMAGES
from settings import KEYS
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "offline/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
OF_THE_PROJECT = re.compile(
    r"(?:assets|bench|bootstrap|components|docs|offline|policy|settings|tests|tools)/[\w./-]+|[a-z_]+\.py"
)
"""A path in a document that is one of this repository."""
MADE = {"policy/venv"}
"""Paths that commands create."""


def code(text: str) -> list[str]:
    """What a text sets in `code`."""
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize(("name", "text"), list(reference.pages()), ids=lambda it: it if it.endswith(".md") else "")
def test_reference_is_what_the_program_defines(name: str, text: str) -> None:
    assert (ROOT / "docs/reference" / name).read_text() == text, "run `make reference`"


def test_every_key_is_declared_and_read() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert {key for key in declared if ":" not in key} == KEYS
    assert all(entry.get("description", "").strip() for key, entry in declared.items() if ":" not in key)


def test_every_route_of_both_archives_is_in_the_reference() -> None:
    text = reference.route_table()
    for name in ("archive-explorer-2 (orthanc only)", "archive-api (dcm4chee only)", "dicomweb-store", "viewer"):
        assert f"\n| {name} |" in text


def test_every_key_of_an_image_is_named() -> None:
    assert set(DEFAULT_IMAGES) <= set(code((ROOT / "docs/how-to/use-other-images-or-engines.md").read_text()))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|^)(?:[A-Z]+=\S+ )?make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = (document.parent / path) if path else document
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    for named in code(document.read_text()):
        path = named.partition("::")[0].partition(":")[0]
        if OF_THE_PROJECT.fullmatch(path) and path not in MADE:
            found = (ROOT / path).exists() or (document.parent / path).exists() or any(ROOT.glob(f"{path}*"))
            assert found or any(ROOT.rglob(path)), f"{document.name} names {path}"


def test_every_number_of_a_known_problem_is_explained() -> None:
    text = (ROOT / "docs/known-problems.md").read_text()
    explained = set(re.findall(r"^\| (\d\d) \|", text, re.MULTILINE))
    used: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^def test_known_problem_((?:\d\d_(?:and_)?)+)", file.read_text(), re.MULTILINE):
            used |= set(re.findall(r"\d\d", name))
    assert len(used) > 15
    assert used == explained
