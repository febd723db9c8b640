"""Break each part of a running stack while it works: `python -m bench.faults --stack dev`.

Four readers and one sender work on a stack with Orthanc that has the sample (`make sample`), while a container is
restarted, killed and started again, or paused for some seconds. Prints a table for docs/explanation/faults.md. What is
sent is deleted afterwards. It is meant for a stack that nobody else uses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

import httpx
from docker.models.containers import Container
from pydicom.uid import generate_uid

from bench.traffic import TIMEOUT_SECONDS, Traffic, reading, storing
from bootstrap.console import print_line
from components.gateway.limits import AUTH_CACHE_SECONDS
from public_paths import ADMIN_PATH
from tools import command_line, preflight
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in, stack_outputs

BEFORE, AWAY, STORES = 1.5, 3.0, 5
"""Seconds of traffic before, seconds for which a container is away, and stores that must work afterwards."""


def _kill(container: Container) -> None:
    container.kill()
    time.sleep(AWAY)
    container.start()


def _pause(container: Container) -> None:
    container.pause()
    time.sleep(AWAY)
    container.unpause()


FAULTS: Mapping[str, Callable[[Container], None]] = {
    "restarted": lambda container: container.restart(timeout=10),
    f"killed, back after {AWAY:.0f} s": _kill,
    f"paused for {AWAY:.0f} s": _pause,
}


def measure(name: str, container: Container, fault: str, outputs: StackOutputs) -> Sequence[str]:
    """A row of the table."""
    traffic, study = Traffic(), str(generate_uid())
    back = "yes"
    _sign_in(outputs).close()
    with reading(outputs, traffic), storing(outputs, traffic, study):
        time.sleep(BEFORE)
        FAULTS[fault](container)
        try:
            traffic.go_on(stores=STORES)
            # What the gateway has kept of oauth2-proxy's answers is old then.
            time.sleep(AUTH_CACHE_SECONDS + 1)
            traffic.go_on(stores=STORES, seconds=20)
        except TimeoutError:
            back = "after a new sign-in"
    with closing(_sign_in(outputs)) as admin:
        found = admin.get(f"/pacs/studies/{study}/instances")
        kept = {it["00080018"]["Value"][0] for it in found.json()} if found.status_code == 200 else set()
        _delete(admin, study)
    lost = len(set(traffic.acknowledged) - kept)
    reads = f"{len(traffic.wrong)} of {traffic.good + len(traffic.wrong)}"
    if traffic.wrong:
        reads += f", within {traffic.outage:.1f} s"
    stores = f"{sum(traffic.refused.values())} of {len(traffic.acknowledged) + sum(traffic.refused.values())}"
    return (name, fault, reads, f"{traffic.slowest:.1f} s", stores, str(lost), back)


def _sign_in(outputs: StackOutputs) -> httpx.Client:
    """As pacsadmin, as soon as the login is back. Raises GatewayClientError if it does not come."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])
        except GatewayClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _delete(admin: httpx.Client, study: str) -> None:
    """Delete a study by Orthanc's own API, once it answers again."""
    query = {"Level": "Study", "Query": {"StudyInstanceUID": study}}
    for identifier in admin.post(f"{ADMIN_PATH}/tools/find", json=query).json():
        admin.delete(f"{ADMIN_PATH}/studies/{identifier}")


def table(stack: str, parts: Sequence[str]) -> None:
    """Break these parts (none: all) and print what came of it. Raises UserError, GatewayClientError."""
    outputs = stack_outputs(stack)
    containers = preflight.by_alias(preflight.connect(), stack)
    print_line("| part | fault | reads that failed | slowest read | stores refused | stores lost | works again |")
    print_line("|---|---|---|---|---|---|---|")
    for name, container in sorted(containers.items()):
        if parts and name not in parts:
            continue
        for fault in FAULTS:
            print_line(f"| {' | '.join(measure(name, container, fault, outputs))} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--parts", nargs="*", default=[], help="break these only")
    arguments = parser.parse_args(argv)
    return command_line.ended(lambda: table(arguments.stack, arguments.parts))


if __name__ == "__main__":
    sys.exit(main())
