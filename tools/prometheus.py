"""The status of a stack as metrics, in the text format of Prometheus.

The program opens no port for them: `make status ARGS="--textfile FILE"` writes them where the textfile collector of
node_exporter, which a monitored machine usually has, picks them up. assets/monitoring/ has alerting rules and a
dashboard for them.
"""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from tools.measurements import LOG_SECONDS, MIB
from tools.status_model import Status

GB = 10**9
HOUR = 3600


def registry(status: Status, now: float | None = None) -> CollectorRegistry:
    """The metrics of a status. What could not be found out is left out."""
    made = CollectorRegistry()

    def gauge(name: str, help_text: str, value: float | None, **labels: str) -> None:
        if value is None:
            return
        known = gauges.get(name) or Gauge(f"ohif_{name}", help_text, ["stack", *labels], registry=made)
        gauges[name] = known
        known.labels(stack=status.stack, **labels).set(value)

    gauges: dict[str, Gauge] = {}
    gauge("status_time_seconds", "When the status was found out, in seconds since 1970.", now or time.time())
    for it in status.parts:
        up = it.state in ("healthy", "running")
        gauge("part_up", "1 if the container runs and is healthy.", up, part=it.name, version=it.version)
        gauge("part_restarts", "Restarts of the container by the engine since it was made.", it.restarts, part=it.name)
        gauge("part_memory_bytes", "Memory of the container, without its cache.", it.memory_mib * MIB, part=it.name)
        limit = it.memory_limit_mib * MIB
        gauge("part_memory_limit_bytes", "Memory that the container may use; 0: no limit.", limit, part=it.name)
    for database in status.databases:
        name = {"database": database.name}
        gauge("database_size_bytes", "Size of the database.", database.size_bytes, **name)
        gauge("database_connections", "Connections to it.", database.connections, **name)
        gauge("database_connections_limit", "Connections that it accepts.", database.connections_limit, **name)
        gauge("database_cache_hits", "Share of blocks read from its memory.", database.cache_hits, **name)
    gauge("disk_size_bytes", "Size of the file system with the archive's files.", _times(status.disk_gb, GB))
    gauge("disk_free_bytes", "Free space of it.", _times(status.disk_free_gb, GB))
    gauge("studies", "Studies in the archive.", status.studies)
    gauge("instances", "Instances in the archive.", status.instances)
    gauge("sessions", "Sessions that oauth2-proxy keeps.", status.sessions)
    gauge("certificate_days", "Days for which the served certificate is still valid.", status.certificate_days)
    gauge("backup_age_seconds", "Time since the last complete backup.", _times(status.backup_hours, HOUR))
    if status.backup_outcome is not None:
        gauge("backup_failed", "1 if the last backup failed.", status.backup_outcome != "ok")
    span = f"in the {LOG_SECONDS} seconds before the status"
    for kind, count in (status.requests or {}).items():
        gauge("recent_requests", f"Requests that the gateway answered {span}.", count, status=kind)
    gauge("recent_failed_sign_ins", f"Failed sign-ins {span}.", status.failed_sign_ins)
    return made


def write(status: Status, file: Path) -> None:
    """Write the metrics of a status, in one step, so that nobody reads half of it. Raises OSError."""
    write_to_textfile(str(file), registry(status))


def _times(value: float | None, unit: int) -> float | None:
    return None if value is None else value * unit
