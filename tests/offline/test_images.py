"""The stand-in images, as far as they can be tested without a Docker engine."""

from __future__ import annotations

import dataclasses
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bootstrap.console import UserError
from images import DEFAULT_IMAGES
from offline.images import build, downloads, recipes
from offline.images.work import StoppedError, Work

ALL_FOUND = {
    (key, recipes.inputs_hash(key)): f"ohif-offline/{key}:1-{recipes.inputs_hash(key)}" for key in recipes.RECIPES
}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A copy of the images' directories that a test may change."""
    target = tmp_path / "images"
    shutil.copytree(recipes.HERE, target, ignore=shutil.ignore_patterns("__pycache__"))
    for module in target.glob("*.py"):
        module.unlink()
    return target


def hashes(root: Path) -> dict[str, str]:
    return {key: recipes.inputs_hash(key, root=root) for key in (recipes.BASE, *recipes.RECIPES)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before if before[key] != after[key]}


def test_every_image_of_the_program_has_a_recipe_and_a_dockerfile() -> None:
    assert set(recipes.PROGRAM) == set(DEFAULT_IMAGES)
    for key, recipe in recipes.RECIPES.items():
        assert (recipes.HERE / (recipe.directory or key) / "Dockerfile").is_file()


def test_an_image_has_exactly_one_source_of_its_version() -> None:
    for key, recipe in recipes.RECIPES.items():
        assert bool(recipe.artifact) != bool(recipe.package), key


def test_a_version_that_moved_is_reported_and_rebuilds_nothing() -> None:
    recorded = (("orthanc", "1.13.0"), ("orthanc-dicomweb", "1.24"))
    assert recipes.moved(recorded, {"orthanc": "1.13.0+dfsg-1+b1", "orthanc-dicomweb": "1.24+dfsg-2"}) == []
    (newer,) = recipes.moved(recorded, {"orthanc": "1.13.0+dfsg-1", "orthanc-dicomweb": "1.25+dfsg-1"})
    assert "orthanc-dicomweb is 1.25+dfsg-1, recorded is 1.24" in newer
    assert len(recipes.moved(recorded, {})) == 2
    recipe = recipes.RECIPES["orthanc"]
    assert recipe.recorded
    assert repr(dataclasses.replace(recipe, recorded=())) == repr(recipe)


def test_hash_has_twelve_digits_and_is_stable(folders: Path) -> None:
    assert all(re.fullmatch(r"[0-9a-f]{12}", digest) for digest in hashes(folders).values())
    assert hashes(folders) == hashes(recipes.HERE)


@pytest.mark.parametrize(
    ("path", "rebuilt"),
    [
        ("orthanc/defaults.jq", {"orthanc"}),
        ("gateway/Dockerfile", {"gateway", "viewer"}),
        ("postgres/Dockerfile", {"postgres", "postgres-16", "dcm4chee-db"}),
        ("base/install-packages", {recipes.BASE, *recipes.RECIPES}),
    ],
)
def test_a_changed_file_changes_the_tags_of_what_is_made_of_it(folders: Path, path: str, rebuilt: set[str]) -> None:
    before = hashes(folders)
    with (folders / path).open("a") as file:
        file.write("\n")
    assert changed(before, hashes(folders)) == rebuilt


def test_a_renamed_or_newly_executable_file_changes_the_tag(folders: Path) -> None:
    before = hashes(folders)
    (folders / "orthanc" / "defaults.jq").chmod(0o755)
    (folders / "viewer" / "nginx.conf").rename(folders / "viewer" / "other.conf")
    assert changed(before, hashes(folders)) == {"orthanc", "viewer"}


def test_a_new_version_of_an_artifact_changes_the_tag() -> None:
    recipe = recipes.RECIPES["keycloak"]
    assert recipe.artifact is not None
    newer = dataclasses.replace(recipe, artifact=dataclasses.replace(recipe.artifact, version="99.0.0"))
    changed = {**recipes.RECIPES, "keycloak": newer}
    assert recipes.inputs_hash("keycloak", changed) != recipes.inputs_hash("keycloak")


def test_nothing_is_missing_when_all_tags_are_there_though_the_base_is_gone() -> None:
    assert recipes.missing(ALL_FOUND) == []


