"""Each claim of docs/explanation/security.md names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/explanation/security.md").read_text()
CLAIM = re.compile(r"^\| (?P<claim>[^|]+) \| (?P<tests>`tests/[^|]+) \|$", re.MULTILINE)


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_each_claim_names_tests_that_exist() -> None:
    claims = CLAIM.findall(TEXT)
    assert len(claims) >= 20
    for claim, tests in claims:
        for name in re.findall(r"`([^`]+)`", tests):
            path, _, function = name.partition("::")
            assert function in functions(ROOT / path), f"{claim}: {name} does not exist"
