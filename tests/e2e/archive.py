"""The archive as its administrator reaches it: to take away again what a test has stored."""

from __future__ import annotations

import httpx


def delete(admin: httpx.Client, level: str, **query: str) -> int:
    """Deletes the studies or series (`level` is `Study` or `Series`) that match; returns how many there were."""
    found = admin.post("/pacs-admin/tools/find", json={"Level": level, "Query": query}).raise_for_status().json()
    folder = {"Study": "studies", "Series": "series"}[level]
    for identifier in found:
        admin.delete(f"/pacs-admin/{folder}/{identifier}").raise_for_status()
    return len(found)
