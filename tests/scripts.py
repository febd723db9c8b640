"""Scripts of containers, loaded as modules, and programs that stand in for those they call."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def load(path: str) -> ModuleType:
    """A script below assets/ as a fresh module; it reads its environment now, and may import what lies next to it."""
    folder = str((ASSETS / path).parent)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(Path(path).stem, ASSETS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(folder: Path, name: str, script: str) -> Path:
    """A program in `folder`, written in sh."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file
