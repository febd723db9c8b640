"""What a backup of DCM4chee brings back: studies, users, and the directory with the archive's own settings."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from settings import ArchiveKind
from tests.e2e.backup_settings import backup_to
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, NAME, Stack, tool
from tests.e2e.objects import picture, stow
from tools.dicomweb import StackOutputs, sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is not ArchiveKind.DCM4CHEE, reason="test_backup.py is Orthanc's")

BASE = "dc=dcm4che,dc=org"


def directory(stack: Stack, command: str, entry: str = "") -> str:
    """What a client of the directory says, with the archive's own password."""
    password = '-w "$(cat /run/dump-password)" -D cn=admin,dc=dcm4che,dc=org -x -H ldap://dcm4chee-ldap:389'
    done = subprocess.run(
        ["docker", "exec", "-i", f"ohif-{NAME}-dcm4chee-ldap-dump", "sh", "-c", f"{command} {password}"],
        input=entry, text=True, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def every_entry(stack: Stack) -> list[str]:
    """The directory's entries."""
    return sorted(directory(stack, f"ldapsearch -LLL -o ldif-wrap=no -b {BASE}").split("\n\n"))


def test_studies_and_the_archives_own_settings_come_back(
    stack: Stack, outputs: StackOutputs, up_with: UpWith, tmp_path: Path
) -> None:
    up_with(backup=backup_to(str(tmp_path)))
    devices = f"cn=Devices,cn=DICOM Configuration,{BASE}"
    entry = f"dn: dicomDeviceName={{0}},{devices}\nobjectClass: dicomDevice\ndicomDeviceName: {{0}}\n"
    kept, later = picture(), picture()
    with closing(sign_in(stack.url, "reporter", outputs.credentials["reporter"])) as session:
        directory(stack, "ldapadd", entry.format("was-there"))
        before = every_entry(stack)
        assert stow(session, kept).status_code == 200
        made = tool("backup", "now")
        assert made.returncode == 0, made.stdout
        assert stow(session, later).status_code == 200
        directory(stack, "ldapadd", entry.format("came-later"))
    done = tool("restore", YES="1")
    assert done.returncode == 0, done.stdout
    assert every_entry(stack) == before
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as session:
        answer = session.get("/pacs/studies", params={"limit": 1000})
        listed = {it["0020000D"]["Value"][0] for it in answer.json()}
        assert kept.StudyInstanceUID in listed
        assert later.StudyInstanceUID not in listed
        root = f"/pacs/studies/{kept.StudyInstanceUID}/series/{kept.SeriesInstanceUID}/instances/{kept.SOPInstanceUID}"
        frames = session.get(
            f"{root}/frames/1", headers={"Accept": 'multipart/related; type="application/octet-stream"'}
        )
        assert frames.status_code == 200
        assert kept.PixelData in frames.content
