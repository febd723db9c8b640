"""What the containers of DCM4chee and of its directory have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.containers.service import File

ASSETS = Path(__file__).parents[2] / "assets" / "archive" / "dcm4chee"
DIMSE_PORT = 11112
STORAGE = "/storage"
SECRET_FILES = "/run/archive-secrets"  # noqa: S105 - a path, not a password

AS_ROOT = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID")
"""The images of dcm4che start as root, make their folders their own user's, and become that user; root passes on to it
the signal to end."""


def secret_files(secrets: Mapping[str, pulumi.Output[str]], *names: str) -> Sequence[File]:
    """Secrets as files that only root reads, which hands them on."""
    return [File(path=f"{SECRET_FILES}/{name}", content=secrets[name], mode="0400") for name in names]
