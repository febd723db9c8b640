"""Backups while the stack runs, and what comes back of them."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from bench.meanwhile import Over, meanwhile
from components.backup.backup import DATA, SCRIPT, WORK
from settings import ArchiveKind
from tests.e2e.backup_settings import backup_to
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, NAME, Stack, run, start_tool, state_environment, tool, wait_until
from tests.e2e.objects import picture, stow
from tests.e2e.realm import Realm
from tests.e2e.s3_server import s3_server
from tests.e2e.sftp_server import sftp_server
from tools.backup import STATE_FILE
from tools.dicomweb import StackOutputs, sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="studies are deleted by Orthanc's own API")

STUDIES = "/pacs/studies"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the engine's machine."""
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="module")
def backup(repository: Path, up_with: UpWith) -> str:
    """The container of the backups, once the first has been made without anybody asking for it."""
    said = up_with(backup=backup_to(str(repository)))
    assert "error" not in said
    assert "backupPassword" in said
    container = f"ohif-{NAME}-backup"
    wait_until(lambda: last(container).get("outcome") == "ok", "first backup", 120)
    return container


@pytest.fixture(scope="module")
def saved(backup: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the state of the latest backup is unpacked."""
    folder = tmp_path_factory.mktemp("saved")
    dumped = inside(backup, "/bin/sh", SCRIPT, "restic", "dump", "--tag", "state", "latest", "state.tar")
    assert dumped.returncode == 0
    subprocess.run(["tar", "-x"], input=dumped.stdout, cwd=folder, check=True)
    return folder


@pytest.fixture
def pacsadmin(stack: Stack, outputs: StackOutputs, backup: str) -> Iterator[httpx.Client]:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
        yield session


def inside(container: str, *command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a container."""
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    return subprocess.run(["docker", "exec", *variables, container, *command], capture_output=True, check=False)


def last(container: str) -> dict[str, str]:
    """How the last backup ended."""
    output = inside(container, "cat", f"{WORK}/last").stdout.decode()
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def files() -> dict[str, str]:
    """SHA-256 of the archive's files by path."""
    every = f"cd {DATA}/archive && find . -type f -exec sha256sum {{}} +"
    lines = inside(f"ohif-{NAME}-backup", "sh", "-c", every).stdout.decode().splitlines()
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def store(session: httpx.Client) -> str:
    """Store a study of one instance; its UID."""
    made = picture()
    assert stow(session, made).status_code == 200
    return str(made.StudyInstanceUID)


def delete(session: httpx.Client, study: str) -> None:
    """As an administrator of Orthanc does."""
    found = session.post("/pacs-admin/tools/lookup", content=study).json()
    (path,) = [it["Path"] for it in found if it["Type"] == "Study"]
    assert session.delete(f"/pacs-admin{path}").status_code == 200


def known(session: httpx.Client, study: str) -> bool:
    return session.get(STUDIES, params={"StudyInstanceUID": study}).status_code == 200 and bool(
        session.get(STUDIES, params={"StudyInstanceUID": study}).json()
    )


def remove_file(session: httpx.Client, study: str) -> None:
    """Remove the file of a study's only instance, as if it was deleted after the index was dumped."""
    (found,) = [it for it in session.post("/pacs-admin/tools/lookup", content=study).json() if it["Type"] == "Study"]
    (instance,) = session.get(f"/pacs-admin{found['Path']}/instances").json()
    info = session.get(f"/pacs-admin/instances/{instance['ID']}/attachments/dicom/info").json()
    uuid = info["Uuid"]
    path = f"/var/lib/orthanc/db/{uuid[:2]}/{uuid[2:4]}/{uuid}"
    assert inside(f"ohif-{NAME}-orthanc", "rm", path).returncode == 0


def damaged(session: httpx.Client) -> list[str]:
    """Ids of the instances whose file is not, byte by byte, what the index says."""
    broken = []
    for instance in session.get("/pacs-admin/instances").json():
        if session.post(f"/pacs-admin/instances/{instance}/attachments/dicom/verify-md5").status_code != 200:
            broken.append(instance)
    return broken


def backups() -> list[str]:
    """Ids as the command lists them, the oldest first."""
    done = tool("backup", "list")
    assert done.returncode == 0, done.stdout
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


@contextmanager
def ingest(stack: Stack, outputs: StackOutputs) -> Iterator[None]:
    """A user stores studies meanwhile, another stores some and deletes them."""

    def work(user: str, over: Over, *, deletes: bool) -> None:
        with closing(sign_in(stack.url, user, outputs.credentials[user])) as session:
            while not over():
                study = store(session)
                if deletes:
                    delete(session, study)

    with meanwhile(partial(work, "reporter", deletes=False), partial(work, "pacsadmin", deletes=True)):
        yield


def test_all_that_was_there_comes_back_and_nothing_else(
    stack: Stack, outputs: StackOutputs, backup: str, pacsadmin: httpx.Client
) -> None:
    """From the backup before the latest, which was made under ingest.

    An instance whose file is gone, as when it is deleted after the index was dumped, is no longer listed.
    """
    realm = Realm(stack, outputs.credentials["admin"])
    was_there, came_later = (f"{name}-{secrets.token_hex(4)}" for name in ("was-there", "came-later"))
    acknowledged = [store(pacsadmin) for _ in range(20)]
    without_file = store(pacsadmin)
    remove_file(pacsadmin, without_file)
    realm.ask("POST", "/users", {"username": was_there, "enabled": True})
    before = files()
    with ingest(stack, outputs):
        made = tool("backup", "now")
    assert made.returncode == 0, made.stdout

    delete(pacsadmin, acknowledged[0])
    later = store(pacsadmin)
    realm.ask("DELETE", f"/users/{realm.user(was_there)}")
    realm.ask("POST", "/users", {"username": came_later, "enabled": True})
    assert tool("backup", "now").returncode == 0
    *_, wanted, newest = backups()
    for arguments, answer in {
        ("--snapshot", "00000000"): newest,
        ("--from", "another"): "no backup of stack another",
    }.items():
        refused = tool("restore", *arguments, YES="1")
        assert (refused.returncode, answer in refused.stdout) == (1, True), refused.stdout
    assert known(pacsadmin, later)

    done = tool("restore", "--snapshot", wanted, YES="1")
    assert done.returncode == 0, done.stdout
    assert "instances were deleted while the backup was made" in done.stdout
    assert f"These users are back: {was_there}." in done.stdout
    after = files()
    assert [path for path, digest in before.items() if after.get(path) != digest] == []
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
        assert [it for it in acknowledged if not known(session, it)] == []
        assert [it for it in (later, without_file) if known(session, it)] == []
        assert damaged(session) == []
    names = {it["username"] for it in realm.ask("GET", "/users")}
    assert {was_there, came_later} & names == {was_there}
    stack.wait_for_login(outputs.credentials)


def test_the_state_is_in_the_repository(saved: Path) -> None:
    state = json.loads((saved / STATE_FILE).read_text())
    assert state["deployment"]["resources"]
    assert (saved / ".state/passphrase").read_text().strip()
    assert "repository" in (saved / f"Pulumi.{NAME}.yaml").read_text()


def test_a_stack_that_took_up_the_state_is_removed_alone(stack: Stack, outputs: StackOutputs, saved: Path) -> None:
    """Before it has a Keycloak of its own: the saved address is that of the stack that runs."""
    where = ("--stack", f"{NAME}-taken-up", "--config-file", str(saved / f"Pulumi.{NAME}.yaml"))
    environment = {**state_environment(), "YES": "1"}
    run("python3", "-m", "tools.recover", *where, "--state", str(saved / STATE_FILE), env=environment)
    run("python3", "-m", "tools.stack", "destroy", *where, env=environment)
    stack.wait_for_login(outputs.credentials)


def test_the_repository_holds_nothing_readable(repository: Path, backup: str) -> None:
    whole = b"".join(it.read_bytes() for it in repository.rglob("*") if it.is_file())
    assert len(whole) > 10**6
    assert not [it for it in (b"SYNTHETIC", b"DICM", b"pacsadmin", b"PGDMP") if it in whole]


def test_a_drill_brings_back_everything_and_leaves_nothing(
    stack: Stack, outputs: StackOutputs, backup: str, pacsadmin: httpx.Client
) -> None:
    """On a machine that has nothing of it: state, users and studies come from the repository."""
    statistics = pacsadmin.get("/pacs-admin/statistics").json()
    assert tool("backup", "now").returncode == 0
    before = files(), backups()
    done = tool("restore_drill")
    assert done.returncode == 0, done.stdout
    users = len(outputs.credentials) - 1
    assert f"{statistics['CountStudies']} studies, {statistics['CountInstances']} instances" in done.stdout
    assert f"{users} of {users} users sign in with the generated password" in done.stdout
    assert done.stdout.count("  ok  ") == 5
    assert f"The backups of stack {NAME} come back" in done.stdout
    chosen: dict[str, str | list[str] | bool] = {"label": f"org.ohif.stack={NAME}-drill"}
    engine = stack.engine
    assert not [*engine.containers.list(all=True, filters=chosen), *engine.volumes.list(filters=chosen)]
    assert (files(), backups()) == before
    stack.wait_for_login(outputs.credentials)


def failing(backup: str, **environment: str) -> tuple[str, str]:
    """What a backup in such an environment comes to, and what the health check says."""
    done = inside(backup, "/bin/sh", SCRIPT, "now", **environment)
    assert done.returncode == 1, done.stdout
    check = inside(backup, "/bin/sh", SCRIPT, "check")
    assert check.returncode == 1
    return last(backup)["outcome"], check.stdout.decode()


def test_a_backup_that_fails_is_seen_and_leaves_the_others(backup: str) -> None:
    before = backups()
    nowhere = {"RESTIC_REPOSITORY": "s3:http://127.0.0.1:9/backups", "AWS_ACCESS_KEY_ID": "a"}
    for reason, environment in {
        "does not belong to root": {"RESTIC_REPOSITORY": "/var/lib/nowhere/there"},
        "connection refused": {**nowhere, "AWS_SECRET_ACCESS_KEY": "b"},
        "wrong password": {"RESTIC_PASSWORD": "another"},
    }.items():
        outcome, check = failing(backup, **environment)
        assert reason in outcome
        assert reason in check
    status = tool("status")
    assert (status.returncode, f"attention: the last backup failed: {outcome}" in status.stdout) == (1, True)
    assert tool("backup", "now").returncode == 0
    assert backups()[: len(before)] == before
    assert "the last backup failed" not in tool("status").stdout


@pytest.mark.parametrize("with_data", [False, True], ids=["nothing in it", "with data"])
def test_a_repository_whose_making_was_cut_off_is_made_again(backup: str, with_data: bool) -> None:
    """Unless a key might open something."""
    half, key = f"{WORK}/half", f"{WORK}/half/keys/{'0' * 64}"
    made = f"mkdir -p {half}/keys {half}/data/00 {half}/snapshots && echo cut off >{key}"
    inside(backup, "sh", "-c", f"{made} && {f'echo x >{half}/data/00/x' if with_data else 'true'}")
    try:
        done = inside(backup, "sh", "-c", f"echo state | /bin/sh {SCRIPT} state", RESTIC_REPOSITORY=half)
        assert (done.returncode == 0) is not with_data, done.stderr
        assert (inside(backup, "test", "-e", key).returncode == 0) is with_data
    finally:
        inside(backup, "rm", "-rf", half)


@contextmanager
def running_backup(backup: str) -> Iterator[None]:
    """One that takes as long as the block."""
    lock = f"{WORK}/lock"
    holding = ["docker", "exec", "-i", backup, "sh", "-c", f"exec 9>{lock}; flock 9; exec cat"]
    with subprocess.Popen(holding, stdin=subprocess.PIPE):
        wait_until(lambda: inside(backup, "flock", "-n", lock, "true").returncode == 1, "running backup", 20)
        yield


@pytest.mark.parametrize(
    ("module", "end"), [("backup", "is complete"), ("restore", "not confirmed, nothing was changed")]
)
def test_what_comes_while_a_backup_runs_waits_for_its_end(backup: str, module: str, end: str) -> None:
    with running_backup(backup):
        waiting = start_tool(module, *(["now"] if module == "backup" else []))
        assert waiting.stdout is not None
        said = next((line for line in waiting.stdout if "waiting" in line), "")
        assert "waiting for the backup that is running" in said
        assert waiting.poll() is None
    assert end in waiting.communicate()[0]


def test_a_database_that_is_down_fails_the_backup(stack: Stack, backup: str) -> None:
    database = stack.container("keycloak-db")
    database.stop()
    try:
        outcome, _ = failing(backup)
    finally:
        database.start()
    assert outcome.startswith("keycloak-db:")


def test_a_damaged_repository_is_seen(repository: Path, backup: str) -> None:
    """The last test of this repository."""
    for pack in (repository / "data").rglob("*"):
        if pack.is_file():
            pack.write_bytes(b"")
    outcome, _ = failing(backup)
    assert outcome
    before = files()
    restored = tool("restore", YES="1")
    assert (restored.returncode, "file is too short" in restored.stdout) == (1, True), restored.stdout
    assert files() == before


def test_a_full_disk_fails_the_backup_and_a_larger_one_helps(
    stack: Stack, tmp_path: Path, up_with: UpWith, backup: str
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(tmp_path)], check=True)
    try:
        up_with(backup=backup_to(str(tmp_path)))
        outcome, _ = failing(backup)
        assert "no space left" in outcome
        subprocess.run(["mount", "-o", "remount,size=800m", str(tmp_path)], check=True)
        done = tool("backup", "now")
        assert done.returncode == 0, done.stdout
    finally:
        # Still mounted in the container, which the next settings replace.
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_backup_goes_to_an_sftp_server_with_the_right_key_only(
    stack: Stack, tmp_path: Path, up_with: UpWith, backup: str
) -> None:
    with sftp_server(tmp_path, stack.edge_address()) as server:
        settings = backup_to(server.url, sshKey=server.private_key, hostKey=server.host_key)
        another = (tmp_path / "client_key.pub").read_text().split()
        said = up_with(backup={**settings, "hostKey": " ".join(another[:2])})
        assert "Host key verification failed" in said
        assert "error" not in up_with(backup=settings)
        wait_until(lambda: last(backup).get("outcome") == "ok", "backup", 120)
        assert len(backups()) == 1
        assert list((tmp_path / "repository" / "snapshots").iterdir())


