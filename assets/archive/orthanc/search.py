"""Searches by one value that holds a comma, for Orthanc's Python plugin.

Orthanc's DICOMweb plugin takes every comma in a query for a list and passes it on as a backslash, so that a search for
the patient ID `A,B` also finds the patients `A` and `B`. PS3.18 has lists for UIDs only. A patient ID, a name and other
text may hold a comma, and cannot hold a backslash: there it is the comma again. Codes, dates and UIDs stay lists.
"""

import json
from functools import lru_cache

import orthanc  # type: ignore[import-not-found]
from restriction import restrict  # type: ignore[import-not-found]

FIND = "/tools/find"
TEXT = frozenset(
    getattr(orthanc.ValueRepresentation, name)
    for name in ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
    if hasattr(orthanc.ValueRepresentation, name)
)


@lru_cache(maxsize=1024)
def is_text(tag: str) -> bool:
    """Whether the values of a tag, as Orthanc's query names it, may hold a comma."""
    try:
        return orthanc.LookupDictionary(tag)["ValueRepresentation"] in TEXT
    except orthanc.OrthancException:
        return False


def without_lists_of_text(body: bytes) -> bytes:
    """The query with one value for each text attribute."""
    if b"\\" not in body:
        return body
    request = json.loads(body)
    query = request.get("Query")
    if not isinstance(query, dict):
        return body
    for tag, value in query.items():
        if isinstance(value, str) and is_text(tag):
            query[tag] = value.replace("\\", ",")
    return json.dumps(request).encode()


def find(output, uri, **request):  # type: ignore[no-untyped-def]
    """Answer `POST /tools/find`, which the DICOMweb plugin calls too."""
    if request["method"] != "POST":
        output.SendMethodNotAllowed("POST")
        return
    body = restrict(without_lists_of_text(request["body"]), request.get("headers", {}))
    output.AnswerBuffer(b"[]" if body is None else orthanc.RestApiPost(FIND, body), "application/json")


orthanc.RegisterRestCallback(FIND, find)
