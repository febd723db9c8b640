"""Reads a stack's state and configuration before an update."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi as sdk

from bootstrap.console import UserError
from images import DEFAULT_IMAGES
from names import ARCHIVE_CHOICE_TYPE, PROJECT
from settings import ArchiveKind
from settings.archive import DEFAULT_MEMORY
from tools import preflight
from tools.pulumi_run import Pulumi

Deployment = Mapping[str, Any]
STACK_TYPE = "pulumi:pulumi:Stack"
Resources = Sequence[dict[str, Any]]
INCLUDED_MEMORY: Mapping[ArchiveKind, int] = {ArchiveKind.ORTHANC: 2048, ArchiveKind.DCM4CHEE: 1024}
"""MiB of the archive's memory that are in the usual amount. Orthanc takes most of it for large objects
only, Java its heap in any case."""


def type_token(resource: type[sdk.Resource]) -> str:
    """The type of a resource class of a provider's SDK, as the state names it."""
    return str(vars(resource)["pulumi_type"])


def read_deployment(pulumi: Pulumi, *, show_secrets: bool = False) -> dict[str, Any]:
    """The resources in the stack's state; empty for a stack without any. Secrets are encrypted unless shown."""
    document = json.loads(pulumi.output_of("stack", "export", *(["--show-secrets"] if show_secrets else [])))
    deployment: dict[str, Any] = document.get("deployment") or {}
    return deployment


def outputs_of(deployment: Deployment) -> dict[str, Any]:
    """The stack's outputs, the secret ones encrypted; empty before its first update."""
    resources = deployment.get("resources") or []
    outputs: dict[str, Any] = next((it.get("outputs") or {} for it in resources if it["type"] == STACK_TYPE), {})
    return outputs


def change_resources(pulumi: Pulumi, change: Callable[[Resources], bool]) -> None:
    """Change the resources in the stack's state; `change` returns whether it has changed anything."""
    document = json.loads(pulumi.output_of("stack", "export"))
    if not change(document["deployment"].get("resources") or []):
        return
    with tempfile.NamedTemporaryFile("w", prefix="state-", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        pulumi.output_of("stack", "import", f"--file={file.name}")


def archive_choice(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the state knows of the archive and its data (components/archive/choice.py); `None`: there are none yet."""
    return next((it["inputs"] for it in resources if it["type"] == ARCHIVE_CHOICE_TYPE), None)


def let_go(volume: dict[str, Any]) -> None:
    """Let a volume leave the stack, and stay on the engine: a protected one could not, and others would be deleted."""
    volume["retainOnDelete"] = True
    volume.pop("protect", None)


def resource_types(deployment: Deployment) -> list[str]:
    """Types of the resources that exist, or were being created when an update was interrupted."""
    resources = deployment.get("resources") or []
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    return [resource["type"] for resource in [*resources, *pending]]


def read_config(pulumi: Pulumi) -> dict[str, Any]:
    """The program's configuration with the defaults of Pulumi.yaml, without secrets."""
    entries = json.loads(pulumi.output_of("config", "--json", config=True))
    namespace = f"{PROJECT}:"
    return {
        key.removeprefix(namespace): entry.get("objectValue", entry.get("value"))
        for key, entry in entries.items()
        if key.startswith(namespace)
    }


def read_with_secrets(pulumi: Pulumi, key: str) -> dict[str, Any]:
    """A setting that is an object, with its secrets; empty if it is not set."""
    entries = json.loads(pulumi.output_of("config", "--json", "--show-secrets", config=True))
    entry = entries.get(f"{PROJECT}:{key}", {})
    found = entry.get("objectValue") or json.loads(entry.get("value") or "{}")
    return dict(found)


def image_names(config: Mapping[str, Any]) -> dict[str, str]:
    """Images that the program uses: from the configuration, then those built on this machine, then the table."""
    built: dict[str, Any] = {}
    if table := os.environ.get("OHIF_IMAGES"):
        try:
            built = json.loads(Path(table).read_text())
        except (OSError, ValueError) as error:
            raise UserError(
                f"images: OHIF_IMAGES={table} cannot be read: {error}", "Run `make env`, or unset it."
            ) from error
    wanted = {key: image for key, image in DEFAULT_IMAGES.items() if image.archive in (None, config.get("archive"))}
    names = {key: image.name for key, image in wanted.items()}
    for key, entry in {**built, **(config.get("images") or {})}.items():
        if key in wanted:
            names[key] = entry if isinstance(entry, str) else entry["name"]
    return names


def needed_memory(config: Mapping[str, Any]) -> int:
    """Bytes that a start needs: the usual amount, and what the archive may use beyond that."""
    kind = ArchiveKind(config["archive"])
    archive = int(config.get("archiveMemory") or 0) or DEFAULT_MEMORY[kind]
    return preflight.NEEDED_BYTES + max(0, archive - INCLUDED_MEMORY[kind]) * preflight.MIB
