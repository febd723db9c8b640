"""Durations as Go writes them, which is how the official plugins take and show them."""

from __future__ import annotations

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """A duration such as `1m30s`; raises ValueError when it is none."""
    parts = _PART.findall(text)
    if not text or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration such as 1m30s: {text!r}")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def is_duration(text: str) -> bool:
    """Whether the text is a duration."""
    try:
        nanoseconds(text)
    except ValueError:
        return False
    return True


def go_duration(value: int) -> str:
    """Nanoseconds as Go prints them: `1m0s`, `1h0m5s`, `500ms`."""
    if value == 0:
        return "0s"
    if value < 10**9:
        unit = next(unit for unit in ("ms", "µs", "ns") if value >= _UNITS[unit])
        return f"{value / _UNITS[unit]:g}{unit}"
    minutes, rest = divmod(value, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 10**9:.9f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + text
