"""Orthanc's own API, asked inside its container with the gateway's credential: no port leads to it."""

from __future__ import annotations

import json
from typing import Any

from docker.models.containers import Container

from components.archive.orthanc import AUTHORIZATION_FILE
from components.archive.orthanc_config import PORT
from tools.container_exec import run

SCRIPT = (
    'exec 3<>"/dev/tcp/127.0.0.1/$0" && '
    'printf "%s %s HTTP/1.0\\r\\nAuthorization: %s\\r\\n" "$2" "$3" "$(<"$1")" >&3 && '
    'printf "Content-Length: %s\\r\\n\\r\\n" "$4" >&3 && cat >&3 && cat <&3'
)
"""For bash: port, file with the credential, method, path, length of the body, which is the standard input."""


def ask(archive: Container, method: str, path: str, body: object = None) -> Any:
    """The answer, read as JSON; an empty one is `{}`, and `None` means that it was not 200. `body` is sent as JSON.

    Raises docker.errors.APIError if the container does not run.
    """
    content = b"" if body is None else json.dumps(body).encode()
    command = ["/bin/bash", "-c", SCRIPT, str(PORT), AUTHORIZATION_FILE, method, path, str(len(content))]
    answer = run(archive, command, content).standard_output
    head, _, text = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"200"]:
        return None
    try:
        return json.loads(text or b"{}")
    except ValueError:
        return None
