"""Metadata with all instances, for Orthanc's Python plugin.

The DICOMweb plugin (read: 1.24, `WadoRs.cpp`) leaves an instance out of metadata whenever it fails to read it, answers
200 all the same, and keeps the short list of a series for later requests. So a restart of the database would take
slices out of a series for good. Here metadata in JSON are compared with the index before they are handed on. An
instance that is still left out when every connection to the database was tried has a file that cannot be read: the
others are handed on, and the log says so.
"""

import json

import orthanc  # type: ignore[import-not-found]
from kept_metadata import Kept, answers  # type: ignore[import-not-found]
from restriction import of_this_thread  # type: ignore[import-not-found]
from scripted import found, from_plugin, register  # type: ignore[import-not-found]

KEPT = "4301"
"""Attachment of a series in which the plugin keeps its metadata."""
LEVELS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
ATTEMPTS = 1 + json.loads(orthanc.GetConfiguration())["PostgreSQL"]["IndexConnectionsCount"]
"""Each connection that the database has ended fails once."""
ORIGIN = b"http://localhost:8042/"
"""Of the links in the plugin's answer to a request without headers."""


def query_of(uri: str) -> dict[str, str]:
    """UIDs in a path."""
    # /scripted/studies/1.2/series/3.4/instances/5.6/metadata
    return dict(zip(LEVELS, uri.split("/")[3::2], strict=False))


def complete(uri: str, body: bytes, expected: int) -> tuple[bytes, bool]:
    """The metadata, read again as long as instances are missing in `body`; and whether none is missing then."""
    missing = expected - len(json.loads(body))
    if missing <= 0:
        return body, True
    query = query_of(uri)
    every_series = found("Series", {key: query[key] for key in LEVELS[:2] if key in query})
    for _ in range(ATTEMPTS):
        for series in every_series:
            if KEPT in json.loads(orthanc.RestApiGet(f"/series/{series}/attachments")):
                orthanc.RestApiDelete(f"/series/{series}/attachments/{KEPT}")
        body = from_plugin(uri)
        missing = expected - len(json.loads(body))
        if missing <= 0:
            return body, True
    orthanc.LogWarning(f"{missing} of {expected} instances cannot be read: {uri}")
    return body, False


def read(uri: str, known: bytes | None) -> bytes:
    """Metadata as the plugin has them now, and kept. `known`: those that were compared with the index before."""
    deletions, stores = answers.deletions, answers.stores
    body: bytes = from_plugin(uri)
    if body == known:
        return body
    expected = len(found("Instance", query_of(uri)))
    body, whole = complete(uri, body, expected)
    answers.keep(uri, Kept(body, expected, stores, whole), deletions)
    return body


def metadata(uri: str, request, output) -> bytes:  # type: ignore[no-untyped-def]
    """Metadata of a study, series or instance in DICOM JSON (PS3.18, F)."""
    query = query_of(uri)

    def count() -> int:
        return len(found("Instance", query))

    kept = answers.get(uri, None if len(query) == len(LEVELS) else count)
    # What a restricted user reads passes the check of the query as well, which comes with the plugin's own search.
    if kept is not None and kept.whole and of_this_thread() is None:
        body: bytes = kept.body
    else:
        body = read(uri, None if kept is None else kept.body)
    headers = request["headers"]
    return body.replace(ORIGIN, f"{headers['x-forwarded-proto']}://{headers['host']}/".encode())


register("/studies/[0-9.]+(?:/series/[0-9.]+(?:/instances/[0-9.]+)?)?/metadata", "application/dicom+json", metadata)
