"""The script that Orthanc's Python plugin loads. Each module registers its own callbacks."""

from pathlib import Path

import metadata  # type: ignore[import-not-found]  # noqa: F401
import search  # type: ignore[import-not-found]  # noqa: F401
import single_part  # type: ignore[import-not-found]  # noqa: F401
import study_zip  # type: ignore[import-not-found]  # noqa: F401

if Path("/etc/orthanc-rights.json").exists():
    import labels  # type: ignore[import-not-found]  # noqa: F401
