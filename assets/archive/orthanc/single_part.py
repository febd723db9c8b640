"""Bulk data as a single part, for Orthanc's Python plugin.

PS3.18, 8.7.3 lets a client ask for a value as it is (`Accept: application/octet-stream`), and OHIF asks so for the
traces of an ECG. Orthanc's DICOMweb plugin answers in multipart/related only.
"""

from scripted import from_plugin, register  # type: ignore[import-not-found]


def only_part(body: bytes) -> bytes:
    """The content of a multipart body that has one part (RFC 2046, 5.1)."""
    boundary, _, _ = body.partition(b"\r\n")
    start = body.index(b"\r\n\r\n") + 4
    return body[start : body.rindex(b"\r\n" + boundary)]


def bulk(uri: str, request: object, output: object) -> bytes:
    """A value by itself."""
    return only_part(from_plugin(uri))


register("/studies/[0-9.]+/series/[0-9.]+/instances/[0-9.]+/bulk/[0-9a-fA-F/]+", "application/octet-stream", bulk)
