"""What changes in Orthanc, for all scripts: its Python plugin takes one callback.

Orthanc reports a change a moment after it happened, in a thread of its own.
"""

from collections.abc import Callable

import orthanc  # type: ignore[import-not-found]

Changed = Callable[[object, object, str], None]
"""Takes the kind of change, the level of what changed, and Orthanc's own identifier of it."""

callbacks: list[Changed] = []


def on_change(callback: Changed) -> None:
    """Call this for each change."""
    callbacks.append(callback)


def changed(change: object, level: object, resource: str) -> None:
    """Called by Orthanc."""
    for callback in callbacks:
        callback(change, level, resource)


orthanc.RegisterOnChangeCallback(changed)
