"""Another archive in the configuration than the one that holds the stack's studies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi_docker

from bootstrap.console import UserError, print_line
from names import ARCHIVE_COMPONENT, former_archive_fix, former_archive_problem
from tools.pulumi_run import Pulumi
from tools.stack_state import Deployment, Resources, archive_choice, change_resources, let_go, type_token

VOLUME_TYPE = type_token(pulumi_docker.Volume)


def former_archive(deployment: Deployment, config: Mapping[str, Any]) -> str | None:
    """The archive that holds the studies according to the state, if the configuration names another one."""
    known = archive_choice(deployment.get("resources") or [])
    if known is None or known["archive"] == config.get("archive"):
        return None
    return str(known["archive"])


def refuse_unconfirmed(deployment: Deployment, config: Mapping[str, Any]) -> None:
    """Raise UserError if the archive changes without confirmation.

    The program rejects this too, but only after the checks for images, ports and memory.
    """
    former = former_archive(deployment, config)
    if former and str(config.get("confirmArchiveSwitch")).lower() != "true":
        raise UserError(
            f"archive: {former_archive_problem(former, str(config['archive']))}",
            former_archive_fix(former),
        )


def keep_former_volumes(pulumi: Pulumi, deployment: Deployment, archive: str) -> None:
    """Before another archive replaces the former one: remove its volumes from the state and keep them on the engine."""
    if former := _former(deployment.get("resources") or [], archive):
        change_resources(pulumi, lambda resources: _keep(resources, former))


def _former(resources: Iterable[Mapping[str, Any]], archive: str) -> list[str]:
    """Types of the components that run another archive."""
    components = {it["type"] for it in resources if it["urn"].endswith(f"::{ARCHIVE_COMPONENT}")}
    return [kind for kind in components if kind.rpartition(":")[2].lower() != archive]


def _keep(resources: Resources, former: Sequence[str]) -> bool:
    kept = [it for it in resources if it["type"] == VOLUME_TYPE and any(f"::{kind}$" in it["urn"] for kind in former)]
    for volume in kept:
        let_go(volume)
        print_line(f"  volume {volume['outputs']['name']} is kept on the engine")
    return bool(kept)
