"""Which container images to use: the program's table, with the machine's and the stack's own over it."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from images import DEFAULT_IMAGES, Image
from settings import reading
from settings.reading import ConfigurationError


def images(config: pulumi.Config) -> Mapping[str, Image]:
    table = dict(DEFAULT_IMAGES)
    machine = os.environ.get("OHIF_IMAGES")
    if machine:
        try:
            entries = json.loads(Path(machine).read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError("images", f"OHIF_IMAGES={machine} cannot be read: {error}") from error
        table |= _named_images(f"OHIF_IMAGES={machine}", entries)
    return table | _named_images("images", reading.entries(config, "images"))


def _named_images(key: str, entries: object) -> dict[str, Image]:
    if not isinstance(entries, dict):
        raise ConfigurationError(key, "must be a map from names to images.")
    named = {}
    for name, entry in entries.items():
        if name not in DEFAULT_IMAGES:
            raise ConfigurationError(key, f"{name!r} is not one of {', '.join(DEFAULT_IMAGES)}.")
        fields = {"name": entry} if isinstance(entry, str) else entry
        where = f"{key}.{name}"
        reading.refuse_fields(where, fields, frozenset({"name", "optimized"}))
        reference, optimized = reading.text(where, fields, "name"), fields.get("optimized", False)
        if reference is None or not isinstance(optimized, bool):
            raise ConfigurationError(where, "must be an image's name, or a map of name and optimized (true or false).")
        named[name] = replace(DEFAULT_IMAGES[name], name=reference, optimized=optimized)
    return named
