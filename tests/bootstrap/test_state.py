"""The environment of a clone: the user's settings take precedence, secrets are private, writes are atomic."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bootstrap import state
from bootstrap.console import UserError
from bootstrap.paths import PASSPHRASE, write_file
from bootstrap.state import BACKEND_URL, applied, exports, render

BIN = Path("/somewhere/bin")


def test_a_clean_environment_gets_backend_passphrase_and_path() -> None:
    lines = exports({}, [BIN], None)
    assert lines["PULUMI_BACKEND_URL"] == BACKEND_URL
    assert lines["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(PASSPHRASE)
    assert lines["PATH"].split(os.pathsep)[1] == str(BIN)
    assert "OHIF_IMAGES" not in lines


def test_the_users_backend_takes_precedence() -> None:
    lines = exports({"PULUMI_BACKEND_URL": "s3://hospital"}, [], None)
    assert "PULUMI_BACKEND_URL" not in lines
    assert applied(lines, {"PULUMI_BACKEND_URL": "s3://hospital"})["PULUMI_BACKEND_URL"] == "s3://hospital"


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_the_users_passphrase_takes_precedence(name: str) -> None:
    lines = exports({name: "/mine"}, [], None)
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in lines


def test_an_empty_passphrase_counts_as_set() -> None:
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in exports({"PULUMI_CONFIG_PASSPHRASE": ""}, [], None)


def test_values_of_a_sourced_file_do_not_count_as_the_users() -> None:
    first = exports({}, [BIN], Path("/cache/images.json"))
    assert exports(applied(first, {"PATH": "/usr/bin"}), [BIN], Path("/cache/images.json")) == first


def test_a_shell_reads_the_same_values_from_the_file(tmp_path: Path) -> None:
    lines = exports({}, [Path("/a dir/with 'quotes'")], Path("/c/images.json"))
    file = tmp_path / "env"
    file.write_text(render(lines))
    shell = subprocess.run(
        ["/bin/sh", "-c", f". '{file}'; /usr/bin/env -0"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    seen = dict(entry.split("=", 1) for entry in shell.stdout.decode().split("\0") if entry)
    assert {name: seen.get(name) for name in lines} == {
        **lines,
        "PATH": f"{lines['PATH']}:/usr/bin:/bin",
    }


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state in a temporary directory."""
    monkeypatch.setattr(state, "ROOT", tmp_path)
    monkeypatch.setattr(state, "STATE", tmp_path / ".state")
    monkeypatch.setattr(state, "BACKEND", tmp_path / ".state" / "backend")
    monkeypatch.setattr(state, "PASSPHRASE", tmp_path / ".state" / "passphrase")
    monkeypatch.setattr(state, "ENV_FILE", tmp_path / ".state" / "env")
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_passphrase_is_private_and_never_replaced(clone: Path) -> None:
    state.ensure([], None)
    file = clone / ".state" / "passphrase"
    first = file.read_text()
    assert len(first.strip()) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((clone / ".state" / "env").stat().st_mode) == 0o600
    state.ensure([], None)
    assert file.read_text() == first


def test_a_lost_passphrase_is_an_error_while_stacks_exist(clone: Path) -> None:
    stacks = clone / ".state" / "backend" / ".pulumi" / "stacks" / "ohif"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").write_text("{}")
    with pytest.raises(UserError, match="passphrase is missing"):
        state.ensure([], None)
    assert not (clone / ".state" / "passphrase").exists()


def test_a_users_passphrase_leaves_no_file(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    state.ensure([], None)
    assert not (clone / ".state" / "passphrase").exists()
    assert "mine" not in (clone / ".state" / "env").read_text()


def test_files_are_written_atomically_and_only_if_changed(tmp_path: Path) -> None:
    file = tmp_path / "a" / "file"
    write_file(file, "one", 0o600)
    inode = file.stat().st_ino
    write_file(file, "one", 0o600)
    assert file.stat().st_ino == inode
    write_file(file, "two", 0o600)
    assert file.read_text() == "two"
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]
