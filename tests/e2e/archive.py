"""The archive as its administrator reaches it: to see what there is, and to take away again what a test has stored.

What is asked is Orthanc's own API. With DCM4chee it is the stand-in's: the tests of the gate are the same for both, and
what DCM4chee's own API answers is not theirs to test.
"""

from __future__ import annotations

import httpx

from settings import ArchiveKind
from tests.e2e.harness import AE_TITLE, ARCHIVE

API = {ArchiveKind.ORTHANC: "/pacs-admin", ArchiveKind.DCM4CHEE: "/dcm4chee-arc/stand-in"}[ARCHIVE]
"""Where the gateway has it; for `pacsadmin` only."""
PEERS = {
    ArchiveKind.ORTHANC: "dicom-web/servers",
    ArchiveKind.DCM4CHEE: f"dcm4chee-arc/aets/{AE_TITLE}/rs/servers",
}[ARCHIVE]
"""Below it, the other DICOMweb servers that it knows."""


def delete(admin: httpx.Client, level: str, **query: str) -> int:
    """Deletes the studies or series (`level` is `Study` or `Series`) that match; returns how many there were."""
    found = admin.post(f"{API}/tools/find", json={"Level": level, "Query": query}).raise_for_status().json()
    folder = {"Study": "studies", "Series": "series"}[level]
    for identifier in found:
        admin.delete(f"{API}/{folder}/{identifier}").raise_for_status()
    return len(found)
