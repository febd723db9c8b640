"""Who may read which study, for Orthanc's Python plugin.

The gateway shows one of two credentials: its own, or that of restricted users, and with it their realm roles. A
restricted request reads the studies that carry the label of one of its groups, and nothing else. Two checks, which do
not rely on each other:

- The path: a restricted request may only ask for what `READ`, `LISTS`, `STORE` and `SHARES` name, and for an object
  only if its study is readable (`allowed`).
- The query: the DICOMweb plugin locates everything that it reads by `POST /tools/find`, in the thread of the request
  and with its headers (Orthanc Book, "DICOMweb plugin"; DICOMweb 1.24, `LocateResource` and `QidoRs.cpp`). There a
  restricted request finds readable studies only (`restrict`).

A request by a share link is restricted to the label of that link (share_links.py), and to reading.

What is not readable and what does not exist are answered alike. Decisions are kept for `SECONDS`, after which a changed
label counts.
"""

import json
import re
import threading
import time
from pathlib import Path

import orthanc  # type: ignore[import-not-found]
import share_links  # type: ignore[import-not-found]
from scripted import found  # type: ignore[import-not-found]

SETTINGS = json.loads(Path("/etc/orthanc-rights.json").read_text())
RESTRICTED = Path("/etc/orthanc-restricted").read_text()
"""The `Authorization` header of restricted requests."""
ROLES_HEADER, SHARE_HEADER = "x-user-roles", "x-share"
PREFIX = "group:"
SECONDS = 4
KEPT = 10_000
UID = r"[0-9]+(?:\.[0-9]+)*"
LISTS = re.compile(
    rf"/dicom-web/(?:studies|series|instances|studies/{UID}/(?:series|instances|series/{UID}/instances)"
    rf"|series/{UID}/instances)"
)
READ = re.compile(rf"/(?:dicom-web|scripted)/studies/({UID})(?:/.*)?")
STORE = re.compile(rf"/dicom-web/studies(?:/{UID})?")
SHARES = re.compile(rf"/shares/(?:list|[0-9a-f]{{16}}/revoke|studies/{UID})")
OPENED_SHARE = "/shares/opened"
ZIP = re.compile(r"/studies/([0-9a-f]{8}(?:-[0-9a-f]{8}){4})/archive")
STUDY_TAGS = frozenset({"studyinstanceuid", "0020,000d", "0020000d"})

of_threads: dict[int, frozenset[str] | None] = {}
"""Groups of the request that a thread works on; `None`: not restricted. By the thread's number, as the plugin makes a
new state of Python for each call, and `threading.local` would be empty in each."""
kept: dict[str, tuple[float, frozenset[str]]] = {}
"""Until when, and which labels all studies with a UID carry."""


def groups_of(headers: dict[str, str]) -> frozenset[str] | None:
    """The labels of what a restricted request may read; `None` for one that is not restricted."""
    if headers.get("authorization") != RESTRICTED:
        return None
    if SHARE_HEADER in headers:
        shown = share_links.opened(headers[SHARE_HEADER])
        return frozenset({shown[0]} if shown else ())
    roles = headers.get(ROLES_HEADER, "").split(",")
    return frozenset(it.removeprefix(PREFIX) for it in roles if it.startswith(PREFIX)) & set(SETTINGS["groups"])


def labels_of(identifier: str) -> frozenset[str]:
    """Labels of a study, by Orthanc's own identifier."""
    return frozenset(json.loads(orthanc.RestApiGet(f"/studies/{identifier}/labels")))


def labels_of_uid(study: str) -> frozenset[str]:
    """Labels that every study with this UID carries: there may be two, of two patients."""
    now = time.monotonic()
    until, labels = kept.get(study, (0.0, frozenset()))
    if until < now:
        every = [labels_of(it) for it in found("Study", {"StudyInstanceUID": study})]
        labels = frozenset.intersection(*every) if every else frozenset()
        if len(kept) >= KEPT:
            kept.clear()
        kept[study] = (now + SECONDS, labels)
    return labels


def allowed(method: orthanc.HttpMethod, uri: str, groups: frozenset[str]) -> bool:
    """Whether a restricted request may go on."""
    if SHARES.fullmatch(uri):
        return True
    if method == orthanc.HttpMethod.POST:
        return bool(STORE.fullmatch(uri))
    return method == orthanc.HttpMethod.GET and may_read(uri, groups)


def may_read(uri: str, groups: frozenset[str]) -> bool:
    """Whether a restricted request may read what a path names."""
    if LISTS.fullmatch(uri):
        return True
    if path := READ.fullmatch(uri):
        return bool(labels_of_uid(path[1]) & groups)
    if path := ZIP.fullmatch(uri):
        return bool(labels_of(path[1]) & groups)
    return False


def allowed_by_link(method: orthanc.HttpMethod, uri: str, groups: frozenset[str]) -> bool:
    """Whether a request by a share link may go on; without a group its secret opens nothing."""
    return bool(groups) and method == orthanc.HttpMethod.GET and (uri == OPENED_SHARE or may_read(uri, groups))


def enter(uri: str, **details) -> bool:  # type: ignore[no-untyped-def]
    """Called before each request over HTTP; false refuses it."""
    thread, headers = threading.get_ident(), details["headers"]
    of_threads[thread] = frozenset()
    try:
        groups = groups_of(headers)
        if groups is not None:
            may = allowed_by_link if SHARE_HEADER in headers else allowed
            if not may(details["method"], uri, groups):
                return False
    except orthanc.OrthancException:
        return False
    of_threads[thread] = groups
    return True


def of_this_thread() -> frozenset[str] | None:
    """Groups of the request that this thread works on; `None` if it is not restricted, or no request over HTTP."""
    return of_threads.get(threading.get_ident())


def restrict(body: bytes, headers: dict[str, str]) -> bytes | None:
    """The query that a request to `/tools/find` may make; `None`: it finds nothing."""
    of_thread = of_threads.get(threading.get_ident(), frozenset())
    # Scripts call without headers, in the thread of the request that called them.
    of_headers = groups_of(headers) if "authorization" in headers else of_thread
    restricted = [it for it in (of_thread, of_headers) if it is not None]
    if not restricted:
        return body
    groups = frozenset.intersection(*restricted)
    asked = json.loads(body)
    query = asked.get("Query")
    if not groups or not isinstance(query, dict):
        return None
    if asked.get("Level") == "Study":
        asked["Labels"], asked["LabelsConstraint"] = sorted(groups), "Any"
        return json.dumps(asked).encode()
    studies = [value for tag, value in query.items() if tag.lower() in STUDY_TAGS]
    if asked.get("Level") in ("Series", "Instance") and len(studies) == 1 and re.fullmatch(UID, str(studies[0])):
        return body if labels_of_uid(studies[0]) & groups else None
    return None


def may_store(output, uri: str, **details) -> None:  # type: ignore[no-untyped-def]
    """Whether the request that this thread works on may store into a study; its UID is the body.

    The filter of received instances asks (restricted_stores.lua). A study that is not there yet may be made.
    """
    groups = of_this_thread()
    study = details["body"].decode(errors="replace").strip(" \0") if details.get("body") else ""
    fine = groups is None or (
        bool(groups)
        and bool(re.fullmatch(UID, study))
        and all(labels_of(it) & groups for it in found("Study", {"StudyInstanceUID": study}))
    )
    output.AnswerBuffer("yes" if fine else "no", "text/plain")


orthanc.RegisterIncomingHttpRequestFilter(enter)
orthanc.RegisterRestCallback("/rights/may-store", may_store)
