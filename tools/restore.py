"""Put back a backup: `python -m tools.restore --stack prod [--snapshot 1a2b3c4d]`.

Files first, next to those that are there; then each database next to the one that runs, and only when all of them are
complete do they take its place. Until then, whatever fails, the stack is as it was.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container
from keycloak import KeycloakError

from bootstrap import state
from bootstrap.console import UserError, print_line
from components.backup.backup import DATA, DESCRIPTION, SCRIPT
from components.backup.dump import DUMPS, RESTORE_SCRIPT
from names import PROJECT, docker_labels, docker_name
from settings import CONSOLE_USER
from tools import command_line, orthanc_index, preflight, recovery
from tools.backup import WAITING, Snapshot, backup_container, is_busy, snapshots
from tools.container_exec import Result, run
from tools.dicomweb import GatewayClientError, stack_outputs
from tools.health import wait_until_healthy
from tools.keycloak_console import console
from tools.pulumi_run import Pulumi, changed_config
from tools.recovery import ENGINE_TYPES, IN_ENGINE
from tools.stack_state import read_deployment, resource_types
from tools.versions import description, refuse_unfitting

ARCHIVE_FILES = f"{DATA}/archive"
STOPPED = ("gateway", "auth-proxy", "keycloak", "orthanc", "dcm4chee")
"""Containers that use the data, in the order in which they stop."""
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
"""To write files with the owners that they had."""


def chosen(container: Container, stack: str, wanted: str) -> Snapshot:
    """The backup with this id, or the `latest`. Raises UserError if there is none."""
    found = snapshots(container, stack)
    if not found:
        raise UserError(f"the repository has no backup of stack {stack}", "Set FROM to the stack that it is of.")
    if wanted == "latest":
        return found[-1]
    matching = [it for it in found if it.id.startswith(wanted[:8])]
    if len(matching) != 1 or len(wanted) < 4:
        known = ", ".join(it.id for it in found[-5:])
        raise UserError(f"backup {wanted} is not one of stack {stack}", f"The newest are {known}; `make backups`.")
    return matching[0]


@contextmanager
def writer(engine: docker.DockerClient, backup: Container, stack: str) -> Iterator[Container]:
    """A container like that of the backup, for the time of the restore, which may write to the volumes.

    Before it is handed out, a running backup is waited for; the next one waits until the restore is done.
    """
    attributes = backup.attrs
    name = docker_name(PROJECT, stack, "restore")
    with suppress(docker.errors.NotFound):
        engine.containers.get(name).remove(force=True)
    made = engine.containers.create(
        attributes["Image"],
        name=name,
        entrypoint=["/bin/sh", SCRIPT],
        command=["hold"],
        environment=attributes["Config"]["Env"],
        network=next(iter(attributes["NetworkSettings"]["Networks"])),
        volumes={it["Name"]: {"bind": it["Destination"], "mode": "rw"} for it in attributes["Mounts"] if "Name" in it},
        tmpfs=attributes["HostConfig"]["Tmpfs"],
        cap_drop=["ALL"],
        cap_add=CAPABILITIES,
        security_opt=["no-new-privileges:true"],
        mem_limit=attributes["HostConfig"]["Memory"],
        labels=dict(docker_labels(PROJECT, stack)),
        init=True,
    )
    try:
        for path in (SCRIPT, str(Path(DESCRIPTION).parent)):
            content, _ = backup.get_archive(path)
            made.put_archive(str(Path(path).parent), b"".join(content))
        if is_busy(backup):
            print_line(WAITING)
        made.start()
        holds_the_lock = next(iter(made.logs(stream=True)), b"")
        if not holds_the_lock:
            raise UserError("restore: its container ended at once", "Run the command again. Nothing was changed.")
        yield made
    finally:
        made.remove(force=True)


def require(step: str, result: Result) -> None:
    """Raise UserError if a step has failed."""
    if result.code:
        raise UserError(f"restore: {step}: {result.reason}", "The data are as they were; run the command again.")


def put_back(containers: Mapping[str, Container], writing: Container, snapshot: Snapshot) -> None:
    """Put the set's files and dumps in place. Raises UserError; the databases are then the ones of before."""

    def files(path: str, *options: str) -> Result:
        source = f"{snapshot.id}:{path}"
        command = ["restore", source, "--target", path, "--quiet", *options]
        return run(writing, ["/bin/sh", SCRIPT, "restic", *command])

    require("files of the archive", files(ARCHIVE_FILES, "--overwrite", "if-changed", "--verify"))
    require("dumps", files(DUMPS))
    dumping = {name: it for name, it in containers.items() if name.endswith("-dump")}
    for phase in ("prepare", "commit"):
        for name, container in dumping.items():
            print_line(f"  {phase}: {name.removesuffix('-dump')}")
            require(name.removesuffix("-dump"), run(container, ["/bin/sh", RESTORE_SCRIPT, phase]))
    # Nothing names them any more.
    require("files that are not in the backup", files(ARCHIVE_FILES, "--overwrite", "never", "--delete"))


