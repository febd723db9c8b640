"""What differs between images, and which of them read the data of which."""

from typing import Any

import pytest

from bootstrap.console import UserError
from tools.backup import Snapshot
from tools.versions import Move, moves, reads, refuse_unfitting, shown


def test_what_moves_is_what_has_another_name_apart_from_its_digest() -> None:
    before = {"gateway": "nginx:1.30.3@sha256:" + 64 * "a", "viewer": "ohif/app:v3.13.8@sha256:" + 64 * "b"}
    after = {"gateway": "nginx:1.30.7", "viewer": "ohif/app:v3.13.8", "backup": "restic/restic:0.18.1"}
    (move,) = moves(before, after)
    assert (move.key, shown(move.before), shown(move.after)) == ("gateway", "1.30.3", "1.30.7")
    assert {it.identifier for it in move.fixed} >= {"CVE-2026-42533", "CVE-2026-118899"}


@pytest.mark.parametrize(
    ("key", "before", "after", "through_backup"),
    [
        ("postgres", "postgres:16.15", "postgres:17.11-trixie", True),
        ("postgres", "postgres:17.11-trixie", "postgres:17.10-trixie", False),
        ("dcm4chee-db", "dcm4che/postgres-dcm4chee:16.4-34", "dcm4che/postgres-dcm4chee:17.9-35", True),
        ("keycloak", "quay.io/keycloak/keycloak:26.6.6", "quay.io/keycloak/keycloak:26.7.3", False),
        ("keycloak", "quay.io/keycloak/keycloak:26.7.3", "quay.io/keycloak/keycloak:26.6.6", True),
        ("gateway", "nginx:1.30.7", "nginx:1.28.0", False),
        ("orthanc", "orthanc:26.9.1", "registry:5000/orthanc", False),
    ],
)
def test_what_starts_only_on_a_restored_backup(key: str, before: str, after: str, through_backup: bool) -> None:
    assert Move(key=key, before=before, after=after).through_backup is through_backup


def test_a_newer_one_reads_what_an_older_one_wrote_and_not_the_other_way_round() -> None:
    assert reads("postgres", "postgres:16.15", "postgres:17.11")
    assert not reads("postgres", "postgres:17.1", "postgres:16.15")
    assert reads("viewer", "ohif/app:v3.13.8", "ohif/app:v3.9.0")


def of(**images: str) -> dict[str, Any]:
    return {"archive": "orthanc", "images": images}


def test_a_backup_of_a_newer_version_is_refused() -> None:
    snapshot = Snapshot(id="1a2b3c4d", time="2026-11-01T00:00:00Z", size=1)
    refuse_unfitting(snapshot, of(keycloak="keycloak:26.6.6"), of(keycloak="keycloak:26.7.3"))
    with pytest.raises(UserError, match=r"with keycloak 26.7.3, and this program has 26.6.6"):
        refuse_unfitting(snapshot, of(keycloak="keycloak:26.7.3"), of(keycloak="keycloak:26.6.6"))
