"""Progress of an update, from the events of Pulumi's engine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.console import clock, print_line
from tools.pulumi_errors import NOISE

QUIET_SECONDS = 10.0
SHOWN_SECONDS = 2.0
"""Operations that took less are not printed."""
WORDS = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "replaced",
    "import": "imported",
}


@dataclass
class Changes:
    """Counts of changed resources, and errors, from the events of the engine."""

    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether any resource was changed."""
        return any(count for word, count in self.counts.items() if word not in ("same", "read"))

    @property
    def summary(self) -> str:
        """Such as `31 created, 2 replaced`."""
        merged: dict[str, int] = {}
        for operation, count in self.counts.items():
            word = WORDS.get(operation)
            if word and count:
                merged[word] = max(merged.get(word, 0), count)
        return ", ".join(f"{count} {word}" for word, count in merged.items())


class Progress:
    """Prints a line for each slow operation, and for those that are still running."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._running: dict[str, float] = {}
        self._started = self._last_line = time.monotonic()

    def take(self, event: Mapping[str, Any]) -> None:
        """Handle one event."""
        now = time.monotonic()
        if step := event.get("resourcePreEvent"):
            if self._is_work(step["metadata"]):
                self._running[step["metadata"]["urn"]] = now
        elif step := event.get("resOutputsEvent"):
            meta = step["metadata"]
            started = self._running.pop(meta["urn"], None)
            if started is not None and (now - started >= SHOWN_SECONDS):
                self._line(f"    {WORDS[meta['op']]:8} {title(meta['urn'])}  {now - started:.0f} s")
        elif step := event.get("resOpFailedEvent"):
            self._running.pop(step["metadata"]["urn"], None)
        elif message := event.get("diagnosticEvent"):
            text = message["message"].strip()
            if message["severity"] == "error" and text:
                self._changes.errors.append(f"{title(message['urn'])}: {text}" if message.get("urn") else text)
            elif message["severity"] == "warning" and not NOISE.search(text):
                self._line(f"    warning: {text}")
        elif summary := event.get("summaryEvent"):
            self._changes.counts.update(summary.get("resourceChanges") or {})

    def tick(self) -> None:
        """Print the running operations if nothing has been printed for a while."""
        now = time.monotonic()
        interval = QUIET_SECONDS if now - self._started < 6 * QUIET_SECONDS else 3 * QUIET_SECONDS
        if self._running and now - self._last_line >= interval:
            waiting = sorted(self._running, key=self._running.__getitem__)
            more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
            names = ", ".join(title(urn) for urn in waiting[:3])
            self._line(f"    {clock(now - self._running[waiting[0]])}  waiting for {names}{more}")

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print_line(text)

    @staticmethod
    def _is_work(meta: Mapping[str, Any]) -> bool:
        # Components have no provider. They last as long as their children, which are printed themselves.
        return meta["op"] in WORDS and bool(meta.get("provider"))


def title(urn: str) -> str:
    """The name of a resource, from its URN."""
    return urn.rpartition("::")[2]
