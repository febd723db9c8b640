"""Whether this machine can download official releases and images (an open network) or not (a restricted one)."""

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

from bootstrap.console import UserError
from bootstrap.paths import STATE, write_file

PROBE_SECONDS = 4.0
FRESH_SECONDS = 15 * 60
DOCKER_HUB = "registry-1.docker.io"
DECISION_FILE = STATE / "network.json"


@dataclass(frozen=True)
class Decision:
    """Whether official downloads are used, and the reason."""

    open: bool
    reason: str
    decided: float
    """Seconds since the epoch."""
    kept: bool = False
    """The decision is valid until the stack is destroyed: a lost connection must not change the images of a stack."""


def registry_of(image: str) -> str:
    """The registry of an image: the part before the first slash if it is a host name, otherwise Docker Hub."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != "docker.io" else DOCKER_HUB


def probe_targets(cli_url: str, images: Iterable[str]) -> dict[str, str]:
    """URLs to probe by display name: the release of the CLI and the API root of each registry."""
    registries = sorted({registry_of(image) for image in images})
    return {"Pulumi's releases": cli_url} | {host: f"https://{host}/v2/" for host in registries}


def reachable(url: str) -> bool:
    """Whether a HEAD request succeeds. Registries answer 401 to anonymous requests, so 401 counts as reachable."""
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - https, by `probe_targets`
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, ValueError):
        return False


def probe(targets: Mapping[str, str], check: Callable[[str], bool] = reachable) -> Decision:
    """Probe all URLs in parallel. The network is restricted if one of them is unreachable."""
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        answers = dict(zip(targets, pool.map(check, targets.values()), strict=True))
    closed = [name for name, answer in answers.items() if not answer]
    reason = f"no answer from {', '.join(closed)}" if closed else "all download hosts answer"
    return Decision(open=not closed, reason=reason, decided=time.time())


def last_decision(file: Path | None = None) -> Decision | None:
    """The saved decision; None if there is no readable one."""
    try:
        return Decision(**json.loads((file or DECISION_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def save_decision(decision: Decision, file: Path | None = None) -> None:
    """Save a decision for the next run."""
    write_file(file or DECISION_FILE, json.dumps(asdict(decision)) + "\n")


def offline_setting(environment: Mapping[str, str] = os.environ) -> bool | None:
    """The value of OFFLINE: True for restricted, False for open, None if it is unset."""
    value = environment.get("OFFLINE", "").strip().lower()
    if value in ("1", "true", "yes"):
        return True
    if value in ("0", "false", "no"):
        return False
    if not value:
        return None
    raise UserError(
        f"OFFLINE={value} is not a valid value",
        "Use OFFLINE=1 (restricted network), OFFLINE=0 (open), or unset it.",
    )


def decide(
    targets: Callable[[], Mapping[str, str]],
    *,
    environment: Mapping[str, str] = os.environ,
    last: Decision | None = None,
    check: Callable[[str], bool] = reachable,
) -> Decision:
    """OFFLINE decides if it is set, then a saved decision that is still valid, then a probe."""
    offline = offline_setting(environment)
    if offline is not None:
        return Decision(open=not offline, reason=f"OFFLINE={environment['OFFLINE']}", decided=time.time())
    if last and (last.kept or 0 <= time.time() - last.decided < FRESH_SECONDS):
        return last
    return probe(targets(), check)
