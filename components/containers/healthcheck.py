"""How the engine knows that the program in a container does its work."""

from collections.abc import Sequence
from dataclasses import dataclass

CHECK_SECONDS = 5
"""How long the program in a container may take for the answer to its health check."""


@dataclass(frozen=True, kw_only=True)
class Healthcheck:
    """How the engine knows that the program in the container does its work. Durations in seconds."""

    command: Sequence[str]
    """Exit code 0 within `CHECK_SECONDS` is healthy."""
    start_period: int = 60
    """Failures before it has passed do not count."""
    interval: int = 2
    """Between two checks; short, so that a start is seen at once."""
    pause: int = 25
    """Besides, while the checks pass: each takes some 0.1 s of a processor, most of it for the engine to begin it."""


def paused(check: Healthcheck, folder: str) -> Sequence[str]:
    """The command of a check that waits at first if the last one has passed, as a file in `folder` says.

    Engines have an interval of its own for starts (`--health-start-interval`) from version 25 on only. Who needs the
    result at once (tools/health.py) sets `THOROUGH`.
    """
    passed = f"{folder}/healthy"
    script = (
        f'[ -n "$THOROUGH" ] || [ ! -e {passed} ] || sleep {check.pause}; '
        f'if timeout {CHECK_SECONDS} "$@"; then : >{passed}; else rm -f {passed}; exit 1; fi'
    )
    return ["/bin/sh", "-c", script, "check", *check.command]


def http_probe(port: int, path: str, authorization_file: str | None = None, connections: int = 0) -> Sequence[str]:
    """A healthcheck command for images without an HTTP client; bash speaks enough of it.

    `authorization_file` holds the value of the `Authorization` header: on a command line it would show in the list
    of processes. With `connections`, the size of a pool that is used in turn, a failure is followed by as many requests
    as it takes until each connection has answered; if the environment has `THOROUGH`, this is done in any case.
    """
    header = f"Authorization: $(<{authorization_file})\\r\\n" if authorization_file else ""
    probe = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && "
        f'printf "GET {path} HTTP/1.0\\r\\n{header}\\r\\n" >&3 && '
        'read -r _ code _ <&3 && [ "$code" = 200 ]'
    )
    if not connections:
        return ["/bin/bash", "-c", probe]
    in_a_row = connections + 1
    # Each in a shell of its own, which a refused connection ends.
    script = (
        f'good=0 needed=1; [ -z "$THOROUGH" ] || needed={in_a_row}; '
        f"for attempt in {{1..{4 * in_a_row}}}; do "
        f"if ({probe}); then good=$((good + 1)); [ $good -lt $needed ] || exit 0; "
        f"else good=0 needed={in_a_row}; fi; done; exit 1"
    )
    return ["/bin/bash", "-c", script]


def duration(seconds: int) -> str:
    """A duration as the engine writes it back (`1m30s`), so that a refresh sees no difference."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
