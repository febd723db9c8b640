"""The glossary finds its words where they are words, and in nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import glossary
from tools.glossary import GLOSSARY, findings


def words(text: str, path: str = "x.py") -> list[str]:
    return [it.word for it in findings(path, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# What it is told.", ["told"]),
        ("told = settings.load()", ["told"]),
        ("self._told, TOLD, half_made", ["told", "TOLD", "half_made"]),
        ("raise Problem('x', mend='Mend it, or run it anew.')", ["mend", "Mend", "anew"]),
        ("Whoever stands beside the door: patience!", ["Whoever", "beside", "door", "patience"]),
        ("the only way in, no way out, sent in the clear", ["way in", "way out", "in the clear"]),
        ("def test_pain_04_redirect(): ...", ["pain"]),
        ("a keeper and two keepers", ["keeper", "keepers"]),
    ],
)
def test_words_are_found(text: str, found: list[str]) -> None:
    assert sorted(words(text)) == sorted(found)


@pytest.mark.parametrize(
    "text",
    [
        "besides, painted indoors, amend recommends, outdoor goalkeeper-free bookkeeper",
        "a way into it; always in; the way outside",
        "clear text in the clearing",
    ],
)
def test_parts_of_other_words_are_not(text: str) -> None:
    assert words(text) == []


def test_line_may_be_allowed_for_a_quotation() -> None:
    assert words("nginx says 'told'  # glossary: allow\n") == []


def test_file_name_is_checked_and_the_message_has_place_and_replacement() -> None:
    (name, line) = findings("assets/keeper.py", "\nanew\n")
    assert str(name) == 'assets/keeper.py (file name): "keeper": use DNS provider; for certificates: certbot loop'
    assert str(line) == 'assets/keeper.py:2: "anew": use again'


def test_no_replacement_needs_a_replacement() -> None:
    for entry in GLOSSARY:
        assert words(entry.use) == [], entry.use


def test_exit_code_and_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setattr(glossary, "ROOT", tmp_path)
    (tmp_path / "good.md").write_text("Run it again.\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG told")
    assert glossary.main([]) == 0
    (tmp_path / "bad.md").write_text("Run it anew.\n")
    assert glossary.main([]) == 1
    assert 'bad.md:1: "anew": use again' in capsys.readouterr().out
    assert glossary.main(["good.md"]) == 0
