"""How a running stack is: `python -m tools.status --stack prod [--json] [--textfile FILE]`.

Exit code 0 if all is well, 1 if something needs attention, 2 if that is unknown. It reads only: the engine of the
stack's machine, the archive's own statistics, the certificate that is served.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bootstrap.console import UserError, print_error, print_line
from tools import left_volumes, measurements, preflight, prometheus, recovery
from tools.backup import last_backup
from tools.pulumi_run import Pulumi, copy_config
from tools.stack_state import outputs_of, read_deployment
from tools.status_model import Status

GB = 10**9
CERTIFICATE_DAYS = 14
"""Left, below which the certificate needs attention: certbot renews with 30 days left."""
CONNECTIONS_SHARE = 0.9
"""In use, above which a database needs attention."""
DISK_SHARE, DISK_DAYS = 0.1, 14
"""Free, below which the disk needs attention, and days after which it would be full."""
SESSIONS = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/valkey/valkey.conf) valkey-cli dbsize"


def measured(pulumi: Pulumi) -> Status:
    """The status of a stack. Raises UserError if its engine cannot be asked."""
    deployment = read_deployment(pulumi)
    engine = recovery.connect(pulumi, deployment)
    containers = preflight.find(engine, pulumi.stack).containers if engine else []
    if not engine or not containers:
        raise UserError(f"stack {pulumi.stack}: nothing of it exists", "make up starts it.")
    with ThreadPoolExecutor() as pool:
        parts = sorted(
            pool.map(lambda it: measurements.part(engine, it, pulumi.stack), containers), key=lambda it: it.name
        )
    named = {name: it for name, it in preflight.by_alias(engine, pulumi.stack).items() if it.status == "running"}
    archive, store, backup = (named.get(it) for it in ("orthanc", "sessions", "backup"))
    hours, outcome = last_backup(backup)
    figures = (
        measurements.database(name, it)
        for name, it in sorted(named.items())
        if name.endswith(measurements.DATABASE_SUFFIX)
    )
    statistics = measurements.statistics(archive)
    disk, free = measurements.disk(archive)
    # What is stored in a bucket fills no disk.
    in_bucket = (left_volumes.place(deployment, "files") or "").startswith("https:")
    stored = None if in_bucket else statistics.get("TotalDiskSize")
    days = None if free is None or stored is None else measurements.days_left(pulumi.stack, int(stored), free)
    url = outputs_of(deployment).get("viewerUrl", "")
    status = Status(
        stack=pulumi.stack,
        parts=parts,
        databases=[it for it in figures if it],
        disk_free_gb=None if free is None else round(free / GB, 1),
        disk_gb=None if disk is None else round(disk / GB, 1),
        disk_days=days,
        studies=statistics.get("CountStudies"),
        instances=statistics.get("CountInstances"),
        sessions=measurements.number(measurements.output(store, ["sh", "-c", SESSIONS])),
        requests=measurements.requests(named.get("gateway")),
        failed_sign_ins=measurements.failed_sign_ins(named.get("keycloak")),
        certificate_days=measurements.certificate_days(url),
        backup_hours=hours,
        backup_outcome=outcome,
        problems=(),
    )
    return dataclasses.replace(status, problems=list(problems(status)))


def problems(status: Status) -> Iterable[str]:
    """What needs attention, in words."""
    for it in status.parts:
        if it.state not in ("healthy", "running"):
            yield f"{it.name} is {it.state}"
        if it.memory_limit_mib and it.memory_mib > 0.95 * it.memory_limit_mib:
            yield f"{it.name} uses {it.memory_mib} of {it.memory_limit_mib} MiB"
    for database in status.databases:
        if database.connections > CONNECTIONS_SHARE * database.connections_limit:
            yield f"{database.name} has {database.connections} of {database.connections_limit} connections"
    if status.backup_outcome not in (None, "ok"):
        yield f"the last backup failed: {status.backup_outcome}"
    if status.certificate_days is not None and status.certificate_days < CERTIFICATE_DAYS:
        yield f"the certificate ends in {status.certificate_days:.0f} days"
    if status.disk_free_gb is not None and status.disk_gb and status.disk_free_gb < DISK_SHARE * status.disk_gb:
        yield f"{status.disk_free_gb} GB of {status.disk_gb} GB are free"
    if status.disk_days is not None and status.disk_days < DISK_DAYS:
        yield f"the disk is full in {status.disk_days:.0f} days, if the archive goes on growing as it did"


def shown(status: Status) -> str:
    """The status as text for people."""
    width = max(len(it.name) for it in status.parts)
    lines = [f"Stack {status.stack}"]
    for it in status.parts:
        restarts = f"  {it.restarts} restarts" if it.restarts else ""
        memory = f"{it.memory_mib:5} of {it.memory_limit_mib:5} MiB"
        lines.append(f"  {it.name:{width}}  {it.state:9}  {memory}  {it.version}{restarts}")
    facts = {
        "studies": status.studies,
        "instances": status.instances,
        **{it.name: _database(it) for it in status.databases},
        "sessions": status.sessions,
        f"requests, {measurements.LOG_SECONDS // 60} minutes": None
        if status.requests is None
        else ", ".join(f"{count} {kind}" for kind, count in status.requests.items() if count) or "none",
        "failed sign-ins": status.failed_sign_ins or None,
        "disk": None if status.disk_gb is None else f"{status.disk_free_gb} of {status.disk_gb} GB free",
        "disk full in": None if status.disk_days is None else f"{status.disk_days:.0f} days at this rate",
        "last backup": None if status.backup_hours is None else f"{status.backup_hours:.0f} hours ago",
        "certificate": None if status.certificate_days is None else f"{status.certificate_days:.0f} days left",
    }
    lines += [f"  {name}: {value}" for name, value in facts.items() if value is not None]
    lines += [f"  attention: {it}" for it in status.problems] or ["  all is well"]
    return "\n".join(lines)


def _database(figures: measurements.DatabaseFigures) -> str:
    hits = "" if figures.cache_hits is None else f", {figures.cache_hits:.0%} of reads from memory"
    return (
        f"{figures.size_bytes / measurements.MIB:.0f} MiB, {figures.connections} of {figures.connections_limit} "
        f"connections{hits}"
    )


def _write(status: Status, file: Path) -> None:
    try:
        prometheus.write(status, file)
    except OSError as error:
        raise UserError(
            f"metrics: {file} cannot be written: {error.strerror}", "Name a file in a folder that exists."
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, 1 or 2, as a monitor's check does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--textfile", type=Path, help="write metrics for Prometheus here, and print nothing")
    arguments = parser.parse_args(argv)
    try:
        status = measured(Pulumi(arguments.stack, copy_config(arguments.config_file)))
        if arguments.textfile:
            _write(status, arguments.textfile)
            return 0
    except UserError as error:
        print_error(error)
        return 2
    print_line(json.dumps(dataclasses.asdict(status), indent=2) if arguments.json else shown(status))
    return 1 if status.problems else 0


if __name__ == "__main__":
    sys.exit(main())
