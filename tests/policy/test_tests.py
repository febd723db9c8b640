"""Rules for the tests themselves: none may pass because its assertion was never awaited."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
AWAITED = "pulumi.runtime.test"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def asserts(node: ast.AST) -> bool:
    """Whether something fails in here: an assert, or a raise."""
    return any(isinstance(it, ast.Assert | ast.Raise) for it in ast.walk(node))


def unawaited(source: str) -> Iterator[str]:
    """Names of test functions that assert in an `apply` which nobody waits for.

    The function that `apply` is given may be written in place, or be any other that the file defines.
    """
    tree = ast.parse(source)
    defined = {it.name: it for it in ast.walk(tree) if isinstance(it, Function)}
    for name, function in defined.items():
        if not name.startswith("test") or AWAITED in map(ast.unparse, function.decorator_list):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "apply":
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                called = {it.id for argument in given for it in ast.walk(argument) if isinstance(it, ast.Name)}
                if any(asserts(defined[it]) for it in called & set(defined)):
                    yield name


def test_no_assertion_of_ours_is_left_unawaited() -> None:
    found = {path.name: list(unawaited(path.read_text())) for path in sorted(TESTS.rglob("*.py"))}
    assert len(found) > 10
    assert {name: tests for name, tests in found.items() if tests} == {}


INNER = """
def test_trap(made):
    def check(value):
        assert value == 1
    made.port.apply(check)
"""
OUTER = """
def check(value):
    assert value == 1

def test_trap(made):
    pulumi.Output.all(made.port).apply(lambda values: check(values[0]))
"""
AWAITED_INNER = """
@pulumi.runtime.test
def test_fine(made):
    def check(value):
        assert value == 1
    return made.port.apply(check)
"""
NOTHING_ASSERTED = """
def test_fine(made):
    text = made.port.apply(str)
    assert text is not None
"""


@pytest.mark.parametrize(
    ("source", "found"),
    [(INNER, ["test_trap"]), (OUTER, ["test_trap"]), (AWAITED_INNER, []), (NOTHING_ASSERTED, [])],
    ids=["inner", "outer", "awaited", "nothing asserted"],
)
def test_traps_are_seen(source: str, found: list[str]) -> None:
    assert list(unawaited(source)) == found


def test_every_file_of_the_end_to_end_tests_has_its_place_in_the_order() -> None:
    """Later files change the stack and end sessions that earlier ones share."""
    source = (TESTS / "e2e/conftest.py").read_text()
    (order,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER"
    )
    assert sorted(order) == sorted(path.name for path in (TESTS / "e2e").glob("test_*.py"))
