"""Measure searches while the archive grows: `python -m bench.scale --stack scratch --users pacsadmin restricted`.

Needs wrk and a stack with Orthanc on this machine, which is not used for anything else: it stores small studies until
there are as many as each step says, and leaves them there. Every second one has the InstitutionName `Bench 1`, the
others `Bench 0`, so that a rule of `rights` can show half of them to a restricted user. Users are measured in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import httpx
from pydicom.uid import generate_uid

from bench.peers import Peer
from bench.speed import Request, Sample, measure
from bootstrap.console import print_line
from public_paths import DICOMWEB_PATH
from tools import command_line, debian_tools, sample
from tools.dicomweb import session_cookie, sign_in, stack_outputs, store

STEPS = (100, 1_000, 10_000)
AT_ONCE = (1, 4)
BATCH = 100
"""Studies in one STOW-RS request."""
SOME = 5
"""A number whose study both users may read."""


def study(number: int) -> bytes:
    """A study of one small instance, the same for the same number."""
    made = sample.instance(0)
    made.Rows = made.Columns = 16
    made.PixelData = bytes(512)
    made.PatientID, made.PatientName = f"BENCH-{number}", f"BENCH^{number}"
    made.AccessionNumber, made.InstitutionName = str(number), f"Bench {number % 2}"
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = (uid(level, number) for level in "123")
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def uid(level: str, number: int) -> str:
    """A UID that nobody else has."""
    return str(generate_uid(entropy_srcs=["bench.scale", level, str(number)]))


def searches() -> dict[str, Request]:
    """Queries as OHIF sends them, by what they look for."""
    fields = "includefield=00081030%2C00080060"
    queries = {
        "the list": f"studies?limit=101&offset=0&fuzzymatching=false&{fields}",
        "a patient ID": f"studies?PatientID=BENCH-{SOME}&limit=101&offset=0&{fields}",
        "a part of a name": f"studies?PatientName=*CH%5E{SOME}*&limit=101&offset=0&{fields}",
        "a study": f"studies?StudyInstanceUID={uid('1', SOME)}",
    }
    return {name: (f"/{query}", {"Accept": "application/dicom+json"}) for name, query in queries.items()}


def fill(session: httpx.Client, present: int, wanted: int) -> None:
    """Store studies until there are as many. An earlier run may have stored them."""
    last = session.get(f"{DICOMWEB_PATH}/studies?StudyInstanceUID={uid('1', wanted - 1)}")
    if last.status_code == HTTPStatus.OK and last.json():
        return
    for start in range(present, wanted, BATCH):
        store(session, [study(number) for number in range(start, min(start + BATCH, wanted))])


def show(studies: int, samples: Sequence[Sample], users: Sequence[str]) -> None:
    """A line for each search: medians, and the last user's median against the first one's."""
    for name in searches():
        for at_once in AT_ONCE:
            medians: Mapping[str, float] = {
                user: statistics.median(
                    it.p50_ms for it in samples if (it.peer, it.request, it.at_once) == (user, name, at_once)
                )
                for user in users
            }
            cells = " | ".join(f"{value:.1f} ms" for value in medians.values())
            print_line(f"| {studies} | {name} | {at_once} | {cells} | {medians[users[-1]] / medians[users[0]]:.2f} |")


def run(arguments: argparse.Namespace) -> None:
    """Store, measure and print, step by step. Raises UserError, GatewayClientError."""
    debian_tools.ensure("wrk")
    outputs = stack_outputs(arguments.stack)
    address, present = outputs.base_url.partition("://")[2], 0
    made: dict[int, list[Sample]] = {}
    with ExitStack() as context:
        sessions = {
            user: context.enter_context(closing(sign_in(outputs.base_url, user, outputs.credentials[user])))
            for user in arguments.users
        }
        for step in arguments.steps:
            fill(sessions[arguments.users[0]], present, step)
            present = step
            chosen = [
                Peer(name=user, address=address, root=DICOMWEB_PATH, headers={"Cookie": session_cookie(session)})
                for user, session in sessions.items()
            ]
            made[step] = measure(chosen, searches(), AT_ONCE, arguments.rounds, arguments.seconds)
    print_line(f"| studies | search for | at once | {' | '.join(arguments.users)} | last / first |")
    print_line("|---" * (len(sessions) + 4) + "|")
    for step, samples in made.items():
        show(step, samples, arguments.users)
    if arguments.json:
        figures = {step: [asdict(it) for it in samples] for step, samples in made.items()}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--users", nargs="+", default=["pacsadmin"], help="the first one stores")
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(argv)
    return command_line.ended(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
