"""Backups of a running stack: `python -m tools.backup now --stack prod`, or `list`.

The container `backup` makes them at its times by itself (components/backup). These are the same, made by hand, and what
the container cannot reach: the stack's state and configuration, which are on the machine that runs Pulumi.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import docker
import docker.errors
from docker.models.containers import Container

from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import PASSPHRASE, ROOT
from components.backup.backup import SCRIPT, WORK
from tools import command_line, measurements, preflight, recovery
from tools.container_exec import Result, run
from tools.pulumi_run import Pulumi
from tools.stack_state import read_deployment

ALIAS = "backup"
WAITING = "  waiting for the backup that is running"
STATE_FILE = ".state/deployment.json"
"""In state.tar: `pulumi stack export`."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A backup in the repository."""

    id: str
    """8 hexadecimal digits."""
    time: str
    """RFC 3339."""
    size: int
    """Bytes of all files in it."""


def backup_container(engine: docker.DockerClient | None, stack: str) -> Container:
    """The running container that makes the backups. Raises UserError if there is none."""
    container = preflight.by_alias(engine, stack).get(ALIAS) if engine else None
    if container is None:
        raise UserError(
            f"stack {stack} makes no backups", "Set ohif:backup (docs/how-to/back-up-and-restore.md), then make up."
        )
    if container.status != "running":
        raise UserError(f"stack {stack}: the container {container.name} does not run", "make up starts it.")
    return container


def script(container: Container, command: str, standard_input: bytes | None = None) -> Result:
    """Run a command of the script in assets/backup."""
    try:
        return run(container, ["/bin/sh", SCRIPT, command], standard_input)
    except docker.errors.APIError as error:
        raise UserError(
            f"{container.name}: {error.explanation}", f"`docker logs {container.name}` shows why; then `make up`."
        ) from error


def restic(container: Container, *arguments: str) -> bytes:
    """What a command of restic prints. Raises UserError with its reason."""
    result = run(container, ["/bin/sh", SCRIPT, "restic", *arguments])
    if result.code:
        raise UserError(f"backup repository: {result.reason}", "Check ohif:backup, the store and the network between.")
    return result.standard_output


def snapshots(container: Container, stack: str) -> list[Snapshot]:
    """The stack's complete backups, the oldest first."""
    found = json.loads(restic(container, "snapshots", "--json", "--quiet", "--host", stack, "--tag", "set") or b"[]")
    return [
        Snapshot(
            id=entry["short_id"], time=entry["time"], size=entry.get("summary", {}).get("total_bytes_processed", 0)
        )
        for entry in found
    ]


def is_busy(container: Container) -> bool:
    """Whether a backup is running, or a restore."""
    return bool(run(container, ["flock", "-n", f"{WORK}/lock", "true"]).code)


def last_backup(container: Container | None) -> tuple[float | None, str | None]:
    """Hours since the last complete backup began, and `ok` or why the last one failed; `None` for what there is not."""
    last, began = (measurements.output(container, ["cat", f"{WORK}/{name}"]).strip() for name in ("last", "complete"))
    outcome = re.search(r"^outcome=(.*)$", last, re.MULTILINE)
    hours = round((time.time() - int(began)) / 3600, 1) if began.isdecimal() else None
    return hours, outcome[1] if outcome else None


def make(pulumi: Pulumi) -> Snapshot:
    """Make a backup now, or as soon as the one that is running is done. Raises UserError if it is not complete."""
    deployment = read_deployment(pulumi)
    container = backup_container(recovery.connect(pulumi, deployment), pulumi.stack)
    started = time.monotonic()
    if is_busy(container):
        print_line(WAITING)
    result = script(container, "now")
    if result.code:
        outcome = last_backup(container)[1] or result.reason
        raise UserError(
            f"backup: {outcome}", f"All earlier ones are kept. `docker logs {container.name}` has the details."
        )
    store_state(pulumi, container)
    newest = snapshots(container, pulumi.stack)[-1]
    print_line(f"backup {newest.id} of stack {pulumi.stack} is complete ({time.monotonic() - started:.0f} s)")
    return newest


def store_state(pulumi: Pulumi, container: Container) -> None:
    """Store the stack's state and configuration in the repository. Raises UserError if that fails."""
    result = script(container, "state", state_archive(pulumi))
    if result.code:
        raise UserError(
            f"backup repository: {result.reason}", "No backup can be made. Correct ohif:backup, then run `make up`."
        )


def state_archive(pulumi: Pulumi) -> bytes:
    """The stack's state, its configuration and its passphrase as a tar archive, to be unpacked in a clone."""
    files = {STATE_FILE: pulumi.output_of("stack", "export").encode()}
    config = pulumi.config_file or ROOT / f"Pulumi.{pulumi.stack}.yaml"
    if config.exists():
        files[f"Pulumi.{pulumi.stack}.yaml"] = config.read_bytes()
    # One that the user has set elsewhere is the user's to keep.
    if pulumi.environment.get("PULUMI_CONFIG_PASSPHRASE_FILE") == str(PASSPHRASE) and PASSPHRASE.exists():
        files[str(PASSPHRASE.relative_to(ROOT))] = PASSPHRASE.read_bytes()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def check(pulumi: Pulumi, engine: docker.DockerClient | None, config: Mapping[str, object]) -> None:
    """After an update: store what it made, and say what is wrong with the repository, if backups are made."""
    settings = config.get("backup")
    if not isinstance(settings, dict) or not settings or settings.get("paused"):
        return
    try:
        store_state(pulumi, backup_container(engine, pulumi.stack))
    except UserError as error:
        print_error(error)
        return
    print_line(
        "  Backups: the key to them is `pulumi stack output backupPassword --show-secrets "
        f"-s {pulumi.stack}`; keep it elsewhere."
    )


def show(pulumi: Pulumi) -> None:
    """Print the stack's backups."""
    container = backup_container(recovery.connect(pulumi, read_deployment(pulumi)), pulumi.stack)
    found = snapshots(container, pulumi.stack)
    for snapshot in found:
        print_line(f"  {snapshot.id}  {snapshot.time[:19]}  {snapshot.size / 10**9:.2f} GB")
    if not found:
        print_line(f"stack {pulumi.stack} has no backup yet; `make backup` makes one.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 on success, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("command", choices=["now", "list"])
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, make if arguments.command == "now" else show)


if __name__ == "__main__":
    sys.exit(main())
