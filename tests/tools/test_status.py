"""What of a stack's status needs attention, and how long the disk will last."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tools.measurements import DAY, DatabaseFigures, Part, certificate_days, days_left
from tools.status import problems, shown
from tools.status_model import Status

PART = Part(name="viewer", state="healthy", version="1", memory_mib=10, memory_limit_mib=100, restarts=0)
DATABASE = DatabaseFigures(
    name="orthanc-db", size_bytes=9_000_000, connections=21, connections_limit=60, cache_hits=0.99
)
GOOD = Status(
    stack="dev",
    parts=[PART],
    databases=[DATABASE],
    disk_free_gb=60.0,
    disk_gb=100.0,
    disk_days=90.0,
    studies=1,
    instances=120,
    sessions=2,
    requests={"2xx": 10, "3xx": 0, "4xx": 1, "5xx": 0},
    failed_sign_ins=0,
    certificate_days=60.0,
    backup_hours=5.0,
    backup_outcome="ok",
    problems=(),
)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, None),
        ({"certificate_days": None, "disk_free_gb": None, "disk_gb": None, "disk_days": None}, None),
        ({"certificate_days": 13.0}, "the certificate ends in 13 days"),
        ({"certificate_days": -2.0}, "the certificate ends in -2 days"),
        ({"disk_free_gb": 9.0}, "9.0 GB of 100.0 GB are free"),
        ({"disk_days": 5.0}, "the disk is full in 5 days"),
        ({"backup_hours": None, "backup_outcome": None}, None),
        ({"backup_outcome": "Fatal: no route to host"}, "the last backup failed: Fatal: no route to host"),
        ({"parts": [dataclasses.replace(PART, state="exited")]}, "viewer is exited"),
        ({"parts": [dataclasses.replace(PART, state="starting")]}, "viewer is starting"),
        ({"databases": []}, None),
        ({"databases": [dataclasses.replace(DATABASE, cache_hits=None)]}, None),
        ({"databases": [dataclasses.replace(DATABASE, connections=55)]}, "orthanc-db has 55 of 60 connections"),
        ({"parts": [dataclasses.replace(PART, memory_mib=97)]}, "viewer uses 97 of 100 MiB"),
    ],
)
def test_what_needs_attention(changed: dict[str, Any], problem: str | None) -> None:
    status = dataclasses.replace(GOOD, **changed)
    found = list(problems(status))
    assert (not found) if problem is None else (len(found) == 1 and found[0].startswith(problem))
    text = shown(dataclasses.replace(status, problems=found))
    assert ("all is well" in text) is (problem is None)
    assert problem is None or f"attention: {problem}" in text


def test_the_disk_lasts_as_long_as_the_growth_since_the_first_measurement_says(tmp_path: Path) -> None:
    def left(day: float, stored: int, free: int) -> float | None:
        return days_left("dev", stored, free, now=day * DAY, folder=tmp_path)

    assert left(0, 100, 1000) is None
    # Too soon to say.
    assert left(0.5, 200, 900) is None
    assert left(10, 600, 500) == 10.0
    # Nothing has grown.
    assert days_left("other", 5, 5, now=0, folder=tmp_path) is None
    assert days_left("other", 5, 5, now=5 * DAY, folder=tmp_path) is None
    # What is older than a month does not count.
    assert left(35, 700, 400) == 100.0


@pytest.mark.parametrize("url", ["", "http://127.0.0.1/", "https://127.0.0.1:1/"])
def test_without_https_there_is_no_certificate(url: str) -> None:
    assert certificate_days(url) is None
