"""A study as a ZIP file, for Orthanc's Python plugin.

Orthanc makes the file itself, while it is sent, but knows the study by an identifier of its own only. So the answer is
where the file is (`X-Accel-Redirect`, which nginx follows by itself).
"""

from scripted import found, register  # type: ignore[import-not-found]


def study_zip(uri: str, request: object, output) -> bytes | None:  # type: ignore[no-untyped-def]
    """Where the ZIP file of the study in `/scripted/studies/.../archive` is."""
    studies = found("Study", {"StudyInstanceUID": uri.split("/")[3]})
    if len(studies) != 1:
        return None
    output.SetHttpHeader("X-Accel-Redirect", f"/_archive/studies/{studies[0]}/archive")
    return b""


register("/studies/[0-9.]+/archive", "application/zip", study_zip)
