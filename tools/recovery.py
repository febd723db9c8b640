"""Repair of a stack whose last update was killed: its lock, and operations without a known result."""

from __future__ import annotations

import time

import docker
import pulumi_docker

from bootstrap import state
from bootstrap.console import UserError, print_line
from bootstrap.paths import BACKEND
from names import PROJECT
from tools import pending_operations, preflight
from tools.pulumi_run import Pulumi
from tools.stack_state import Deployment, read_config, read_deployment, type_token

EXIT_SECONDS = 3.0
ENGINE_TYPES = tuple(
    type_token(kind) for kind in (pulumi_docker.Container, pulumi_docker.Network, pulumi_docker.Volume)
)
"""Objects of a stack in the engine that `docker system prune` may have removed."""
IN_ENGINE = tuple(f"--target=**{kind}**" for kind in ENGINE_TYPES)


def release_lock(pulumi: Pulumi) -> None:
    """Remove the lock of a killed update. Raises UserError if the process that holds it is running."""
    if pulumi.environment.get("PULUMI_BACKEND_URL") != state.BACKEND_URL:
        return
    directory = BACKEND / ".pulumi" / "locks" / "organization" / PROJECT / pulumi.stack
    if not any(directory.glob("*.json")):
        return
    # A process that was just killed may still be exiting.
    deadline = time.monotonic() + EXIT_SECONDS
    while (held := preflight.locks_held(directory)) and time.monotonic() < deadline:
        time.sleep(0.25)
    if held:
        raise UserError(
            f"stack {pulumi.stack}: another update is running (pid {held[0]['pid']} of {held[0]['username']})",
            "Wait until it has ended, then run the command again.",
        )
    print_line("  an earlier update was killed; removing its lock")
    pulumi.output_of("cancel", "--yes")


def connect(pulumi: Pulumi, deployment: Deployment) -> docker.DockerClient | None:
    """The engine of the stack's target; None if its machine does not exist yet."""
    if read_config(pulumi)["target"] == "local":
        return preflight.connect()
    return preflight.connect_remote(deployment)


def remove_pending(pulumi: Pulumi, deployment: Deployment) -> None:
    """Remove objects that an interrupted update may have created, then their operations from the state."""
    if not deployment.get("pending_operations"):
        return
    print_line("  an earlier update was interrupted; removing what it left incomplete")
    remove_pending_containers(pulumi, deployment)
    if incomplete := pending_operations.in_keycloak(deployment):
        # Keycloak has to run for this. Its containers are complete, because its objects are created after them.
        pulumi.update("refresh", *IN_ENGINE)
        pulumi.update("up", *IN_ENGINE)
        pending_operations.remove_from_keycloak(incomplete, read_deployment(pulumi, show_secrets=True))
    clear_pending(pulumi)


def remove_pending_containers(pulumi: Pulumi, deployment: Deployment) -> None:
    """Remove containers and networks that the state does not contain."""
    if engine := connect(pulumi, deployment):
        pending_operations.remove_from_engine(preflight.find(engine, pulumi.stack), deployment)


def remove_unattachable(engine: docker.DockerClient, stack: str) -> None:
    """Remove stopped containers whose networks were removed, e.g. by `docker network prune`: they cannot start again.

    No data is lost: all of it is in volumes.
    """
    known = {network.id for network in engine.networks.list()}
    for container in preflight.find(engine, stack).containers:
        attached = {network["NetworkID"] for network in container.attrs["NetworkSettings"]["Networks"].values()}
        if container.status != "running" and not attached <= known:
            container.remove()


def clear_pending(pulumi: Pulumi) -> None:
    """Remove pending creations from the state."""
    pulumi.update("refresh", *IN_ENGINE, "--clear-pending-creates")