def has_data(writing: Container) -> bool:
    """Whether the archive has files already."""
    return bool(run(writing, ["find", ARCHIVE_FILES, "-type", "f", "-print", "-quit"]).output.strip())


def confirm(command: str, stack: str, snapshot: Snapshot, *, confirmed: bool) -> None:
    """Ask before a backup takes the place of data. Raises UserError unless it is `confirmed`."""
    question = (
        f"This replaces ALL studies and users of stack {stack} by those of {snapshot.time[:19]} UTC.\n"
        "What came since is lost. Type the stack's name to continue: "
    )
    command_line.confirm(command, stack, question, confirmed=confirmed)


def user_names(pulumi: Pulumi) -> frozenset[str]:
    """Names of the realm's users; empty if Keycloak cannot be asked."""
    try:
        outputs = stack_outputs(pulumi.stack, pulumi.environment)
        admin = console(outputs.base_url, outputs.credentials[CONSOLE_USER])
        return frozenset(it["username"] for it in admin.get_users({"briefRepresentation": True}))
    except (GatewayClientError, KeycloakError):
        return frozenset()


def restore(pulumi: Pulumi, wanted: str, source: str, *, confirmed: bool, closed: bool = False) -> None:
    """Put a backup of stack `source` back into this stack.

    `closed`: its data are not there yet, so nothing may be stored before they are, which would not be in the backup.
    """
    started = time.monotonic()
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    recovery.release_lock(pulumi)
    before = user_names(pulumi)
    engine, backup = _running(pulumi, closed=closed)
    snapshot = chosen(backup, source, wanted)
    refuse_unfitting(snapshot, description(backup, snapshot), description(backup))
    with writer(engine, backup, pulumi.stack) as writing:
        if has_data(writing):
            confirm("restore", pulumi.stack, snapshot, confirmed=confirmed)
        print_line(f"Stack {pulumi.stack}: backup {snapshot.id} of {snapshot.time[:19]} UTC")
        containers = preflight.by_alias(engine, pulumi.stack)
        stopped = [containers[name] for name in STOPPED if name in containers]
        for container in stopped:
            container.stop(timeout=60)
        try:
            put_back(containers, writing, snapshot)
            lost = _without_file(containers, writing)
        finally:
            for container in reversed(stopped):
                container.start()
    wait_until_healthy(preflight.find(engine, pulumi.stack).containers)
    if lost:
        gone = orthanc_index.delete(containers["orthanc"], lost)
        print_line(
            f"  {len(lost)} instances were deleted while the backup was made, and are not in it"
            if gone
            else f"  {len(lost)} instances have no file, and Orthanc did not delete them: {' '.join(lost[:5])} …"
        )
    # The realm is that of the backup: what the state knows of it may be older or newer.
    pulumi.update("refresh")
    pulumi.update("up")
    wait_until_healthy(preflight.find(engine, pulumi.stack).containers)
    print_line(f"restored in {time.monotonic() - started:.0f} s")
    if before and (returned := sorted(user_names(pulumi) - before)):
        print_line(f"  These users are back: {', '.join(returned)}. Delete them in Keycloak if they should not be.")


def _running(pulumi: Pulumi, *, closed: bool) -> tuple[docker.DockerClient, Container]:
    """The engine and the container of the backup; what is missing of the stack's containers is made first."""
    is_new = set(ENGINE_TYPES).isdisjoint(resource_types(read_deployment(pulumi)))
    if not is_new:
        pulumi.update("refresh", *IN_ENGINE)
    # The realm comes with the backup: one that was made now would be in its way. Its provider is not left out, so that
    # the refresh afterwards asks this stack's Keycloak.
    # Nobody can sign in before it is there; modalities need no login.
    first = changed_config(pulumi, "closed", _without_dicom) if is_new or closed else pulumi
    first.update("up", "--exclude=**$keycloak:**")
    engine = recovery.connect(pulumi, read_deployment(pulumi))
    backup = backup_container(engine, pulumi.stack)
    assert engine is not None  # noqa: S101 - it has a container
    return engine, backup


def _without_dicom(config: dict[str, Any]) -> None:
    config.pop(f"{PROJECT}:dicom", None)


def _without_file(containers: Mapping[str, Container], writing: Container) -> Sequence[str]:
    """Instances of Orthanc without a file. DCM4chee says so itself when one is asked for."""
    if "orthanc" not in containers:
        return ()
    every = run(writing, ["find", ARCHIVE_FILES, "-type", "f"]).output
    return orthanc_index.without_file(containers["orthanc-db-dump"], every)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when all is back, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--snapshot", default="latest", help="id of the backup; `make backups` lists them")
    parser.add_argument("--from", dest="source", default="", help="stack that the backup is of, if it is another one")
    arguments = parser.parse_args(argv)
    source = arguments.source or arguments.stack
    confirmed = os.environ.get("YES") == "1"
    return command_line.run(arguments, lambda pulumi: restore(pulumi, arguments.snapshot, source, confirmed=confirmed))


if __name__ == "__main__":
    sys.exit(main())