def test_a_backup_goes_to_an_s3_server_and_comes_back(
    stack: Stack, tmp_path: Path, up_with: UpWith, backup: str, pacsadmin: httpx.Client
) -> None:
    kept = store(pacsadmin)
    with s3_server(tmp_path, stack.edge_address()) as server:
        (server.folder / "hospital").mkdir()
        repository = f"s3:https://{server.address}/hospital/pacs"
        settings = backup_to(
            repository, accessKey=server.access_key, secretKey=server.secret_key, caCertificate=server.authority
        )
        # The last one, elsewhere, was good; the new repository gets one all the same.
        assert "error" not in up_with(backup=settings)
        wait_until(lambda: any((server.folder / "hospital" / "pacs" / "snapshots").glob("*")), "backup", 120)
        wait_until(lambda: last(backup).get("outcome") == "ok", "backup", 120)
        delete(pacsadmin, kept)
        restored = tool("restore", YES="1")
        assert restored.returncode == 0, restored.stdout
        with closing(sign_in(stack.url, "pacsadmin", stack.outputs().credentials["pacsadmin"])) as session:
            assert len(session.get(STUDIES, params={"StudyInstanceUID": kept}).json()) == 1
            delete(session, kept)
        said = up_with(backup={**settings, "secretKey": "not-the-key-of-this-server"})
        assert "signature" in said.lower(), said
