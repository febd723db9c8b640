"""Measure what a backup costs readers and a sender: `python -m bench.backups --stack scratch --instances 10000`.

Needs the sample (`make sample`), a stack with Orthanc that makes backups and is not used for anything else, on this
machine. It stores small instances until there are as many, and leaves them there. Readers and a sender go on all the
while; times without a backup come before and after each backup, so that a machine that grows slower does not count.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pydicom.uid import generate_uid

from bench.scale import fill
from bench.traffic import Traffic, reading, storing
from bootstrap.console import print_line
from tools import backup, command_line
from tools.dicomweb import sign_in, stack_outputs
from tools.pulumi_run import Pulumi


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A time with or without a backup."""

    name: str
    seconds: float
    reads: float
    """A second."""
    stores: float
    """A second."""
    failed: int


def phase(name: str, traffic: Traffic, work: Callable[[], object]) -> Phase:
    """What was answered while this was done."""
    started, reads, stores, failed = time.monotonic(), traffic.good, len(traffic.acknowledged), traffic.failed
    work()
    seconds = time.monotonic() - started
    return Phase(
        name=name,
        seconds=seconds,
        reads=(traffic.good - reads) / seconds,
        stores=(len(traffic.acknowledged) - stores) / seconds,
        failed=traffic.failed - failed,
    )


def run(pulumi: Pulumi, instances: int, backups: int, pause: float) -> None:
    """Store, measure and print. Raises UserError, GatewayClientError."""
    outputs, traffic = stack_outputs(pulumi.stack), Traffic()
    with closing(sign_in(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])) as session:
        fill(session, 0, instances)
    with reading(outputs, traffic), storing(outputs, traffic, str(generate_uid())):
        without = partial(phase, "no backup", traffic, partial(time.sleep, pause))
        phases = [without()]
        for number in range(backups):
            phases += [phase(f"backup {number + 1}", traffic, partial(backup.make, pulumi)), without()]
    print_line("| time | seconds | reads a second | stores a second | of the reads without a backup | failed |")
    print_line("|---|---|---|---|---|---|")
    for at, it in enumerate(phases):
        # Each second one is a backup, with a time without one before and after it.
        around = [phases[at - 1].reads, phases[at + 1].reads] if at % 2 else []
        share = f"{it.reads / statistics.mean(around):.2f}" if around else ""
        print_line(f"| {it.name} | {it.seconds:.0f} | {it.reads:.1f} | {it.stores:.1f} | {share} | {it.failed} |")
    print_line(f"{instances} instances before; {len(traffic.acknowledged)} more were acknowledged meanwhile")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--backups", type=int, default=3)
    parser.add_argument("--pause", type=float, default=20.0, help="seconds without a backup")
    arguments = parser.parse_args(argv)
    return command_line.run(
        arguments, lambda pulumi: run(pulumi, arguments.instances, arguments.backups, arguments.pause)
    )


if __name__ == "__main__":
    sys.exit(main())
