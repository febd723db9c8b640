"""A study as a ZIP file, for Orthanc's Python plugin.

Orthanc makes the file itself, while it is sent, but knows the study by an identifier of its own only. So the answer is
where the file is (`X-Accel-Redirect`, which nginx follows by itself).
"""

import json

import orthanc  # type: ignore[import-not-found]
from scripted import ROOT  # type: ignore[import-not-found]


def study_zip(output, uri, **request):  # type: ignore[no-untyped-def]
    """Answer `GET /scripted/studies/.../archive`."""
    if request["method"] != "GET":
        output.SendMethodNotAllowed("GET")
        return
    query = {"Level": "Study", "Query": {"StudyInstanceUID": uri.split("/")[3]}}
    found = json.loads(orthanc.RestApiPost("/tools/find", json.dumps(query)))
    if len(found) != 1:
        output.SendHttpStatusCode(404)
        return
    output.SetHttpHeader("X-Accel-Redirect", f"/_archive/studies/{found[0]}/archive")
    output.AnswerBuffer("", "application/zip")


orthanc.RegisterRestCallback(f"{ROOT}/studies/[0-9.]+/archive", study_zip)
