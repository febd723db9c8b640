"""Who takes the lines of containers."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class LogDriver:
    """What takes the lines of containers, besides Docker."""

    port: int
    """UDP port of the engine's machine, on its loopback address."""
    shipper: pulumi.Resource
    """Listens there."""


def log_options(driver: LogDriver | None, alias: str) -> tuple[str, Mapping[str, str]]:
    """Docker's log driver and its options: how much it keeps of a container's lines, and where else it hands them.

    Source: Docker's documentation, "JSON File logging driver", "Syslog logging driver", "Use docker logs with remote
    logging drivers". By UDP a container starts, runs and stops whether or not anybody listens.
    """
    if driver is None:
        return "json-file", {"max-size": "20m", "max-file": "5"}
    return "syslog", {
        "syslog-address": f"udp://127.0.0.1:{driver.port}",
        "syslog-format": "rfc5424micro",
        "tag": alias,
        "cache-max-size": "20m",
        "cache-max-file": "5",
    }
