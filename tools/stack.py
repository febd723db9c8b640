"""Start a stack, stop it, remove it, preview it, or look for drift: `python -m tools.stack up --stack dev`.

Runs in `.venv` with the environment of `.state/env`, which the Makefile provides.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker.errors
import psutil
from docker.models.containers import Container

from bootstrap import network, state
from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import BACKEND, write_file
from names import NO_PLACE, PROJECT, docker_name
from settings.addresses import LOOPBACK
from settings.dicom import USUAL_PORT
from tools import (
    archive_change,
    backup,
    command_line,
    directory,
    external_database,
    files_bucket,
    files_folder,
    left_volumes,
    mail,
    placeholders,
    preflight,
    recovery,
    smoke,
)
from tools.health import wait_until_healthy
from tools.previews import drift, preview
from tools.pulumi_run import Pulumi, copy_config
from tools.recover import kept_state
from tools.recovery import ENGINE_TYPES, IN_ENGINE
from tools.stack_state import (
    Deployment,
    image_names,
    needed_memory,
    outputs_of,
    read_config,
    read_deployment,
    read_with_secrets,
    resource_types,
)

STOP_ORDER = (
    ("gateway",),
    ("auth-proxy", "viewer", "orthanc", "dcm4chee", "keycloak"),
    ("sessions", "orthanc-db", "dcm4chee-db", "dcm4chee-ldap", "keycloak-db"),
    ("logs",),
)
"""Host names of containers. The gateway stops before the services that it forwards to, databases after these."""


def _check(pulumi: Pulumi, deployment: Deployment, config: dict[str, Any]) -> None:
    """Check everything that would make the update fail, before anything changes. Raises UserError."""
    placeholders.refuse(pulumi.stack, config)
    archive_change.refuse_unconfirmed(deployment, config)
    if config["target"] != "local":
        # The program checks other hosts itself.
        return
    client = preflight.connect()
    found = preflight.find(client, pulumi.stack)
    preflight.refuse_foreign(pulumi.stack, found, resource_types(deployment))
    address = str(config["bindAddress"]) or LOOPBACK
    for setting, port in _published_ports(config).items():
        preflight.refuse_taken_port(client, pulumi.stack, address, port, setting=setting)
    if not any(container.status == "running" for container in found.containers):
        memory = psutil.virtual_memory()
        preflight.refuse_little_memory(memory.available, int(client.info()["MemTotal"]), needed_memory(config))
    names = image_names(config)
    preflight.refuse_missing_images(client, names)
    if files_bucket.is_wanted(config["files"]):
        files_bucket.check(read_with_secrets(pulumi, "files"))
    elif folder := config["files"].get("path"):
        known = left_volumes.place(deployment, "files")
        files_folder.check(
            client, pulumi.stack, folder, names["orthanc"], must_be_empty=known not in (folder, NO_PLACE)
        )
    # None where it holds a secret, as the configuration is read without them.
    if config["database"] != {}:
        external_database.check(client, pulumi, names["postgres"], must_be_empty=False)


def _published_ports(config: dict[str, Any]) -> dict[str, int]:
    """Ports of the gateway on this machine, by the arguments of `pulumi config set` that choose other ones."""
    ports = {"ohif:port 8080": int(config["port"])}
    if config["tls"] != "none":
        ports["ohif:httpsPort 8443"] = int(config["httpsPort"])
    if config["dicom"].get("enabled"):
        ports["--path ohif:dicom.port 11113"] = int(config["dicom"].get("port", USUAL_PORT))
    return ports


def up(pulumi: Pulumi) -> None:
    """Deploy the stack, whether it is new, running, stopped or incomplete."""
    started = time.monotonic()
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    recovery.release_lock(pulumi)
    deployment = read_deployment(pulumi)
    config = read_config(pulumi)
    _check(pulumi, deployment, config)
    in_engine = not set(ENGINE_TYPES).isdisjoint(resource_types(deployment))
    engine = recovery.connect(pulumi, deployment) if in_engine else None
    if engine:
        left_volumes.refuse(engine, pulumi.stack)
    print_line(f"Stack {pulumi.stack}")
    recovery.remove_pending(pulumi, deployment)
    if engine:
        recovery.remove_unattachable(engine, pulumi.stack)
    if in_engine:
        # Detects what no longer runs or was removed. A full refresh would fail while Keycloak is down.
        pulumi.update("refresh", *IN_ENGINE)
    archive_change.keep_former_volumes(pulumi, deployment, config["archive"])
    changes = pulumi.update("up")
    deployed = read_deployment(pulumi)
    if engine := recovery.connect(pulumi, deployed):
        wait_until_healthy(preflight.find(engine, pulumi.stack).containers)
    decision = network.last_decision()
    if decision and not decision.kept:
        network.save_decision(network.Decision(decision.open, decision.reason, decision.decided, kept=True))
    seconds = time.monotonic() - started
    print_line(f"  {changes.summary} in {seconds:.0f} s" if changes.any else f"  nothing changed ({seconds:.0f} s)")
    _print_addresses(pulumi.stack, outputs_of(deployed))
    directory.check(pulumi, deployed)
    mail.check(engine, pulumi.stack, config)
    backup.check(pulumi, engine, config)
    if config["target"] != "local":
        smoke.check(pulumi.stack, config)


def _print_addresses(stack: str, outputs: Mapping[str, Any]) -> None:
    print_line(
        f"\n  Viewer    {outputs.get('viewerUrl')}   login viewer or pacsadmin"
        f"\n  Archive   {outputs.get('adminUrl')}   login pacsadmin"
        f"\n  Keycloak  {outputs.get('consoleUrl')}   login admin"
        "\n\n  Passwords, and any other pulumi command:"
        "\n    . .state/env"
        f"\n    pulumi stack output credentials --show-secrets -s {stack}"
        "\n  Next: `make sample` stores a CT series to look at; `make down` stops the stack and keeps all data."
    )


def _stop(container: Container) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        container.stop(timeout=30)


def down(pulumi: Pulumi) -> None:
    """Stop the stack's containers and keep all data. The next `up` starts them."""
    engine = recovery.connect(pulumi, read_deployment(pulumi))
    if engine is None:
        raise UserError(f"stack {pulumi.stack}: its machine does not exist yet", "make up creates it.")
    found = preflight.find(engine, pulumi.stack)
    running = {str(container.name): container for container in found.containers if container.status == "running"}
    groups = [[docker_name(PROJECT, pulumi.stack, thing) for thing in group] for group in STOP_ORDER]
    known = {name for group in groups for name in group}
    groups[1] += [name for name in running if name not in known]
    with ThreadPoolExecutor() as pool:
        for group in groups:
            list(pool.map(_stop, [running[name] for name in group if name in running]))
    print_line(
        f"stopped {len(running)} containers; studies, users and state are kept. `make up` starts them again."
        if running
        else "nothing is running; `make up` starts the stack."
    )


