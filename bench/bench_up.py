"""Measure the local stack on this machine: `python -m bench.bench_up --stack dev`.

Prints the times of a start, an update without changes, a preview and a restart of all containers, and the memory of
each container. `--restarts N` restarts each container N times, `--cold-starts N` removes and starts the stack N times;
a login must work after each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import httpx
from docker.models.containers import Container

from bootstrap.console import UserError, print_error, print_line
from bootstrap.paths import ROOT
from tools import preflight
from tools.dicomweb import GatewayClientError, StackOutputs, client, login_form, sign_in, stack_outputs

TIMEOUT_SECONDS = 120.0
MIB = 1024 * 1024
# The gateway redirects page visits to the login and answers other requests with 401.
HTML = {"Accept": "text/html"}


def _make(target: str, arguments: argparse.Namespace) -> float:
    """Run a make target. Returns its duration in seconds. Raises UserError if it fails."""
    print_line(f"  make {target}")
    chosen = [f"STACK={arguments.stack}"]
    if arguments.config_file:
        chosen.append(f"CONFIG={arguments.config_file}")
    started = time.monotonic()
    answer = subprocess.run(
        ["make", "--no-print-directory", target, *chosen],
        cwd=ROOT,
        env={**os.environ, "YES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise UserError(f"make {target} failed\n{answer.stdout[-1500:]}{answer.stderr[-1500:]}", "Fix the cause.")
    return time.monotonic() - started


def _until(works: Callable[[], bool]) -> float | None:
    """Seconds until `works` is true; None after two minutes."""
    started = time.monotonic()
    while time.monotonic() - started < TIMEOUT_SECONDS:
        if works():
            return time.monotonic() - started
        time.sleep(0.25)
    return None


def login_page(base_url: str) -> bool:
    """Whether the front page redirects to the login form."""
    try:
        with client(base_url) as browser:
            return login_form(browser.get("/", headers=HTML, follow_redirects=True).text) is not None
    except httpx.HTTPError:
        return False


def login_works(outputs: StackOutputs) -> bool:
    """Whether a viewer can sign in and then query studies."""
    try:
        with closing(sign_in(outputs.base_url, "viewer", outputs.credentials["viewer"])) as session:
            return session.get("/pacs/studies?limit=1").status_code in (200, 204)
    except (httpx.HTTPError, GatewayClientError):
        return False


def pss(container: Container) -> int:
    """Memory of a container's processes in bytes (PSS: shared pages are divided among the processes)."""
    processes = container.top(ps_args="-eo pid")["Processes"] or []
    total = 0
    for pid, *_ in processes:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def _containers(stack: str) -> list[Container]:
    found = preflight.find(preflight.connect(), stack).containers
    return sorted(found, key=lambda container: str(container.name))


def _restart_all(stack: str) -> None:
    names = [str(container.name) for container in _containers(stack)]
    subprocess.run(["docker", "restart", "--time", "30", *names], check=True, capture_output=True)


