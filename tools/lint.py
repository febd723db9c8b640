"""Run every linter over what is shipped: `python -m tools.lint [NAME ...]`.

Versions are those of requirements-dev.txt, and here for actionlint, which PyPI does not hold as a wheel. A linter that
is not available is skipped and named; `--strict` makes that an error.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import ROOT
from tools import go_tools

ACTIONLINT = "1.7.12"
WITHOUT_SHEBANG = frozenset({"assets/machine/data-volume.sh"})
"""The program puts a line in front of it, so its shell is named here."""
EXCEPTIONS = {"offline/images/postgres/docker-entrypoint.sh": ("SC1090",)}
"""ShellCheck codes by file: here, the sourced file's name is known only at run time."""

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Linter:
    """A linter and the commands that run it."""

    name: str
    commands: Callable[[], Iterator[Command]]


def files(*patterns: str) -> list[str]:
    """Shipped files that match, relative to the root: those that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        raise UserError("lint: git cannot list the files", "Run it in a git clone, with git installed.")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def shell_scripts() -> list[str]:
    """Files named *.sh, and files that start with a line for sh or bash."""

    def is_script(name: str) -> bool:
        if name.endswith(".sh"):
            return True
        with (ROOT / name).open("rb") as file:
            first = file.readline(100)
        return first.startswith(b"#!") and first.split()[-1].rpartition(b"/")[2] in (b"sh", b"bash", b"dash")

    return [name for name in files() if is_script(name)]


def shellcheck() -> Iterator[Command]:
    """Warnings and errors. Style is left alone: a changed script replaces containers, images or the VM."""
    usual: list[str] = []
    for name in shell_scripts():
        options = ["--shell=sh"] if name in WITHOUT_SHEBANG else []
        options += [f"--exclude={code}" for code in EXCEPTIONS.get(name, ())]
        if options:
            yield ["shellcheck", "--severity=warning", *options, name]
        else:
            usual.append(name)
    yield ["shellcheck", "--severity=warning", *usual]


def actionlint() -> Iterator[Command]:
    """actionlint, with ShellCheck for the workflows' own scripts."""
    yield [_actionlint(), "-no-color", "-shellcheck", shutil.which("shellcheck") or "", "-pyflakes", ""]


def _actionlint() -> Path:
    """actionlint in its pinned version."""
    try:
        return go_tools.ensure("lint", "github.com/rhysd/actionlint/cmd/actionlint", ACTIONLINT)
    except UserError as problem:
        raise FileNotFoundError(problem.problem) from problem


LINTERS = (
    Linter("ruff", lambda: iter((["ruff", "check", "."], ["ruff", "format", "--check", "."]))),
    Linter("mypy", lambda: iter((["mypy", "--strict", "."],))),
    Linter("shellcheck", shellcheck),
    Linter("actionlint", actionlint),
    Linter("zizmor", lambda: iter((["zizmor", "--offline", "--no-progress", "--quiet", ".github"],))),
    Linter("yamllint", lambda: iter((["yamllint", "--strict", *files("*.yaml", "*.yml")],))),
    Linter("pymarkdown", lambda: iter((["pymarkdown", "scan", *files("*.md")],))),
    Linter("glossary", lambda: iter(([sys.executable, str(Path(__file__).with_name("glossary.py")), "--root", "."],))),
)
NAMES = tuple(linter.name for linter in LINTERS)


@dataclass(frozen=True)
class Outcome:
    """Result of a linter."""

    linter: str
    passed: bool
    output: str
    skipped: bool = False


def lint(linter: Linter) -> Outcome:
    """Run one linter."""
    passed, output = True, ""
    try:
        for command in linter.commands():
            answer = subprocess.run(
                [str(part) for part in command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            passed = passed and answer.returncode == 0
            output += answer.stdout
    except FileNotFoundError as missing:
        return Outcome(linter.name, True, str(missing), skipped=True)
    return Outcome(linter.name, passed, output)


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when every linter that ran passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(NAMES)}")
    parser.add_argument("--strict", action="store_true", help="fail if a linter is not available")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown linter {', '.join(sorted(unknown))}")
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            chosen = [linter for linter in LINTERS if not arguments.names or linter.name in arguments.names]
            outcomes = list(pool.map(lint, chosen))
    except UserError as problem:
        print_error(problem)
        return 1
    for outcome in outcomes:
        if outcome.skipped:
            print_line(f"{outcome.linter}: skipped: {outcome.output}")
        elif not outcome.passed:
            print_line(f"{outcome.linter}: failed\n{outcome.output.rstrip()}")
    failed = [it.linter for it in outcomes if not it.passed or (it.skipped and arguments.strict)]
    print_line(f"lint: {len(outcomes)} linters" + (f", failed: {', '.join(failed)}" if failed else ", all passed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
