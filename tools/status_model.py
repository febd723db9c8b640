"""What `make status` finds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools import measurements


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole stack. What could not be found out is `None`."""

    stack: str
    parts: Sequence[measurements.Part]
    databases: Sequence[measurements.DatabaseFigures]
    """Of those that answer."""
    disk_free_gb: float | None
    """Of the file system with the archive's files."""
    disk_gb: float | None
    disk_days: float | None
    """Until it is full at the rate at which the archive has grown; `None` without growth or a measurement before."""
    studies: int | None
    instances: int | None
    sessions: int | None
    requests: Mapping[str, int] | None
    """Answers of the gateway in the last minutes (`measurements.LOG_SECONDS`), by class of their status: 2xx to 5xx."""
    failed_sign_ins: int | None
    """In the same minutes."""
    certificate_days: float | None
    """Left; `None` with HTTP."""
    backup_hours: float | None
    """Since the last complete backup began; `None` if there is none."""
    backup_outcome: str | None
    """`ok`, or why the last one failed; `None` if the stack makes none, or has not yet."""
    problems: Sequence[str]
