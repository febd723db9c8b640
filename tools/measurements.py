"""What a running stack says of itself: its containers, the archive, the disk and the certificate."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
from cryptography import x509
from docker.models.containers import Container

from bootstrap.paths import STATE
from components.archive.orthanc import STORAGE_PATH
from names import PROJECT, docker_name
from tools import archive_api

MIB = 1024**2
DAY = 86400
DATABASE_SUFFIX = "-db"
"""Of the aliases of databases; before it is the name of role and database."""
FAILED_SIGN_IN = 'type="LOGIN_ERROR"'
HISTORY_DAYS = 30
"""How far back the growth of the archive is measured."""
LOG_SECONDS = 300
"""How far back requests and sign-ins are counted."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One container."""

    name: str
    state: str
    """Docker's health, or its state where there is no check."""
    version: str
    memory_mib: int
    memory_limit_mib: int
    restarts: int
    """Since it was made, without those by hand."""


@dataclass(frozen=True, kw_only=True)
class DatabaseFigures:
    """What PostgreSQL says of one service's database (its documentation, "The Cumulative Statistics System")."""

    name: str
    """Alias of its container."""
    size_bytes: int
    connections: int
    connections_limit: int
    cache_hits: float | None
    """Share of blocks that were in its memory, since its start; `None` before it has read any."""


FIGURES = """
SELECT pg_database_size(datname), numbackends, current_setting('max_connections'), blks_hit, blks_read
FROM pg_stat_database WHERE datname = current_database()
"""


def database(name: str, container: Container) -> DatabaseFigures | None:
    """Figures of a database; `None` if it does not answer."""
    owner = name.removesuffix(DATABASE_SUFFIX)
    text = output(container, ["psql", "--no-psqlrc", "-At", "-F", " ", "-U", owner, "-d", owner, "-c", FIGURES])
    try:
        size, connections, limit, hit, read = map(int, text.split())
    except ValueError:
        return None
    return DatabaseFigures(
        name=name,
        size_bytes=size,
        connections=connections,
        connections_limit=limit,
        cache_hits=hit / (hit + read) if hit + read else None,
    )


def part(engine: docker.DockerClient, container: Container, stack: str) -> Part:
    """What the engine knows of a container."""
    state = container.attrs["State"]
    running = container.status == "running"
    statistics_now: Any = container.stats(stream=False, one_shot=True) if running else {}
    usage = statistics_now.get("memory_stats", {})
    cache = usage.get("stats", {}).get("inactive_file", 0)
    return Part(
        name=str(container.name).removeprefix(docker_name(PROJECT, stack, "")),
        state=state.get("Health", {}).get("Status") or str(container.status) if running else str(container.status),
        version=_version(engine, str(container.attrs["Image"])),
        memory_mib=round((usage.get("usage", 0) - cache) / MIB),
        memory_limit_mib=round(container.attrs["HostConfig"]["Memory"] / MIB),
        restarts=int(container.attrs["RestartCount"]),
    )


def _version(engine: docker.DockerClient, image: str) -> str:
    try:
        found = engine.images.get(image)
    except docker.errors.ImageNotFound:
        return "its image was removed"
    labels = found.labels or {}
    tag = next(iter(found.tags), "").rpartition(":")[2]
    return labels.get("org.opencontainers.image.version") or tag or found.short_id.removeprefix("sha256:")


def output(container: Container | None, command: Sequence[str]) -> str:
    """What a command in a container prints; empty if it cannot be run or fails."""
    if container is None:
        return ""
    try:
        code, output = container.exec_run(list(command))
    except docker.errors.APIError:
        return ""
    return output.decode(errors="replace") if code == 0 and isinstance(output, bytes) else ""


def number(text: str) -> int | None:
    digits = "".join(filter(str.isdigit, text))
    return int(digits) if digits else None


def statistics(archive: Container | None) -> dict[str, int]:
    """Orthanc's `/statistics`; empty for another archive, or if it does not answer."""
    try:
        found = archive_api.ask(archive, "GET", "/statistics") if archive else None
        return {name: int(value) for name, value in (found or {}).items()}
    except (ValueError, docker.errors.APIError):
        return {}


def disk(archive: Container | None) -> tuple[int | None, int | None]:
    """Bytes of the file system with the archive's files: all, and free."""
    lines = output(archive, ["df", "-B1", "--output=size,avail", STORAGE_PATH]).splitlines()
    if len(lines) < 2:
        return None, None
    size, free = map(int, lines[1].split())
    return size, free


def days_left(
    stack: str, stored: int, free: int, now: float | None = None, folder: Path = STATE / "status"
) -> float | None:
    """Days until `free` bytes are used, from what was stored at earlier calls; this one is remembered too."""
    now = time.time() if now is None else now
    file = folder / f"{stack}.json"
    try:
        history = [it for it in json.loads(file.read_text()) if now - it[0] <= HISTORY_DAYS * DAY]
    except (OSError, ValueError):
        history = []
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([*history, [now, stored]]))
    if not history or now - history[0][0] < DAY or stored <= history[0][1]:
        return None
    since, before = history[0]
    return round(float(free / ((stored - before) / (now - since)) / DAY), 1)


def requests(gateway: Container | None) -> dict[str, int] | None:
    """The gateway's answers of the last minutes, by class of their status; `None` if its log cannot be read."""
    lines = _recent(gateway)
    if lines is None:
        return None
    counted = {f"{kind}xx": 0 for kind in range(2, 6)}
    for line in lines:
        kind = f"{str(line.get('status', ''))[:1]}xx"
        if kind in counted:
            counted[kind] += 1
    return counted


def failed_sign_ins(keycloak: Container | None) -> int | None:
    """Failed sign-ins of the last minutes; `None` if Keycloak's log cannot be read."""
    lines = _recent(keycloak)
    return None if lines is None else sum(FAILED_SIGN_IN in str(line.get("message")) for line in lines)


def _recent(container: Container | None) -> list[dict[str, Any]] | None:
    """The JSON lines that a container has logged in the last minutes."""
    if container is None:
        return None
    try:
        logged = container.logs(stderr=False, since=int(time.time()) - LOG_SECONDS).decode(errors="replace")
    except docker.errors.APIError:
        return None
    found = []
    for line in logged.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return [it for it in found if isinstance(it, dict)]


def certificate_days(url: str) -> float | None:
    """Days for which the served certificate is still valid; `None` with HTTP or without an answer."""
    # Whether it is trusted is for `make smoke` to say.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return served_certificate_days(url, context) if urlsplit(url).scheme == "https" else None
    except OSError:
        return None


def served_certificate_days(url: str, context: ssl.SSLContext) -> float:
    """The same, with the checks of `context`. Raises OSError without an answer, or if a check fails."""
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname or "", parts.port or 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
    ):
        served = secured.getpeercert(binary_form=True)
    ends = x509.load_der_x509_certificate(served or b"").not_valid_after_utc
    return round((ends.timestamp() - time.time()) / DAY, 1)
