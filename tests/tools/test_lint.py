"""The runner of the linters: what it checks, what it skips, and how it reports both."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootstrap import paths
from tools import lint

WORKFLOW = "on: push\n"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty git clone that is linted in place of this one."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setattr(lint, "ROOT", tmp_path)
    return tmp_path


def test_scripts_are_found_by_name_and_by_first_line() -> None:
    found = lint.shell_scripts()
    assert {".ci/run", "assets/machine/data-volume.sh", "offline/images/vm/boot"} <= set(found)
    assert not [name for name in found if name.endswith((".py", ".md"))]
    assert set(lint.EXCEPTIONS) | set(lint.WITHOUT_SHEBANG) <= set(found), "an exception for a file that is gone"


@pytest.mark.parametrize(
    ("name", "text", "linter", "word"),
    [
        ("run", "#!/bin/sh\ncd $1 && [ x == y ]\nread -p x\n", "shellcheck", "SC3014"),
        ("a.yaml", "a: 1\na: 2\n", "yamllint", "duplication of key"),
        ("a.md", "# A\n\n# B\ntext\n", "pymarkdown", "MD022"),
        ("b.md", "# B\n\nThey are told so.\n", "glossary", "told"),  # glossary: allow
        (
            ".github/workflows/a.yml",
            "on: push\njobs: {a: {runs-on: x, steps: [{uses: a/b@v1}]}}\n",
            "zizmor",
            "unpinned",
        ),
    ],
)
def test_problem_is_reported_with_its_linter(
    clone: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, linter: str, word: str
) -> None:
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text(text)
    assert lint.main([linter]) == 1
    output = capsys.readouterr().out
    assert f"{linter}: failed" in output
    assert word in output


def test_missing_linter_is_named_and_an_error_only_if_strict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def commands() -> list[list[str]]:
        return [["no-such-linter"]]

    monkeypatch.setattr(lint, "LINTERS", (lint.Linter("missing", lambda: iter(commands())),))
    assert lint.main([]) == 0
    assert "missing: skipped" in capsys.readouterr().out
    assert lint.main(["--strict"]) == 1
    assert "failed: missing" in capsys.readouterr().out


def test_make_runs_every_linter_by_default() -> None:
    """`LINT` is a variable of make's own, so the options have another name."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "checks"],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["python", "-m", "tools.lint"]