def _table(rows: Iterable[Sequence[str]]) -> None:
    rows = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print_line("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _seconds(value: float | None) -> str:
    return f"{value:.1f} s" if value is not None else f"never ({TIMEOUT_SECONDS:.0f} s)"


def measure(arguments: argparse.Namespace) -> None:
    """Print the table of times and the table of memory. The stack runs afterwards."""
    rows = [["what", "measured", "goal"]]
    if _containers(arguments.stack):
        print_line(f"stack {arguments.stack} exists: its first start is not measured (run make destroy first)")
        _make("up", arguments)
    else:
        took = _make("up", arguments)
        outputs = stack_outputs(arguments.stack)
        waited = _until(lambda: login_page(outputs.base_url))
        rows.append(["make up of a new stack", _seconds(took), "50 s"])
        rows.append(["  then until the login page", _seconds(waited), "0 s"])
    outputs = stack_outputs(arguments.stack)
    rows.append(["make up, nothing to do", _seconds(_make("up", arguments)), "15 s"])
    started = time.monotonic()
    preview = ["pulumi", "preview", "--stack", arguments.stack, "--non-interactive"]
    if arguments.config_file:
        preview.append(f"--config-file={ROOT / '.state' / 'config' / arguments.config_file.name}")
    subprocess.run(preview, cwd=ROOT, check=True, capture_output=True)
    rows.append(["pulumi preview", _seconds(time.monotonic() - started), "6 s"])
    started = time.monotonic()
    _restart_all(arguments.stack)
    restarted = time.monotonic() - started
    waited = _until(lambda: login_works(outputs))
    total = None if waited is None else restarted + waited
    rows.append(["restart of all containers until a login works", _seconds(total), "20 s"])
    rows.append(["  of it docker restart", _seconds(restarted), ""])
    print_line("")
    _table(rows)
    print_line("\n  waiting a minute before measuring memory (PSS)\n")
    time.sleep(60)
    sizes = {str(container.name): pss(container) for container in _containers(arguments.stack)}
    memory = [[name, f"{size / MIB:.0f} MiB"] for name, size in sorted(sizes.items(), key=lambda item: -item[1])]
    _table([["container", "PSS"], *memory, ["all", f"{sum(sizes.values()) / MIB:.0f} MiB (goal: 819 MiB)"]])


def restarts(arguments: argparse.Namespace) -> bool:
    """Restart each container the given number of times. Returns whether a login worked after each."""
    outputs = stack_outputs(arguments.stack)
    rows = [["restarted", "logins", "slowest", "median"]]
    fine = True
    for container in _containers(arguments.stack):
        times: list[float | None] = []
        for _ in range(arguments.restarts):
            container.restart(timeout=30)
            times.append(_until(lambda: login_works(outputs)))
        worked = sorted(value for value in times if value is not None)
        fine = fine and len(worked) == len(times)
        slowest = _seconds(worked[-1]) if worked else "-"
        median = _seconds(worked[len(worked) // 2]) if worked else "-"
        rows.append([str(container.name), f"{len(worked)} of {len(times)}", slowest, median])
        print_line(f"  {'  '.join(rows[-1])}")
    print_line("")
    _table(rows)
    return fine


def cold_starts(arguments: argparse.Namespace) -> bool:
    """Remove and start the stack the given number of times. Returns whether a login worked after each."""
    if _containers(arguments.stack) and os.environ.get("YES") != "1":
        raise UserError(
            f"cold starts: they remove stack {arguments.stack} with its data",
            "Set YES=1 to allow it, or measure another stack (STACK=e2e CONFIG=tests/e2e/Pulumi.e2e.yaml).",
        )
    times: list[float | None] = []
    for number in range(1, arguments.cold_starts + 1):
        if _containers(arguments.stack):
            _make("destroy", arguments)
        took = _make("up", arguments)
        outputs = stack_outputs(arguments.stack)
        waited = _until(lambda outputs=outputs: login_works(outputs))  # type: ignore[misc]
        times.append(None if waited is None else took + waited)
        print_line(f"  cold start {number}: {_seconds(times[-1])}")
    worked = sorted(value for value in times if value is not None)
    summary = f"slowest {_seconds(worked[-1])}, median {_seconds(worked[len(worked) // 2])}" if worked else ""
    print_line(f"  cold starts that ended in a working login: {len(worked)} of {len(times)}  {summary}")
    return len(worked) == len(times)


def main() -> int:
    """Run the command line. Returns 0 if every login worked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path)
    parser.add_argument("--cold-starts", type=int, default=0, metavar="N")
    parser.add_argument("--restarts", type=int, default=0, metavar="N", help="of each container")
    arguments = parser.parse_args()
    try:
        if not arguments.cold_starts and not arguments.restarts:
            measure(arguments)
            return 0
        fine = cold_starts(arguments) if arguments.cold_starts else True
        return 0 if (restarts(arguments) if arguments.restarts else True) and fine else 1
    except (UserError, GatewayClientError) as error:
        print_error(error if isinstance(error, UserError) else UserError(str(error), "Run `make up` first."))
        return 1


if __name__ == "__main__":
    sys.exit(main())
