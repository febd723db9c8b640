"""Combinations of settings under which the program is tested."""

import functools
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.program.harness import Deployment, run_program

DIGEST = "sha256:" + "0123456789abcdef" * 4

FACTORS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "archive": {
        "orthanc": {"archive": "orthanc"},
        "dcm4chee": {"archive": "dcm4chee"},
        "orthanc-told": {"archive": "orthanc", "archiveMemory": 512, "aeTitle": "WARD"},
        "dcm4chee-told": {
            "archive": "dcm4chee",
            "archiveMemory": 3000,
            "aeTitle": "WARD",
            "dcm4chee": {"deviceName": "ward-arc"},
        },
    },
    "dicom": {
        "no-dicom": {},
        "dicom": {"dicom": {"enabled": True, "callers": ["CT1", "MR_2"], "networks": ["10.1.0.0/16"]}},
        "dicom-tls": {
            "dicom": {
                "enabled": True,
                "port": 2762,
                "callers": ["CT1"],
                "networks": ["anywhere"],
                "tls": {
                    "certificate": "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
                    "key": "-----BEGIN PRIVATE KEY-----\nS3cret.of-the-gateway\n-----END PRIVATE KEY-----\n",
                    "clientCa": "-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n",
                },
            }
        },
    },
    "endpoint": {
        "loopback": {},
        "named": {
            "host": "pacs.example.org",
            "port": 8480,
            "bindAddress": "192.0.2.10",
            "adminNetworks": ["10.1.0.0/16", "2001:db8::/32"],
        },
        "anywhere": {"host": "192.0.2.10", "bindAddress": "0.0.0.0", "adminNetworks": ["anywhere"]},
    },
    "mfa": {choice: {"mfa": choice} for choice in ("off", "optional", "required")},
    "mail": {
        "no-mail": {},
        "mail": {"smtp": {"host": "mail.example.org", "from": "pacs@example.org"}},
        "mail-login": {
            "smtp": {
                "host": "mail.example.org",
                "from": "pacs@example.org",
                "port": 25,
                "startTls": False,
                "user": "pacs",
                "password": "S3cret.of-the-mail-server",
            }
        },
    },
    "data": {"protected": {"protectData": True}, "unprotected": {"protectData": False}},
    "images": {
        "public": {},
        "mirror": {
            "images": {
                "gateway": f"registry.example.org:5000/nginx@{DIGEST}",
                "keycloak": {"name": "registry.example.org/keycloak:26.7.3", "optimized": True},
            }
        },
    },
    "users": {
        "nobody": {"users": []},
        "guide": {
            "users": [{"name": "viewer", "roles": ["viewer"]}, {"name": "pacsadmin", "roles": ["pacsadmin"]}],
        },
        "ward": {
            "users": [
                {"name": "m.curie@example.org", "roles": ["viewer", "reporter"], "email": "m.curie@example.org"},
                {"name": "norole", "firstName": "No", "lastName": "Role"},
                {"name": "all", "roles": ["pacsadmin", "reporter", "viewer"]},
            ],
        },
    },
}


@dataclass(frozen=True)
class Case:
    """One choice for each factor."""

    choices: tuple[str, ...]

    def __str__(self) -> str:
        return "+".join(self.choices)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the choices make."""
        parts = (FACTORS[factor][choice] for factor, choice in zip(FACTORS, self.choices, strict=True))
        return {key: value for part in parts for key, value in part.items()}

    @property
    def archive(self) -> str:
        """The archive that runs."""
        kind: str = self.config["archive"]
        return kind

    @property
    def pairs(self) -> frozenset[tuple[tuple[int, str], ...]]:
        """Every two of its choices, with their places."""
        return frozenset(itertools.combinations(enumerate(self.choices), 2))


def every_case() -> list[Case]:
    """The whole product."""
    return [Case(choices) for choices in itertools.product(*FACTORS.values())]


def pairwise_cases() -> list[Case]:
    """A choice, always the same, of cases in which every two choices meet at least once."""
    left = frozenset().union(*(case.pairs for case in every_case()))
    chosen: list[Case] = []
    while left:
        best = max(every_case(), key=lambda case: len(case.pairs & left))
        chosen.append(best)
        left -= best.pairs
    return chosen


CASES = every_case() if os.environ.get("ALL_COMBINATIONS") == "1" else pairwise_cases()
"""The whole product takes minutes and is for those who doubt: ALL_COMBINATIONS=1."""


@functools.cache
def deploy(case: Case) -> Deployment:
    """What the program asks for in this case."""
    return run_program(case.config)
