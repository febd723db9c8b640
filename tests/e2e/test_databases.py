"""A restart of a database under running requests: reads wait, sign-ins work, no store is acknowledged and lost.

Pools of connections notice late that their connections are gone (docs/adr/0016).
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from itertools import islice

import pytest
from pydicom.uid import generate_uid

from bench.traffic import Traffic, reading, reads, small_instances, storing
from settings import ArchiveKind
from tests.e2e import archive
from tests.e2e.harness import ARCHIVE, Stack, wait_until
from tools.dicomweb import StackOutputs, sign_in, store

INDEX = {ArchiveKind.ORTHANC: "orthanc-db", ArchiveKind.DCM4CHEE: "dcm4chee-db"}[ARCHIVE]
BEFORE, STORES = 1.5, 10
"""Seconds of requests before the restart, and how many stores there have to be after it."""
CONNECTIONS = 25
"""More than the archive's pool has."""


@pytest.mark.parametrize(
    ("part", "end"),
    [(INDEX, "restart"), (INDEX, "kill"), (str(ARCHIVE), "restart"), ("auth-proxy", "kill")],
    ids=["index-restart", "index-kill", "archive-restart", "auth-proxy-kill"],
)
def test_no_read_fails_and_no_store_is_lost(stack: Stack, outputs: StackOutputs, part: str, end: str) -> None:
    traffic, study, container = Traffic(), str(generate_uid()), stack.container(part)
    try:
        with reading(outputs, traffic), storing(outputs, traffic, study):
            time.sleep(BEFORE)
            if end == "restart":
                container.restart(timeout=10)
            else:
                container.kill()
                time.sleep(2)
                container.start()
            traffic.go_on(stores=STORES)
        print(
            f"{part} {end}: {traffic.good} reads, slowest {traffic.slowest:.1f} s; {len(traffic.acknowledged)} stores "
            f"acknowledged, refused: {dict(traffic.refused)}"
        )
        assert Counter(traffic.wrong) == {}
        with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
            found = admin.get(f"/pacs/studies/{study}/instances")
            assert found.status_code == 200
            kept = {it["00080018"]["Value"][0] for it in found.json()}
        assert set(traffic.acknowledged) <= kept
    finally:
        wait_until(lambda: _deleted(stack, outputs, study), "clean archive", 60)


def test_read_after_a_quiet_restart_works_at_once(stack: Stack, outputs: StackOutputs) -> None:
    """Nobody was there to use up the dead connections."""
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        stack.container(INDEX).restart(timeout=10)
        answers = [session.get(path, headers=headers).status_code for path, headers in reads().items()]
        answers += [session.get("/pacs/studies").status_code for _ in range(CONNECTIONS)]
    assert set(answers) == {200}


def test_first_login_after_a_restart_works(stack: Stack, outputs: StackOutputs) -> None:
    # Several connections are in the pool.
    for _ in range(3):
        sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
    stack.container("keycloak-db").restart(timeout=10)
    _ready(stack, "keycloak-db")
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        assert session.get("/pacs/studies").status_code == 200


def test_up_is_done_only_when_everything_works(stack: Stack, outputs: StackOutputs) -> None:
    for database in (INDEX, "keycloak-db"):
        stack.container(database).kill()
    stack.up()
    study = str(generate_uid())
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
        try:
            for _, file in islice(small_instances(study), CONNECTIONS):
                if ARCHIVE is ArchiveKind.ORTHANC:
                    # What DCM4chee's pool does is not known here.
                    store(admin, [file])
                assert admin.get("/pacs/studies").status_code == 200
        finally:
            archive.delete(admin, "Study", StudyInstanceUID=study)


def _deleted(stack: Stack, outputs: StackOutputs, study: str) -> bool:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as admin:
        archive.delete(admin, "Study", StudyInstanceUID=study)
    return True


def _ready(stack: Stack, thing: str) -> None:
    """Waits until a database takes connections."""
    deadline = time.monotonic() + 30
    while stack.container(thing).exec_run(["pg_isready", "--quiet", "--host=127.0.0.1"]).exit_code:
        assert time.monotonic() < deadline
        time.sleep(0.1)
