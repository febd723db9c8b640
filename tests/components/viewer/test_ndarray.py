"""The viewer's classes for arrays do what those of the library `ndarray` do; NumPy is the other implementation."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

FILE = Path(__file__).resolve().parents[3] / "assets" / "viewer" / "ndarray.js"
NODE = shutil.which("node")
SHAPE = (2, 3, 4)
VALUES = np.arange(24, dtype=np.int16).reshape(SHAPE)

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, to run JavaScript")

# As `ndarray` calls it: the text's last statement names the class, the rest is what it would have compiled.
RUN = """
require(process.argv[1]);
const { expression } = JSON.parse(process.argv[2]);
const arguments_of = { '-1': 'a', 0: 'a,b,c,d' };
const constructors = [];
for (let n = -1; n <= 3; n++) {
  const name = n < 0 ? 'View_Nilint16' : 'View' + n + 'dint16';
  const named = arguments_of[n] || 'data,shape,stride,offset';
  const code = "'use strict'; 1;\\nreturn function construct_" + name + '(' + named + '){return new ' + name +
    '(a,d)' + (n < 0 ? ';' : '') + '}';
  const made = n < 0 ? new Function(code) : new Function('CTOR_LIST', 'ORDER', code);
  constructors.push(made(n === 0 ? constructors[0] : constructors, () => []));
}
const a = constructors[4](Int16Array.from({ length: 24 }, (_, i) => i), [2, 3, 4], [12, 4, 1], 0);
const view = eval(expression);
const all = (it, at) => at.length === it.dimension ? it.get(...at) :
  Array.from({ length: it.shape[at.length] }, (_, i) => all(it, [...at, i]));
console.log(JSON.stringify(typeof view === 'object' ? {
  values: all(view, []), shape: view.shape, size: view.size, dimension: view.dimension, order: view.order,
  dtype: view.dtype } : view));
"""


def node(expression: str, program: str = RUN) -> Any:
    assert NODE
    command = [NODE, "-e", program, str(FILE), json.dumps({"expression": expression})]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", VALUES),
        ("a.hi(1, undefined, 3)", VALUES[:1, :, :3]),
        ("a.lo(1, 2)", VALUES[1:, 2:]),
        ("a.lo(undefined, 1).hi(2, 1, 2)", VALUES[:2, 1:2, :2]),
        ("a.step(1, -1, 2)", VALUES[:, ::-1, ::2]),
        ("a.step(-1, -2, -3)", VALUES[::-1, ::-2, ::-3]),
        ("a.transpose(2, 0, 1)", VALUES.transpose(2, 0, 1)),
        ("a.transpose(1, 0).step(-1)", VALUES.transpose(1, 0, 2)[::-1]),
        ("a.pick(1, -1, 2)", VALUES[1, :, 2]),
        ("a.pick(null, 2)", VALUES[:, 2]),
        ("a.pick(1, 2, 3)", VALUES[1, 2, 3]),
    ],
)
def test_views_are_numpys(expression: str, expected: NDArray[np.int16]) -> None:
    seen = node(expression)
    assert np.array_equal(seen["values"], expected)
    assert tuple(seen["shape"]) == np.shape(expected)
    assert (seen["size"], seen["dimension"], seen["dtype"]) == (np.size(expected), np.ndim(expected), "int16")
    strides = [abs(it) for it in np.asarray(expected).strides]
    assert seen["order"] == sorted(range(len(strides)), key=lambda axis: strides[axis])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a.set(1, 2, 3, 77) && a.get(1, 2, 3)", 77),
        ("a.step(1, -1).set(0, 0, 0, 5) && a.get(0, 2, 0)", 5),
        ("a.lo(1, 1).index(0, 1, 1)", 21),
        ("a.pick(1, 2, 3).pick().size", 0),
        ("+a.pick(1, 2, 3)", 23),
    ],
)
def test_single_values(expression: str, expected: int) -> None:
    assert node(expression) == expected


OTHERS = """
const before = Function;
require(process.argv[1]);
const { expression } = JSON.parse(process.argv[2]);
console.log(JSON.stringify(eval(expression)));
"""


@pytest.mark.parametrize(
    "expression",
    [
        "new Function('a', 'return a + 1')(1) === 2 && Function('return 3')() === 3",
        "(() => 1) instanceof Function && (() => 1).constructor === Function && Function !== before",
        # A text that only mentions the class is the browser's to judge.
        "Function('return function construct_View1dint8(a){return new View1dint8(a)} + fetch(1)') instanceof before",
    ],
)
def test_other_texts_are_left_to_the_browser(expression: str) -> None:
    assert node(expression, OTHERS) is True