def test_missing_images_come_after_the_parents_that_they_need() -> None:
    assert recipes.missing({})[0] == recipes.BASE
    assert set(recipes.missing({})) == {recipes.BASE, *DEFAULT_IMAGES}
    assert recipes.missing({}, recipes.of_tests("rehearsal")) == [recipes.BASE, "vm", "pebble"]
    some = {name: tag for name, tag in ALL_FOUND.items() if name[0] not in {"gateway", "viewer"}}
    assert recipes.missing(some) == [recipes.BASE, "gateway", "viewer"]
    assert recipes.missing({**some, ("gateway", recipes.inputs_hash("gateway")): "g"}) == ["viewer"]


def test_table_names_every_image_of_the_program() -> None:
    table = json.loads(recipes.table(ALL_FOUND))
    assert set(table) == set(DEFAULT_IMAGES)
    for key, image in table.items():
        assert set(image) <= {"name", "optimized"}
        assert re.fullmatch(rf"ohif-offline/{key}:[\w.]+-[0-9a-f]{{12}}", image["name"])
    assert [key for key, image in table.items() if image.get("optimized")] == ["keycloak"]


def test_dockerfiles_contain_no_network_address() -> None:
    for path in recipes.HERE.rglob("*"):
        if not path.is_file() or path.suffix == ".pyc":
            continue
        text = path.read_text()
        # Files (`file:///`), and what answers in the container itself, are no places.
        assert not re.findall(r"(?:https?|ftp)://(?!127\.0\.0\.1)", text), path
        if path.name == "Dockerfile":
            stages = {"$PARENT", *re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)}
            assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= stages, path
            # It can be called once only: it removes the building machine's traces and itself.
            assert text.count("&& install-packages ") + text.count("RUN install-packages ") <= 1, path


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.30.6-2", (1, 30, 6)), ("8.1.1+dfsg1-3+deb13u3", (8, 1, 1)), ("1:2.3~rc1", (2, 3)), ("odd", ())],
)
def test_version_numbers_of_debian(text: str, number: tuple[int, ...]) -> None:
    assert recipes.version_number(text) == number


