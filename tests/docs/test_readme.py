"""The README's tables say what the program says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from access import Access, Anyone, FromAdminNetworks, Role, Route, SignedIn
from images import DEFAULT_IMAGES
from settings import KEYS
from tests.components.gateway.gateway_file import EXAMPLES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCHEMA = {
    key: declared
    for key, declared in yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"].items()
    if ":" not in key
}

ROUTES_TOLD = (
    *(ORTHANC_ROUTES := EXAMPLES["orthanc"].routes)[
        : (BEHIND := [it.name for it in ORTHANC_ROUTES].index("archive-admin") + 1)
    ],
    *(it for it in EXAMPLES["dcm4chee"].routes if it.name not in {route.name for route in ORTHANC_ROUTES}),
    *ORTHANC_ROUTES[BEHIND:],
)
"""Both archives': a row of the table says of which."""


def table(header: str) -> list[list[str]]:
    """Rows of the table whose header line begins with `header`, cell by cell."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(header))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def code(cell: str) -> list[str]:
    """What a cell sets in `code`."""
    return re.findall(r"`([^`\n]+)`", cell)


def test_configuration_table_is_the_schema() -> None:
    told = {code(key)[0]: (kind, code(default)[0]) for key, kind, default, _ in table("| key | type |")}
    declared = {
        key: (
            entry["type"],
            entry["default"] or json.dumps("") if entry["type"] == "string" else json.dumps(entry["default"]),
        )
        for key, entry in SCHEMA.items()
    }
    assert told == declared
    assert list(told) == list(declared), "another order than Pulumi.yaml"
    assert set(told) == KEYS


def test_every_key_of_an_image_is_named() -> None:
    section = README[README.index("### Images from your own registry") :].split("\n## ")[0]
    assert set(DEFAULT_IMAGES) <= set(code(section))


def test_commands_are_the_makefiles() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    told = [code(command)[0].removeprefix("make ") for command, _ in table("| command |")]
    assert sorted(told) == sorted(targets)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|^)(?:[A-Z]+=\S+ )?make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(named) <= set(targets)


def who(access: Access) -> str:
    """Access in the README's words."""
    match access:
        case Anyone():
            return "anyone"
        case FromAdminNetworks():
            return "from `adminNetworks`"
        case SignedIn(roles):
            if roles == frozenset(Role):
                return "any role"
            return " or ".join(f"`{role}`" for role in Role if role in roles)


def rules(route: Route) -> str:
    """A route's rules in the README's words."""
    every = "every method" if len(route.rules) == 1 else "other methods"
    return "; ".join(
        f"{', '.join(sorted(rule.methods)) if rule.methods else every}: {who(rule.access)}" for rule in route.rules
    )


def test_access_table_is_the_route_table() -> None:
    told = {name.partition(" ")[0]: said for name, _, said in table("| route |")}
    assert told == {route.name: rules(route) for route in ROUTES_TOLD}
    assert list(told) == [route.name for route in ROUTES_TOLD], "another order than access.py"


@pytest.mark.parametrize("row", table("| route |"), ids=lambda row: row[0])
def test_paths_of_the_access_table_are_the_routes(row: list[str]) -> None:
    paths = code(row[1])
    assert paths
    for path in paths:
        asked = path.replace("{uid}", "1.2.3").replace("…", "x")
        assert next(route.name for route in ROUTES_TOLD if re.search(route.path, asked)) == row[0].partition(" ")[0], (
            path
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (document.parent / path) if path else document
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
