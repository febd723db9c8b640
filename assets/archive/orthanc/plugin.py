"""The script that Orthanc's Python plugin loads. Each module registers its own callbacks."""

import json
from pathlib import Path

import metadata  # type: ignore[import-not-found]  # noqa: F401
import search  # type: ignore[import-not-found]  # noqa: F401
import single_part  # type: ignore[import-not-found]  # noqa: F401
import study_zip  # type: ignore[import-not-found]  # noqa: F401

rights = Path("/etc/orthanc-rights.json")
if rights.exists():
    settings = json.loads(rights.read_text())
    if settings["groups"]:
        import labels  # type: ignore[import-not-found]  # noqa: F401
    if settings["shareDays"]:
        import shares  # type: ignore[import-not-found]  # noqa: F401