def fake(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory at the front of PATH for the commands of a test, with a temporary cache and logs."""
    directory = tmp_path / "commands"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "LOGS", tmp_path / "logs")
    return directory


def test_a_run_without_missing_images_writes_the_table_with_one_request(commands: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    fake(commands, "docker", f'echo "$1 $2" >> {calls}\nprintf "%s\\n" {" ".join(ALL_FOUND.values())}')
    written = build.ensure()
    assert json.loads(written.read_text()) == json.loads(recipes.table(ALL_FOUND))
    assert calls.read_text().splitlines() == ["image ls"]


def test_an_unreachable_engine_is_an_error_with_a_fix(commands: Path) -> None:
    fake(commands, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(UserError, match="Cannot connect") as caught:
        build.ensure()
    assert caught.value.fix


def test_a_failed_build_names_image_and_step_and_leaves_nothing(commands: Path, tmp_path: Path) -> None:
    there = [name for (key, _), name in ALL_FOUND.items() if key != "sessions"]
    base = f"ohif-offline/base:trixie-{recipes.inputs_hash(recipes.BASE)}"
    names = " ".join([*there, base])
    fake(
        commands,
        "docker",
        f'[ "$1" = build ] || {{ printf "%s\\n" {names}; exit 0; }}\n'
        "echo \"The command 'install-packages valkey-server' returned a non-zero code: 100\"\nexit 100",
    )
    with pytest.raises(UserError, match="image sessions: docker failed") as caught:
        build.ensure()
    assert "install-packages valkey-server" in caught.value.problem
    left = sorted(path.name for path in (tmp_path / "cache" / "ohif-pulumi").iterdir())
    assert left == ["images.lock"]


def test_only_outdated_tags_are_removed_and_without_force(commands: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    fake(commands, "docker", f'echo "$*" >> {calls}; exit 1')
    old = {("viewer", "0" * 12): f"ohif-offline/viewer:1-{'0' * 12}", ("stranger", "x"): "ohif-offline/stranger:x"}
    build.remove_outdated({**ALL_FOUND, **old})
    removed = [line for line in calls.read_text().splitlines() if line.startswith("image rm")]
    assert removed == [f"image rm ohif-offline/viewer:1-{'0' * 12}"]


def test_a_missing_tool_is_named_with_its_package(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(commands))
    with pytest.raises(UserError, match="mvn is needed") as caught:
        downloads.require("mvn")
    assert "apt-get install maven" in caught.value.fix


def test_mirrors_are_those_of_apt(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    monkeypatch.setattr(downloads, "KEYRING", tmp_path)
    fake(
        commands,
        "apt-get",
        "echo 'http://elsewhere.invalid/x nodistro'\necho 'http://mirror.invalid/debian/ bookworm'\n"
        "echo 'http://mirror.invalid/debian/ bookworm-updates'\necho 'http://mirror.invalid/sec/ bookworm-security'",
    )
    assert downloads.mirrors() == {"": "http://mirror.invalid/debian/", "-security": "http://mirror.invalid/sec/"}


@pytest.mark.parametrize("system", ["debian", "ubuntu"])
def test_a_machine_without_debian_sources_is_rejected(
    commands: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": system, "VERSION_CODENAME": "noble"})
    release = "noble" if system == "ubuntu" else "nodistro"
    fake(commands, "apt-get", f"echo 'http://elsewhere.invalid/x {release}'")
    with pytest.raises(UserError, match="does not run Debian, or"):
        downloads.mirrors()


def test_apt_settings_about_the_network_are_kept_and_commands_are_not(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        'Acquire::http::Proxy "http://proxy.invalid:3128";',
        'Acquire::http::Proxy-Auto-Detect "/usr/bin/find-proxy";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::IndexTargets::deb::Packages::MetaKey "x";',
    ]
    fake(commands, "apt-config", "cat <<'END'\n" + "\n".join(lines) + "\nEND")
    monkeypatch.setenv("https_proxy", "http://other.invalid:3128")
    settings = downloads.apt_settings()
    assert lines[0] in settings
    assert lines[2] in settings
    assert 'Acquire::https::Proxy "http://other.invalid:3128";' in settings
    assert "find-proxy" not in settings
    assert "IndexTargets" not in settings


def test_a_failing_download_keeps_nothing(commands: Path, tmp_path: Path) -> None:
    fake(commands, "npm", "touch half.tgz; echo 'npm error 404 not found'; exit 1")
    package = downloads.NpmPackage(name="x.tgz", version="1.2.3", package="@a/b")
    with pytest.raises(UserError, match="image viewer: npm failed") as caught:
        package.ensure(Work(tmp_path / "logs", slots=1), "viewer", tmp_path / "downloads")
    assert "404" in caught.value.problem
    assert "@a/b@1.2.3" in caught.value.fix
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_cached_download_is_not_repeated(commands: Path, tmp_path: Path) -> None:
    fake(commands, "npm", 'echo x >> "$0.calls"; touch b-1.tgz')
    package = downloads.NpmPackage(name="x.tgz", version="1.2.3", package="@a/b")
    work = Work(tmp_path / "logs", slots=1)
    first = package.ensure(work, "viewer", tmp_path / "downloads")
    assert package.ensure(work, "viewer", tmp_path / "downloads") == first
    assert (commands / "npm.calls").read_text() == "x\n"


def test_stop_ends_running_commands_with_their_children_and_starts_no_others(tmp_path: Path) -> None:
    work = Work(tmp_path / "logs", slots=1)
    pid_file = tmp_path / "child"

    def stop_when_running() -> None:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.05)
        work.stop()

    threading.Thread(target=stop_when_running, daemon=True).start()
    with pytest.raises(StoppedError):
        work.run("x", ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], fix="")
    child = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    # Gone, or waiting for a parent that takes no notice (pid 1 of a container may not).
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(StoppedError), work.step("x", "anything"):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up_and_prints_how_to_continue(
    commands: Path, tmp_path: Path, number: signal.Signals
) -> None:
    there = [name for (key, _), name in ALL_FOUND.items() if key != "sessions"]
    names = " ".join([*there, f"ohif-offline/base:trixie-{recipes.inputs_hash(recipes.BASE)}"])
    fake(commands, "docker", f'[ "$1" = build ] && exec sleep 30\nprintf "%s\\n" {names}')
    run = subprocess.Popen(
        [sys.executable, recipes.HERE / "build.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert "building the image" in run.stdout.readline()
    run.send_signal(number)
    _, errors = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "run the command again" in errors
    assert [path.name for path in (tmp_path / "cache" / "ohif-pulumi").iterdir()] == ["images.lock"]
