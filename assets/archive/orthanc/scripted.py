"""What the scripts that answer in place of Orthanc's DICOMweb plugin share. The gateway sends their requests here."""

import json

import orthanc  # type: ignore[import-not-found]

ROOT = "/scripted"
DICOMWEB_ROOT = "/dicom-web"
ABSENT = (orthanc.ErrorCode.UNKNOWN_RESOURCE, orthanc.ErrorCode.INEXISTENT_ITEM)


def from_plugin(uri: str) -> bytes:
    """The plugin's own answer to a request that came in below `ROOT`."""
    answer: bytes = orthanc.RestApiGetAfterPlugins(DICOMWEB_ROOT + uri.removeprefix(ROOT))
    return answer


def found(level: str, query: dict[str, str]) -> list[str]:
    """Orthanc's identifiers of what the index holds."""
    identifiers: list[str] = json.loads(
        orthanc.RestApiPost("/tools/find", json.dumps({"Level": level, "Query": query}))
    )
    return identifiers


def register(pattern: str, kind: str, answer) -> None:  # type: ignore[no-untyped-def]
    """Answer `GET` below `ROOT` with `answer(uri, request, output)`, of the media type `kind`.

    404 for what is not there, which an answer may say by `None`, and 503 for any other failure, after which the gateway
    asks again. An exception that is raised out of a callback would keep the memory of its frames.
    """

    def callback(output, uri, **request):  # type: ignore[no-untyped-def]
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
            return
        try:
            body = answer(uri, request, output)
            if body is None:
                output.SendHttpStatusCode(404)
            else:
                output.AnswerBuffer(body, kind)
        except orthanc.OrthancException as error:
            output.SendHttpStatusCode(404 if error.args[0] in ABSENT else 503)

    orthanc.RegisterRestCallback(ROOT + pattern, callback)
