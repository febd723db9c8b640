"""What the Python plugin loads where a bucket is configured: the storage, then the script of the configuration."""

import importlib
import json
import sys
from pathlib import Path

import bucket_storage  # type: ignore[import-not-found]
import orthanc  # type: ignore[import-not-found]

settings = json.loads(orthanc.GetConfiguration())
bucket_storage.register(settings)
script = settings.get("StandInScript")
if script:
    sys.path.insert(0, str(Path(script).parent))
    importlib.import_module(Path(script).stem)
