"""Failures of Pulumi: known ones with an explanation and a fix, all with Pulumi's own message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bootstrap.console import UserError

# Pulumi prints the first for each stand-in plugin in every command. `make up` repairs the second. The third is of the
# AWS SDK, where an S3 server sends no checksum of its own.
NOISE = re.compile(
    r"using pulumi-(resource|language)-\S+ from \$PATH|resources with \d+ pending operations"
    r"|^SDK \S+ \S+ WARN Response has no supported checksum",
)

KNOWN_FAILURES: Sequence[tuple[str, str, str]] = (
    (
        r"incorrect passphrase",
        "the passphrase does not decrypt this stack's secrets",
        "Set PULUMI_CONFIG_PASSPHRASE to the passphrase of the stack, or unset it to use .state/passphrase. "
        "Nothing was changed.",
    ),
    (
        r"passphrase must be set",
        "no passphrase is set",
        "Run `make env`, then `. .state/env`; or set PULUMI_CONFIG_PASSPHRASE.",
    ),
    (
        r"stack is currently locked",
        "another update of this stack is running, or one was killed",
        "Wait for it; if there is none: pulumi cancel, then run the command again.",
    ),
    (
        r"(?i)(no such image|pull access denied|manifest unknown|unable to (read|find|pull).*image"
        r"|error pulling image|failed to resolve reference)",
        "an image is not on this machine and cannot be pulled",
        "Check the network and the name in images.py (or ohif:images); "
        "OFFLINE=1 make up builds the machine's own images.",
    ),
    (
        r"(?i)(port is already allocated|address already in use)",
        "a port is in use",
        "Stop the program that listens there, or set another port: pulumi config set ohif:port 8080 -s dev.",
    ),
    (
        r"(?i)(non-overlapping IPv4 address pool|predefined address pools have been fully subnetted)",
        "the engine has no addresses left for another network (Docker has about 30 networks, a stack takes 8)",
        "docker network prune removes networks that nothing uses; or give the engine smaller ones in its daemon.json: "
        '"default-address-pools": [{"base": "172.16.0.0/12", "size": 24}].',
    ),
    (
        r"(?i)keycloak.*(\b409\b|already exists)",
        "Keycloak has an object that is not in this state",
        "An interrupted update left it. Import it into the state (pulumi import), delete it in Keycloak's console, "
        "or start again: make destroy, make up.",
    ),
    (
        r"(?i)cannot be deleted without|protected",
        "some data is protected",
        "pulumi state unprotect <urn> allows the deletion; it cannot be undone.",
    ),
)


def explain(output: str) -> tuple[str, str] | None:
    """The problem and the fix of a known failure; None for any other output."""
    for pattern, problem, fix in KNOWN_FAILURES:
        if re.search(pattern, output):
            return problem, fix
    return None


def error_of(operation: str, output: str) -> UserError:
    """The error for a failed operation, with Pulumi's output and the explanation of a known failure."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not NOISE.search(line)]
    # The first lines name the resource; the last lines of a container's log give the reason.
    shown = lines if len(lines) <= 12 else [*lines[:3], "…", *lines[-8:]]
    quoted = "\n    ".join(line[:300] for line in shown)
    known = explain(output)
    if known:
        return UserError(f"pulumi {operation}: {known[0]}\n    {quoted}", known[1])
    return UserError(
        f"pulumi {operation} failed\n    {quoted}",
        "Fix the cause and run the command again: it continues from there.",
    )
