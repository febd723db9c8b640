"""Open or restricted: can this machine reach what the official way downloads?"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bootstrap.console import Problem
from bootstrap.paths import STATE, write_file

PROBE_SECONDS = 4.0
FRESH_SECONDS = 15 * 60
DOCKER_HUB = "registry-1.docker.io"
DECISION_FILE = STATE / "network.json"


@dataclass(frozen=True)
class Decision:
    """How things get onto this machine, and why we think so."""

    open: bool
    reason: str
    decided: float
    """Seconds since the epoch."""
    kept: bool = False
    """Holds until the stack is destroyed: a lost connection must not swap images under a running stack."""


def registry_of(image: str) -> str:
    """The host that serves an image: what looks like one before the first slash, else Docker Hub."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != "docker.io" else DOCKER_HUB


def places(cli_url: str, images: Iterable[str]) -> dict[str, str]:
    """What to probe: the CLI's release and the API root of each registry, by a name to show."""
    registries = sorted({registry_of(image) for image in images})
    return {"Pulumi's releases": cli_url} | {host: f"https://{host}/v2/" for host in registries}


def reachable(url: str) -> bool:
    """One HEAD request. 401 is how a registry greets a stranger; any other failure is a wall."""
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - https, by `places`
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, ValueError):
        return False


def probe(targets: Mapping[str, str], check: Callable[[str], bool] = reachable) -> Decision:
    """Ask all places at once; one that cannot be reached makes the network a restricted one."""
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        answers = dict(zip(targets, pool.map(check, targets.values()), strict=True))
    closed = [name for name, answer in answers.items() if not answer]
    reason = f"no answer from {', '.join(closed)}" if closed else "all download places answer"
    return Decision(open=not closed, reason=reason, decided=time.time())


def remembered(file: Path | None = None) -> Decision | None:
    """The last decision, if there is one that can be read."""
    try:
        return Decision(**json.loads((file or DECISION_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remember(decision: Decision, file: Path | None = None) -> None:
    """Keep a decision for the next run."""
    write_file(file or DECISION_FILE, json.dumps(asdict(decision)) + "\n")


def forced(environment: Mapping[str, str] = os.environ) -> bool | None:
    """What OFFLINE says: True for restricted, False for open, None when it is unset."""
    word = environment.get("OFFLINE", "").strip().lower()
    if word in ("1", "true", "yes"):
        return True
    if word in ("0", "false", "no"):
        return False
    if not word:
        return None
    raise Problem(
        f"OFFLINE={word} is not understood",
        "Use OFFLINE=1 (restricted network), OFFLINE=0 (open), or unset it.",
    )


def decide(
    targets: Callable[[], Mapping[str, str]],
    *,
    environment: Mapping[str, str] = os.environ,
    last: Decision | None = None,
    check: Callable[[str], bool] = reachable,
) -> Decision:
    """The word of OFFLINE, else a decision still good, else a probe."""
    offline = forced(environment)
    if offline is not None:
        return Decision(open=not offline, reason=f"OFFLINE={environment['OFFLINE']}", decided=time.time())
    if last and (last.kept or 0 <= time.time() - last.decided < FRESH_SECONDS):
        return last
    return probe(targets(), check)
