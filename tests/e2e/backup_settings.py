"""Settings of backups for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def backup_to(repository: str, **access: str) -> dict[str, object]:
    """After the first one, the next that nobody asks for is half a day away."""
    return {"repository": repository, "times": [f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}"], **access}
