"""Rules for imports: they form no circle, and run in one direction between the parts of the project."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.policy.import_graph import ImportGraph, read_sources

ROOT = Path(__file__).resolve().parents[2]
NOT_THE_PRODUCT = ("tests", "docs")
PROGRAM_FOLDERS = ("components", "settings")
FOLDERS = tuple(
    folder.name
    for folder in sorted(ROOT.iterdir())
    if folder.is_dir() and not folder.name.startswith(".") and folder.name not in NOT_THE_PRODUCT
)
GRAPH = ImportGraph.of(read_sources(ROOT, FOLDERS))
PROGRAM = (
    *(file.stem for file in sorted(ROOT.glob("*.py"))),
    *(folder for folder in PROGRAM_FOLDERS if folder in FOLDERS),
)


@dataclass(frozen=True)
class Rule:
    """What some modules never import, neither themselves nor through others."""

    importers: tuple[str, ...]
    forbidden: tuple[str, ...]
    reason: str


RULES = (
    Rule(
        PROGRAM,
        ("bench", "bootstrap", "offline", "tests", "tools"),
        "the program runs with Pulumi alone, wherever its tools are",
    ),
    Rule(
        ("bootstrap",),
        ("bench", "components", "offline", "settings", "tests", "tools"),
        "bootstrap runs before any package is installed; tools and offline build on it",
    ),
    Rule(
        ("offline",),
        ("bench", "components", "settings", "tests", "tools"),
        "the stand-ins know the official interfaces and nothing of the program that uses them",
    ),
    Rule(("tools",), ("bench", "offline", "tests"), "the tools work the same with the official plugins and images"),
    Rule(("bench",), ("offline", "tests"), "measurements use the tools as users do"),
)

STANDARD_LIBRARY_ONLY = {
    "bootstrap": "it runs before any package is installed",
}


def test_nothing_imports_in_a_circle() -> None:
    assert len(GRAPH.modules) > 50
    assert GRAPH.circles() == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.importers[0])
def test_imports_run_in_one_direction(rule: Rule) -> None:
    importers = GRAPH.within(*rule.importers)
    assert importers, "the rule names no module that exists"
    chains = [GRAPH.chain(name, rule.forbidden) for name in importers]
    assert [" -> ".join(chain) for chain in chains if chain] == [], rule.reason


@pytest.mark.parametrize("part", STANDARD_LIBRARY_ONLY)
def test_some_parts_need_the_standard_library_only(part: str) -> None:
    assert GRAPH.within(part)
    assert GRAPH.external_of(part) - sys.stdlib_module_names == set(), STANDARD_LIBRARY_ONLY[part]


PURE = ("_config", ".cloud_init", ".content_security", ".limits")
RENDERERS = tuple(name for name in GRAPH.modules if name.startswith("components.") and name.endswith(PURE))


def test_renderers_import_no_pulumi() -> None:
    """They are functions from values to text, so that they can be tested and read alone."""
    assert len(RENDERERS) >= 6
    chains = [GRAPH.chain(name, ("pulumi", "pulumi_docker", "pulumi_keycloak", "pulumi_linode")) for name in RENDERERS]
    assert [" -> ".join(chain) for chain in chains if chain] == []


CIRCLE = {
    "a": "import b.c",
    "b": "",
    "b.c": "def later():\n    from d import name",
    "d": "from a import name\nimport os.path, httpx",
    "e": "import a",
}


def test_a_circle_is_found_also_through_an_import_inside_a_function() -> None:
    assert ImportGraph.of(CIRCLE).circles() == [["a", "b.c", "d"]]
    assert ImportGraph.of(CIRCLE | {"d": ""}).circles() == []


def test_a_forbidden_import_is_found_through_other_modules() -> None:
    graph = ImportGraph.of(CIRCLE)
    assert graph.chain("e", ("d",)) == ["e", "a", "b.c", "d"]
    assert graph.chain("e", ("httpx",)) == ["e", "a", "b.c", "d", "httpx"]
    assert graph.chain("b", ("d",)) is None


def test_an_import_of_a_module_counts_as_one_of_its_package() -> None:
    graph = ImportGraph.of({"package": "import pulumi", "package.part": "", "user": "import package.part"})
    assert graph.external_of("user") == {"pulumi"}
    assert graph.chain("user", ("pulumi",)) == ["user", "package", "pulumi"]