def destroy(pulumi: Pulumi, *, confirmed: bool) -> None:
    """Remove the stack with its data, after a confirmation. Works with stopped containers too."""
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    resources = read_deployment(pulumi).get("resources") or []
    protected = [resource["urn"].rpartition("::")[2] for resource in resources if resource.get("protect")]
    if protected:
        raise UserError(
            f"stack {pulumi.stack}: {', '.join(protected)} are protected",
            f"To delete this data for good: pulumi state unprotect --all -s {pulumi.stack}, then run the command "
            "again.",
        )
    question = f"This deletes stack {pulumi.stack} with ALL studies and users. Type its name to continue: "
    command_line.confirm("destroy", pulumi.stack, question, confirmed=confirmed)
    recovery.release_lock(pulumi)
    deployment = read_deployment(pulumi)
    if deployment.get("pending_operations"):
        recovery.remove_pending_containers(pulumi, deployment)
        recovery.clear_pending(pulumi)
    local = read_config(pulumi)["target"] == "local"
    keeps = any(resource.get("retainOnDelete") for resource in resources)
    if keeps:
        write_file(kept_state(pulumi.stack), pulumi.output_of("stack", "export"), 0o600)
    changes = pulumi.update("destroy")
    pulumi.output_of("stack", "rm", "--yes", "--preserve-config")
    if not any((BACKEND / ".pulumi" / "stacks" / PROJECT).glob("*.json")):
        network.DECISION_FILE.unlink(missing_ok=True)
    print_line(f"stack {pulumi.stack} is removed ({changes.summary or 'it was empty'})")
    if local and (kept := preflight.find(preflight.connect(), pulumi.stack).volumes):
        volumes = " ".join(str(volume.name) for volume in kept)
        print_line(f"kept on the engine: {volumes}\n  To delete this data for good: docker volume rm {volumes}")
    if keeps:
        print_line(
            f"`make adopt STACK={pulumi.stack}` takes up again what was kept (docs/how-to/end-a-production-stack.md)"
        )


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns 0 on success, 1 after an error, 130 when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "down", "destroy", "preview", "drift"])
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    arguments = parser.parse_args(argv)
    try:
        pulumi = Pulumi(arguments.stack, copy_config(arguments.config_file))
        match arguments.command:
            case "up":
                up(pulumi)
            case "down":
                down(pulumi)
            case "destroy":
                destroy(pulumi, confirmed=os.environ.get("YES") == "1")
            case "drift":
                return drift(pulumi)
            case _:
                return preview(pulumi)
    except UserError as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        print_line("\ninterrupted; run the command again to continue")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
