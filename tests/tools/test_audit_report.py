"""Who read which study, out of the gateway's lines."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from tools import audit

STUDY, OTHER = "1.2.840.1", "1.2.840.2"
IDENTIFIER = "d68513b3-d852b954-6d284714-a75aad44-aa008cd6"
GONE = "00000000-11111111-22222222-33333333-44444444"


def line(
    path: str, *, user: str = "m.curie", method: str = "GET", status: int = 200, query: str = "", at: int = 0
) -> str:
    made = {
        "time": f"2026-01-31T10:15:{at:02}+00:00",
        "user": user,
        "method": method,
        "path": path,
        "query": query,
        "status": status,
    }
    return json.dumps(made)


def report(*texts: str) -> audit.Report:
    return audit.report(audit.lines(texts), {IDENTIFIER: STUDY})


def counts(path: str, **parts: Any) -> dict[str, int]:
    """What one request counts as, of the study."""
    (access,) = report(line(path, **parts)).accesses
    assert access.study == STUDY
    return {
        name: it for name in ("images", "metadata", "stored", "downloads", "changes") if (it := getattr(access, name))
    }


@pytest.mark.parametrize(
    ("path", "parts", "kind"),
    [
        (f"/pacs/studies/{STUDY}", {}, "images"),
        (f"/pacs/studies/{STUDY}/series/1.2/instances/1.3", {}, "images"),
        (f"/pacs/studies/{STUDY}/series/1.2/instances/1.3/frames/1", {}, "images"),
        (f"/pacs/studies/{STUDY}/series/1.2/instances/1.3/frames/1/rendered", {}, "images"),
        (f"/pacs/studies/{STUDY}/thumbnail", {}, "images"),
        (f"/pacs/studies/{STUDY}/series/1.2/instances/1.3/bulk/7fe00010", {}, "images"),
        (f"/pacs/studies/{STUDY}/series", {}, "metadata"),
        (f"/pacs/studies/{STUDY}/series/1.2/metadata", {}, "metadata"),
        ("/pacs/studies", {"query": f"limit=1&StudyInstanceUID={STUDY}"}, "metadata"),
        (f"/pacs/studies/{STUDY}", {"method": "POST"}, "stored"),
        (f"/download/{STUDY}.zip", {}, "downloads"),
        (f"/pacs-admin/studies/{IDENTIFIER}/archive", {}, "images"),
        (f"/pacs-admin/studies/{IDENTIFIER}/labels/radiology", {"method": "PUT"}, "changes"),
        (f"/pacs-admin/studies/{IDENTIFIER}", {"method": "DELETE"}, "changes"),
    ],
)
def test_what_a_request_counts_as(path: str, parts: dict[str, Any], kind: str) -> None:
    assert counts(path, **parts) == {kind: 1}


def test_one_entry_for_each_user_and_study_with_its_times() -> None:
    frame = f"/pacs/studies/{STUDY}/series/1.2/instances/1.3/frames/1"
    made = report(
        line(frame, at=1),
        line(frame, at=2, user="p.curie"),
        line(f"/pacs/studies/{OTHER}/metadata", at=3),
        line(frame, at=4),
    )
    assert [(it.user, it.study, it.images, it.metadata, it.first[-8:-6], it.last[-8:-6]) for it in made.accesses] == [
        ("m.curie", STUDY, 2, 0, "01", "04"),
        ("p.curie", STUDY, 1, 0, "02", "02"),
        ("m.curie", OTHER, 0, 1, "03", "03"),
    ]


def test_searches_are_listed_as_they_were_asked() -> None:
    made = report(line("/pacs/studies", query="PatientName=*M%C3%BCller*"), line("/pacs/studies"))
    assert made.accesses == []
    assert made.searches == [("2026-01-31T10:15:00+00:00", "m.curie", "PatientName=*Müller*")]


@pytest.mark.parametrize(
    "text",
    [
        line(f"/pacs/studies/{STUDY}", status=403),
        line(f"/pacs/studies/{STUDY}", status=499),
        line(f"/pacs/studies/{STUDY}", user=""),
        line("/ohif-viewer/"),
        line("/pacs/studies/../x"),
        "nginx: a warning",
        '{"cut off',
        "[]",
    ],
)
def test_what_is_no_access_is_left_out(text: str) -> None:
    assert report(text) == audit.Report()


def test_what_is_not_there_any_more_keeps_its_identifier() -> None:
    (access,) = report(line(f"/pacs-admin/instances/{GONE}/file")).accesses
    assert (access.study, access.images) == (GONE, 1)
    lines = list(audit.lines([line(f"/pacs-admin/series/{IDENTIFIER}/archive"), line("/pacs-admin/system")]))
    assert audit.identifiers(lines) == {("series", IDENTIFIER)}


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43200), ("7d", 604800)])
def test_since(text: str, seconds: int) -> None:
    assert audit.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "7w", "-1d", "1.5h"])
def test_since_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="90m, 12h or 7d"):
        audit.duration(text)
