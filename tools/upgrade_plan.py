"""What an upgrade changes, and the configuration with which it goes back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisories import ADVISORIES
from names import PROJECT, SERVER_PLACE
from settings.images import READS_NEWER
from tools.backup import Snapshot
from tools.pulumi_run import Pulumi, changed_config
from tools.stack_state import read_with_secrets
from tools.versions import Move


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an upgrade changes."""

    moves: Sequence[Move]
    places: Mapping[str, str]
    """Where data move to from the stack's own volumes (names.py), by the key of the setting that says so."""
    older: Snapshot | None
    """Backup that takes the place of the data, to go back to older versions; `None`: the one that the upgrade makes."""

    @property
    def begins_empty(self) -> bool:
        """Whether the databases begin empty where they are, and are restored."""
        return "database" not in self.places and (self.older is not None or any(it.through_backup for it in self.moves))

    @property
    def restores(self) -> bool:
        """Whether the data are made from the backup."""
        return self.begins_empty or bool(self.places)

    @property
    def changes_data(self) -> bool:
        """Whether the new images may change the data in a way that the former ones do not read."""
        return "database" not in self.places and any(it.key in READS_NEWER for it in self.moves)


def wanted_places(pulumi: Pulumi, config: Mapping[str, Any]) -> Mapping[str, str]:
    """Where the configuration wants data that are not on volumes of the stack, by the key of the setting."""
    server = read_with_secrets(pulumi, "database")
    named = {"database": SERVER_PLACE if server else None, "files": (config["files"] or {}).get("path")}
    return {key: str(place) for key, place in named.items() if place}


def with_images(pulumi: Pulumi, images: Mapping[str, str], *, own: Iterable[str] = ()) -> Pulumi:
    """The same stack with these images, by key, whatever is known against them, and own volumes for these settings."""

    def change(config: dict[str, Any]) -> None:
        for key in own:
            config.pop(f"{PROJECT}:{key}", None)
        entries = config.setdefault(f"{PROJECT}:images", {})
        for key, name in images.items():
            accepted = [it.identifier for it in ADVISORIES if it.image == key and it.concerns(name)]
            entries[key] = {"name": name, "accept": accepted, "optimized": _optimized(name)}

    return changed_config(pulumi, "former", change)


def _optimized(name: str) -> bool:
    """Whether the table of this machine's images says so. An image that is not used so starts slower."""
    table = os.environ.get("OHIF_IMAGES")
    entries = json.loads(Path(table).read_text()) if table else {}
    return any(it.get("optimized", False) for it in entries.values() if it["name"] == name)
