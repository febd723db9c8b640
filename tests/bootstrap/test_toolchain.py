"""Which CLI, plugins and environment are used: installed ones take precedence if their version fits."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from bootstrap import plugins, pulumi_cli, python_env
from bootstrap.console import UserError, last_lines, run
from bootstrap.paths import STATE_BIN
from bootstrap.toolchain import OLDEST_GO, parse_go_version
from tests.servers import Reply, Request, serving


def test_versions_are_numbers() -> None:
    assert pulumi_cli.parse_version("v3.259.0\n") == (3, 259, 0)
    assert pulumi_cli.parse_version("3.259.0-dev.4+x") == (3, 259, 0)
    assert pulumi_cli.parse_version("") == (0, 0, 0)
    assert parse_go_version("go1.26.8") == (1, 26, 8)
    assert parse_go_version("go1.25") < OLDEST_GO
    assert parse_go_version("devel") == (0, 0, 0)


def test_the_oldest_cli_is_read_from_the_project() -> None:
    assert (3, 200, 0) <= pulumi_cli.oldest_version() <= pulumi_cli.parse_version(pulumi_cli.VERSION)


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_executables_of_the_clone_do_not_count_as_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ours = executable(tmp_path / "cache" / "ohif-pulumi" / "pulumi-1" / "pulumi")
    monkeypatch.setenv("PATH", f"{ours.parent}:{STATE_BIN}")
    assert pulumi_cli.which_elsewhere("pulumi") is None
    theirs = executable(tmp_path / "bin" / "pulumi")
    monkeypatch.setenv("PATH", f"{ours.parent}:{STATE_BIN}:{theirs.parent}")
    assert pulumi_cli.which_elsewhere("pulumi") == str(theirs)


@pytest.mark.parametrize(
    ("cached", "counts"),
    [("v5.1.1", True), ("v5.2.0", True), ("v5.1.0", False), ("v6.0.0", False), ("v4.9.9", False)],
)
def test_a_cached_plugin_counts_if_pulumi_accepts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: str, counts: bool
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    (tmp_path / "plugins" / f"resource-docker-{cached}").mkdir(parents=True)
    assert plugins.in_plugin_cache("docker", (5, 1, 1)) is counts


def test_stand_ins_replace_missing_plugins_only_and_are_removed_on_an_open_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "STATE_BIN", tmp_path / "ours")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    executable(tmp_path / "bin" / "pulumi-resource-random")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert plugins.ensure(network_open=False) == ["docker", "keycloak", "linode"]
    assert sorted(entry.name for entry in (tmp_path / "ours").iterdir()) == [
        "pulumi-resource-docker",
        "pulumi-resource-keycloak",
        "pulumi-resource-linode",
    ]
    assert plugins.ensure(network_open=True) == []
    assert list((tmp_path / "ours").iterdir()) == []


def test_a_changed_lock_file_changes_the_environment(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("a==1\n")
    first = python_env.fingerprint((lock,))
    assert python_env.fingerprint((lock,)) == first
    lock.write_text("a==2\n")
    assert python_env.fingerprint((lock,)) != first


def test_a_missing_lock_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"requirements\.txt is missing"):
        python_env.fingerprint((tmp_path / "requirements.txt",))


def test_a_failed_step_is_an_error_with_its_last_lines_and_the_fix(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "step.log"
    with pytest.raises(UserError) as caught:
        run("Pulumi CLI", ["sh", "-c", "echo one; echo disk full >&2; exit 3"], log=log, fix="Make room.")
    assert "Pulumi CLI: sh failed (exit 3)" in caught.value.problem
    assert "disk full" in caught.value.problem
    assert caught.value.fix.startswith("Make room.")
    assert str(log) in caught.value.fix
    assert last_lines(log, 2) == ["one", "disk full"]


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-command not found"):
        run("Docker engine", ["no-such-command"], log=tmp_path / "log", fix="Install it.")


# The official release of the CLI


def release(folder: Path) -> tuple[str, bytes]:
    """Name and content of an archive as Pulumi publishes one for this machine."""
    program = executable(folder / "pulumi" / "pulumi")
    file = folder / pulumi_cli.release_url().rpartition("/")[2]
    with tarfile.open(file, "w:gz") as archive:
        archive.add(program, "pulumi/pulumi")
    return file.name, file.read_bytes()


@pytest.mark.parametrize(
    ("first", "second", "pinned", "refused"),
    [
        ("{digest}  {name}", None, None, None),
        ("{other}  another.tar.gz\n{digest} *{name}", None, None, None),
        (None, "{digest}  {name}", None, None),
        ("{other}  {name}", "{digest}  {name}", None, "is not the published file: its SHA-256 is {digest}"),
        ("{digest}  {name}", None, "{other}", "is not the published file"),
        (None, None, "{digest}", None),
        (None, None, None, "the SHA-256 of {name} is not known"),
        ("{digest}  another.tar.gz", "not a list", None, "does not name it"),
    ],
    ids=["listed", "among others", "second list", "changed", "not as pinned", "pinned", "no list", "not in a list"],
)
def test_a_release_is_used_only_as_it_was_published(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str | None,
    second: str | None,
    pinned: str | None,
    refused: str | None,
) -> None:
    name, content = release(tmp_path)
    words = {"name": name, "digest": hashlib.sha256(content).hexdigest(), "other": "0" * 64}

    def answer(request: Request) -> Reply:
        if request.path == f"/{name}":
            return Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n" + content)
        text = {"/first": first, "/second": second}[request.path]
        return Reply(status=404) if text is None else Reply(body=text.format(**words) + "\n")

    target = tmp_path / "cache" / "pulumi"
    with serving(answer) as (address, _):
        monkeypatch.setattr(pulumi_cli, "RELEASES", address)
        monkeypatch.setattr(pulumi_cli, "release_url", lambda: f"{address}/{name}")
        monkeypatch.setattr(pulumi_cli, "CHECKSUM_LISTS", (f"{address}/first", f"{address}/second"))
        monkeypatch.setattr(pulumi_cli, "PINNED", {name: pinned.format(**words)} if pinned else {})
        monkeypatch.setattr(pulumi_cli, "LOGS", tmp_path)
        if refused is None:
            pulumi_cli._fetch_release(target)
            assert (target / "pulumi").exists()
            return
        with pytest.raises(UserError, match=refused.format(**words)):
            pulumi_cli._fetch_release(target)
    assert not target.exists()


def test_the_sums_come_from_another_place_than_the_release() -> None:
    """An attacker who changes one of them has not changed the other."""
    assert pulumi_cli.release_url().split("/")[2] not in pulumi_cli.CHECKSUM_LISTS[0]
    assert all(url.startswith("https://") for url in pulumi_cli.CHECKSUM_LISTS)
