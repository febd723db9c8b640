"""Find words that the project does not use, with the word to use instead: `python -m tools.glossary [PATH ...]`.

Comments, docstrings, error texts, documents and file names speak plain standard English. Only words whose replacement
is clear are listed; the rest is for the reader of a change. Code is checked as well: names are words, too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = (
    "*.py",
    "*.md",
    "*.sh",
    "*.yaml",
    "*.yml",
    "*.j2",
    "*.html",
    "*.js",
    "*.toml",
    "*.in",
    "Makefile",
    "*.example",
)
NOT_CHECKED = frozenset(
    {
        # They list the words.
        "tools/glossary.py",
        "tests/tools/test_glossary.py",
        # Any change of their text replaces VMs or containers of running stacks.
        "assets/archive/dcm4chee/start-archive.sh",
        "assets/archive/dcm4chee/start-directory.sh",
        "assets/machine/data-volume.sh",
        "assets/public_name/duckdns.py",
        "components/machine/cloud_init.py",
    }
)
ALLOWED = "glossary: allow"
"""A line that contains this is not checked, for quotations of other programs."""


@dataclass(frozen=True)
class Entry:
    """A word to avoid."""

    pattern: str
    """Regular expression for the whole word, in lower case."""
    use: str
    """Words to write instead."""

    @property
    def expression(self) -> re.Pattern[str]:
        # In names, an underscore or a change of case separates words.
        return re.compile(rf"(?<![a-z])(?:{self.pattern})(?![a-z])", re.IGNORECASE)


GLOSSARY = (
    Entry("told", "configured, reported, passed; as a name: settings"),
    Entry("tells", "reports, returns, contains"),
    Entry("hears?", "listens on, receives"),
    Entry("way round", "bypass"),
    Entry("as mighty as", "equivalent to"),
    Entry("from which they may", "networks that are allowed"),
    Entry("mends?|mended|mending", "fix"),
    Entry("anew", "again"),
    Entry("whoever", "any user who"),
    Entry("whosoever", "any user who"),
    Entry("beside", "next to, as well as"),
    Entry("patience", "timeout"),
    Entry("ways? out", "egress, outbound access"),
    Entry("ways? in", "ingress, entrance"),
    Entry("in the clear", "unencrypted"),
    Entry("doors?", "port, ingress rule"),
    Entry("pains?", "known problem"),
    Entry("keepers?", "DNS provider; for certificates: certbot loop"),
    Entry("thereof", "of it"),
    Entry("therein", "in it"),
    Entry("wherein", "in which"),
    Entry("whereof", "of which"),
    Entry("hitherto", "until now"),
    Entry("mighty", "privileged, root-equivalent"),
    Entry("half[_ -]made", "pending operation"),
    Entry("talks?[_ ]of[_ ]sign[_ -]in", "sign-in message; as a name: quiet_error_log"),
    Entry("nobody else's", "private"),
    Entry("persons", "users"),
    Entry("bystanders?", "other containers"),
    Entry("farewell", "summary"),
    Entry("only_here", "loopback_only"),
    Entry("drawn_to_order", "render_query"),
)


@dataclass(frozen=True)
class Finding:
    """A word that is not used, where it stands, and its replacement."""

    path: str
    line: int
    """0 for the file's name."""
    word: str
    use: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else f"{self.path} (file name)"
        return f'{place}: "{self.word}": use {self.use}'


def findings(path: str, text: str) -> Iterator[Finding]:
    """Words to replace in a file's name and text."""
    for entry in GLOSSARY:
        for match in entry.expression.finditer(path):
            yield Finding(path, 0, match[0], entry.use)
    for number, line in enumerate(text.splitlines(), start=1):
        if ALLOWED in line:
            continue
        for entry in GLOSSARY:
            for match in entry.expression.finditer(line):
                yield Finding(path, number, match[0], entry.use)


def shipped(root: Path, paths: Sequence[str]) -> list[str]:
    """Text files that git knows or would add, below these paths."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *paths]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [
        name
        for name in listed
        if name not in NOT_CHECKED and (root / name).is_file() and any(Path(name).match(it) for it in PATTERNS)
    ]


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 with a list if any word has to be replaced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=["."], metavar="PATH", help="files or folders (default: all)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    arguments = parser.parse_args(argv)
    found = [
        it
        for name in shipped(arguments.root, arguments.paths)
        for it in findings(name, (arguments.root / name).read_text())
    ]
    for finding in found:
        print(finding)
    if found:
        print(f"glossary: {len(found)} words in {len({it.path for it in found})} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
