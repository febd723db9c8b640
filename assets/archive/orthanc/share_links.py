"""Which study a share link shows, for Orthanc's Python plugin.

Its secret is a random number that nobody keeps but who has the link. The study carries a label made of the secret's
hash, and in its metadata until when the link is good, by whom and for whom: so a link ends with its study, is part of
its backup, and rights.py restricts a request by a link as it restricts one by a group.
"""

import hashlib
import json
import re
import time

import orthanc  # type: ignore[import-not-found]

METADATA = "Shares"
"""Metadata of a study (orthanc_config.py gives it a number): its links by their labels."""
LABEL = "Share-"
"""No name of a group begins with a capital letter."""
DIGITS, ID_DIGITS = 40, 16
"""Of the hash: in the label, and in the link."""
SHOWN = re.compile(r"([0-9a-f]{16}) ([\w-]{43})", re.ASCII)
"""A header of the gateway: the link's id, as the path has it, and its secret."""
SECONDS = 2
KEPT = 10_000

kept: dict[str, tuple[float, dict | None]] = {}  # type: ignore[type-arg]
"""Until when what is known of a label may be used, and the link."""


def label_of(secret: str) -> str:
    """The label of the study that a secret opens."""
    return LABEL + hashlib.sha256(secret.encode()).hexdigest()[:DIGITS]


def id_of(label: str) -> str:
    """What the path of a link names it by, and the log of requests with it."""
    return label.removeprefix(LABEL)[:ID_DIGITS]


def links_of(study: str) -> dict[str, dict]:  # type: ignore[type-arg]
    """The links to a study, by Orthanc's own identifier."""
    if METADATA not in json.loads(orthanc.RestApiGet(f"/studies/{study}/metadata")):
        return {}
    links: dict[str, dict] = json.loads(orthanc.RestApiGet(f"/studies/{study}/metadata/{METADATA}"))  # type: ignore[type-arg]
    return links


def studies_with(labels: list[str]) -> list[dict]:  # type: ignore[type-arg]
    """The studies that carry one of some labels."""
    asked = {"Level": "Study", "Query": {}, "Labels": labels, "LabelsConstraint": "Any", "Expand": True}
    studies: list[dict] = json.loads(orthanc.RestApiPost("/tools/find", json.dumps(asked)))  # type: ignore[type-arg]
    return studies


def _read(label: str) -> dict | None:  # type: ignore[type-arg]
    for study in studies_with([label]):
        if link := links_of(study["ID"]).get(label):
            return {**link, "study": study["MainDicomTags"]["StudyInstanceUID"]}
    return None


def opened(shown: str) -> tuple[str, dict] | None:  # type: ignore[type-arg]
    """Label and link that a request shows the secret of; `None` if there is none, or none any more."""
    match = SHOWN.fullmatch(shown)
    if not match or id_of(label := label_of(match[2])) != match[1]:
        return None
    now = time.monotonic()
    until, link = kept.get(label, (0.0, None))
    if until < now:
        link = _read(label)
        if len(kept) >= KEPT:
            kept.clear()
        kept[label] = (now + SECONDS, link)
    return (label, link) if link and link["until"] > time.time() else None
