"""Pins every image of the program, and of a stack, to what its registry gives today.

Asks the registries through the Docker engine, with the engine's own logins and proxies, and writes `images.lock.json`
next to images.py. A digest of an index of several architectures is taken as such, so it holds on every machine. Nothing
is pulled. Names that hold a digest already are left alone, and so are images that were built on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import ROOT
from images import DEFAULT_IMAGES, LOCK

STEP = "pin"


def names(configuration: Path | None) -> list[str]:
    """Names without a digest: those of images.py, those of a stack's `ohif:images` in their place."""
    table = {key: image.name for key, image in DEFAULT_IMAGES.items()}
    if configuration and configuration.exists():
        given = (yaml.safe_load(configuration.read_text()) or {}).get("config", {}).get("ohif:images") or {}
        table |= {key: entry if isinstance(entry, str) else entry["name"] for key, entry in given.items()}
    return sorted({name for name in table.values() if "@" not in name})


def resolved(wanted: Iterable[str], digest: Callable[[str], str]) -> dict[str, str]:
    """Digests by name.

    Raises:
        UserError: a registry does not give one.
    """
    found = {}
    for name in wanted:
        try:
            found[name] = digest(name)
        except Exception as error:
            reason = getattr(error, "explanation", None) or str(error)
            raise UserError(
                f"{STEP}: the registry does not give the digest of {name}: {reason}",
                "Nothing was written. Check name, network and `docker login`, then run again.",
            ) from error
        print_line(f"  {STEP}: {name} is {found[name]}")
    return found


def from_registry(name: str) -> str:
    """The digest that a registry has for a name today."""
    import docker

    client: Any = docker.from_env()
    digest: str = client.images.get_registry_data(name).id
    return digest


def write(digests: Mapping[str, str], path: Path = LOCK) -> list[str]:
    """Add digests to the file; returns the names that had another one before."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **digests}, indent=2, sort_keys=True) + "\n")
    return [name for name, digest in digests.items() if known.get(name, digest) != digest]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Pin all images to their digests of today.")
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        digests = resolved(names(chosen.config_file or ROOT / f"Pulumi.{chosen.stack}.yaml"), from_registry)
        changed = write(digests)
    except UserError as problem:
        print_error(problem)
        return 1
    for name in changed:
        print_line(f"  {STEP}: {name} had another digest before: its tag was moved. Find out why before you go on.")
    print_line(f"  {STEP}: {len(digests)} images in {LOCK.name}; commit it, then `make up`")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
