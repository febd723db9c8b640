"""Compare the gateway's speed with the archive alone: `python -m bench.speed --stack dev`.

Needs wrk (Debian's package of this name) and a stack with Orthanc on this machine that has the sample (`make sample`).
The ways are measured in turn, round by round, so that what else the machine does concerns all of them. Prints a table;
`--json FILE` keeps all figures. Everything goes over networks of the engine, never over one outside of this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from bench.peers import Peer, peers
from bench.traffic import reads
from bootstrap.console import UserError, print_line
from public_paths import DICOMWEB_PATH
from tools import command_line, debian_tools
from tools.dicomweb import stack_outputs

REPORT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, errors.status + errors.connect + errors.read + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
"""For wrk (its documentation: SCRIPTING)."""
NAMES = ("search", "series of a study", "metadata of a series", "metadata of an instance", "frame")
"""Of the requests in bench.traffic.reads, in their order."""
AT_ONCE = (1, 16)

Request = tuple[str, Mapping[str, str]]
"""A path below a peer's root, and headers."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One round of one request to one of them."""

    peer: str
    request: str
    at_once: int
    per_second: float
    p50_ms: float
    p99_ms: float


def load(
    peer: Peer, path: str, headers: Mapping[str, str], at_once: int, seconds: int, script: Path
) -> Mapping[str, int]:
    """What wrk counts. Raises UserError if a request fails."""
    command = ["wrk", "-t1", f"-c{at_once}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    for name, value in {**peer.headers, **headers}.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, f"http://{peer.address}{path}"], capture_output=True, text=True, check=False)
    line = next((it for it in done.stdout.splitlines() if it.startswith("RESULT ")), None)
    if line is None:
        raise UserError(f"wrk: {done.stderr.strip() or done.stdout.strip()}", "Is the stack up?")
    result: dict[str, int] = json.loads(line.removeprefix("RESULT "))
    if result["failed"] or not result["requests"]:
        raise UserError(
            f"{peer.name}: {result['failed']} of {result['requests']} requests failed: {path}", "`make up`."
        )
    return result


def measure(
    chosen: Sequence[Peer], requests: Mapping[str, Request], at_once: Sequence[int], rounds: int, seconds: int
) -> list[Sample]:
    """All requests, by their names, to all of them, in turn."""
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "report.lua"
        script.write_text(REPORT)
        for number in range(rounds):
            for name, (path, headers) in requests.items():
                for clients in at_once:
                    for peer in chosen:
                        result = load(peer, peer.root + path, headers, clients, seconds, script)
                        samples.append(
                            Sample(
                                peer=peer.name,
                                request=name,
                                at_once=clients,
                                per_second=result["requests"] / result["microseconds"] * 1e6,
                                p50_ms=result["p50"] / 1000,
                                p99_ms=result["p99"] / 1000,
                            )
                        )
            print_line(f"  round {number + 1} of {rounds}")
    return samples


def table(samples: Sequence[Sample], names: Sequence[str]) -> None:
    """Medians, and the ratio to the first one with its range over the rounds."""
    print_line(f"| request | at once | {' | '.join(names)} | ours / alone |")
    print_line("|---" * (len(names) + 3) + "|")
    for request in NAMES:
        for at_once in AT_ONCE:
            found = {
                name: [it for it in samples if (it.peer, it.request, it.at_once) == (name, request, at_once)]
                for name in names
            }
            cells = [
                f"{statistics.median(it.per_second for it in found[name]):.0f}/s, "
                f"{statistics.median(it.p50_ms for it in found[name]):.1f} ms"
                for name in names
            ]
            pairs = zip(found[names[-1]], found[names[0]], strict=True)
            ratios = [ours.per_second / alone.per_second for ours, alone in pairs]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print_line(f"| {request} | {at_once} | {' | '.join(cells)} | {spread} |")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print. Raises UserError, GatewayClientError."""
    debian_tools.ensure("wrk")
    outputs = stack_outputs(arguments.stack)
    with peers(arguments.stack, outputs) as found:
        chosen = [it for it in found if not arguments.peers or it.name in arguments.peers]
        _wait(chosen)
        requests = {
            name: (path.removeprefix(DICOMWEB_PATH), headers)
            for name, (path, headers) in zip(NAMES, reads().items(), strict=True)
        }
        samples = measure(chosen, requests, AT_ONCE, arguments.rounds, arguments.seconds)
    table(samples, [it.name for it in chosen])
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(it) for it in samples], indent=1) + "\n")


def _wait(chosen: Sequence[Peer]) -> None:
    """Until each one answers."""
    for peer in chosen:
        deadline = time.monotonic() + 10
        while True:
            try:
                httpx.get(f"http://{peer.address}{peer.root}/studies?limit=1", headers=peer.headers, trust_env=False)
                break
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise UserError(f"{peer.name}: {error}", "`make up`.") from error
                time.sleep(0.2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--peers", nargs="*", help="measure these only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(argv)
    return command_line.ended(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
