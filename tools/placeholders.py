"""Placeholders of Pulumi.prod.yaml, with which a preview works and nothing else may be done.

A pull request is previewed with them, as no team's values are in this repository. They are keys nobody has, and names
and networks that are reserved for documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootstrap.console import UserError

PLACEHOLDERS: Mapping[tuple[str, ...], str] = {
    ("ssh", "publicKey"): "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm",
    ("adminNetworks",): "192.0.2.0/24",
    ("host",): "pacs.example.org",
    ("linodeDns", "zone"): "example.org",
}
"""Placeholder by the path of its key in namespace `ohif`."""


def left_in(config: Mapping[str, Any]) -> list[str]:
    """Keys that still have their placeholder, such as `ohif:ssh.publicKey`."""
    found = []
    for path, placeholder in PLACEHOLDERS.items():
        value: Any = config
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value == placeholder or (isinstance(value, list) and placeholder in value):
            found.append(f"ohif:{'.'.join(path)}")
    return found


def refuse(stack: str, config: Mapping[str, Any]) -> None:
    """Raise Problem if a stack that is not local has a placeholder left."""
    if config["target"] != "local" and (left := left_in(config)):
        raise UserError(
            f"stack {stack}: {', '.join(left)} still has the placeholder of Pulumi.prod.yaml",
            f"Set your own value: pulumi config set -s {stack} --path {left[0]} VALUE. Pulumi.prod.yaml.example shows "
            "a whole configuration. Nothing was changed.",
        )
