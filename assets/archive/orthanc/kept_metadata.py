"""Metadata that were answered before, kept in memory, for Orthanc's Python plugin.

An instance never changes here (`OverwriteInstances` is off), so its metadata are good until it is deleted: at the first
deletion of anything, all are forgotten. Those of a series or a study are good as long as no instance was stored at all;
after one was, they are good if the series or study has as many instances as before. Deletions and stores are reported
a moment later (changes.py), so for that moment an answer may be as it was before.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import changes  # type: ignore[import-not-found]
import orthanc  # type: ignore[import-not-found]

MIB = 1024 * 1024
MAXIMUM = json.loads(orthanc.GetConfiguration())["MaximumStorageCacheSize"] * MIB // 4
"""Bytes of all that is kept. The configured number is an eighth of the container's memory (orthanc_config.py)."""


@dataclass
class Kept:
    """One answer."""

    body: bytes
    instances: int
    stores: int
    """How many stores there had been when it was known to be good."""
    whole: bool
    """Whether no instance is missing. Otherwise it is compared with, and not answered again by itself."""


class Answers:
    """Answers by their paths, the longest unused of which goes first."""

    def __init__(self) -> None:
        self.stores = self.deletions = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._size = 0

    def get(self, path: str, count: Callable[[], int] | None) -> Kept | None:
        """An answer that is still good. `count` counts the instances now; `None`: an instance's own metadata."""
        with self._lock:
            kept = self._kept.get(path)
            if kept is None:
                return None
            self._kept.move_to_end(path)
        stores = self.stores
        if count is not None and kept.stores != stores:
            if count() != kept.instances:
                return None
            kept.stores = stores
        return kept

    def keep(self, path: str, kept: Kept, deletions: int) -> None:
        """Keep an answer, unless something was deleted since it was asked for."""
        with self._lock:
            if deletions != self.deletions or len(kept.body) > MAXIMUM // 8:
                return
            old = self._kept.pop(path, None)
            self._kept[path] = kept
            self._size += len(kept.body) - (len(old.body) if old else 0)
            while self._size > MAXIMUM:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest.body)

    def stored(self) -> None:
        """An instance was stored."""
        self.stores += 1

    def deleted(self) -> None:
        """Something was deleted."""
        with self._lock:
            self.deletions += 1
            self._kept.clear()
            self._size = 0


answers = Answers()


def _changed(change: object, level: object, resource: str) -> None:
    if change == orthanc.ChangeType.NEW_INSTANCE:
        answers.stored()
    elif change == orthanc.ChangeType.DELETED:
        answers.deleted()


changes.on_change(_changed)
