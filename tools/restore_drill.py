"""Prove that the backups come back: `python -m tools.restore_drill --stack prod`.

A stack of its own on this machine's engine takes up the saved state, gets the latest backup, and is tried as users
would. The stack that the backup is of is only asked for the repository. In the end nothing of the drill is left.
"""

from __future__ import annotations

import io
import socket
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from docker.models.containers import Container

from bootstrap import state
from bootstrap.console import UserError, print_line
from names import PROJECT
from settings import CONSOLE_USER, Mfa
from settings.backup import AT_LINODE
from tools import command_line, preflight, recovery
from tools.backup import STATE_FILE, backup_container, restic
from tools.dicomweb import GatewayClientError, sign_in, stack_outputs
from tools.measurements import statistics
from tools.pulumi_run import Pulumi
from tools.recover import recover
from tools.restore import restore
from tools.smoke import smoke
from tools.stack import destroy
from tools.stack_state import read_config, read_deployment

OF_THE_DATA = (
    *("archive", "archiveMemory", "archiveMaximumGb", "defaultCharacterSet", "aeTitle", "dcm4chee", "rights"),
    *("users", "programs", "downloadRoles", "auditDays", "sessionIdle", "sessionMax", "accessTokenLife", "mfa"),
    *("passwordRules", "viewer", "backup", "images"),
)
"""Keys that the drill takes over. All others say where a stack is, where its data are and whom it talks to; the drill
has its own place and its own data, and talks to nobody."""


BUCKET_VARIABLES = {
    "repository": "RESTIC_REPOSITORY",
    "region": "AWS_DEFAULT_REGION",
    "accessKey": "AWS_ACCESS_KEY_ID",
    "secretKey": "AWS_SECRET_ACCESS_KEY",
}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def drill_config(saved: Mapping[str, Any], port: int, bucket: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The configuration of a stack, for its drill. `bucket`: how to reach one that the stack has made."""
    prefix = f"{PROJECT}:"
    kept = {
        key: value
        for key, value in (saved.get("config") or {}).items()
        if key.startswith(prefix) and key.removeprefix(prefix) in OF_THE_DATA
    }
    backup = {**kept[f"{prefix}backup"], "paused": True, "mailTo": []}
    if backup["repository"] == AT_LINODE:
        backup |= bucket or {}
    own = {f"{prefix}port": port, f"{prefix}protectData": False, f"{prefix}backup": backup}
    return {**{key: value for key, value in saved.items() if key != "config"}, "config": {**kept, **own}}


def bucket_of(container: Container) -> dict[str, str]:
    """How the container that makes the backups reaches its bucket, in the words of ohif:backup."""
    environment = dict(entry.split("=", 1) for entry in container.attrs["Config"]["Env"])
    return {name: environment[variable] for name, variable in BUCKET_VARIABLES.items() if variable in environment}


@contextmanager
def saved_state(pulumi: Pulumi, container: Container) -> Iterator[Path]:
    """The folder into which the latest saved state of the stack is unpacked."""
    content = restic(container, "dump", "--host", pulumi.stack, "--tag", "state", "latest", "state.tar")
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def refuse_unreachable(config: Mapping[str, Any]) -> None:
    """Reject a repository that is a folder of another machine."""
    if config["target"] != "local" and str(config["backup"].get("repository", "")).startswith("/"):
        raise UserError(
            "restore drill: the repository is a folder of the stack's machine, and the drill runs on this one",
            "Use s3: or sftp: in ohif:backup.repository, or run the drill on that machine.",
        )


def drill(pulumi: Pulumi) -> None:
    """Run the drill. Raises UserError if something does not come back; nothing is left of it then either."""
    config = read_config(pulumi)
    if config.get("backup"):
        refuse_unreachable(config)
    started = time.monotonic()
    container = backup_container(recovery.connect(pulumi, read_deployment(pulumi)), pulumi.stack)
    with saved_state(pulumi, container) as folder:
        name = f"{pulumi.stack}-drill"
        file = folder / f"Pulumi.{name}.yaml"
        saved = yaml.safe_load((folder / f"Pulumi.{pulumi.stack}.yaml").read_text())
        file.write_text(yaml.safe_dump(drill_config(saved, free_port(), bucket_of(container))))
        trial = Pulumi(name, file, pulumi.environment)
        if preflight.find(preflight.connect(), name).any:
            raise UserError(f"restore drill: stack {name} is there already", f"make destroy STACK={name} removes it.")
        try:
            recover(trial, folder / STATE_FILE)
            restore(trial, "latest", pulumi.stack, confirmed=True)
            _try(trial)
        except GatewayClientError as error:
            raise UserError(str(error), "Nothing of the drill is left.") from error
        finally:
            state.ensure_stack(name, trial.environment, file)
            destroy(trial, confirmed=True)
    print_line(f"The backups of stack {pulumi.stack} come back: {time.monotonic() - started:.0f} s from nothing.")


def _try(trial: Pulumi) -> None:
    """Look at what came back. Raises UserError if it does not work."""
    outputs = stack_outputs(trial.stack)
    containers = preflight.by_alias(preflight.connect(), trial.stack)
    if counted := statistics(containers.get("orthanc")):
        print_line(f"  {counted['CountStudies']} studies, {counted['CountInstances']} instances")
    config = read_config(trial)
    mfa = Mfa(config["mfa"])
    with_code = {user["name"] for user in config["users"] if mfa.demands_of(user.get("roles", []))}
    if not config["passwordRules"].get("temporary"):
        credentials = outputs.credentials.items()
        _sign_in_all(outputs.base_url, {user: password for user, password in credentials if user not in with_code})
    smoke(trial.stack, config, outputs)


def _sign_in_all(origin: str, credentials: Mapping[str, str]) -> None:
    """Sign in as each user of the configuration who needs no code, with the generated password."""
    users = {name: password for name, password in credentials.items() if name != CONSOLE_USER}
    failed = []
    for name, password in users.items():
        try:
            sign_in(origin, name, password).close()
        except GatewayClientError:
            failed.append(name)
    if failed and len(failed) == len(users):
        raise UserError("restore drill: no user of the configuration can sign in", "Was the realm in the backup?")
    if not users:
        return
    changed = f"; not {', '.join(failed)}, who may have changed it" if failed else ""
    print_line(f"  {len(users) - len(failed)} of {len(users)} users sign in with the generated password{changed}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 if everything came back, 1 otherwise."""
    parser = command_line.parser(__doc__)
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, drill)


if __name__ == "__main__":
    sys.exit(main())
