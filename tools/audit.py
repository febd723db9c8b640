"""Who read which patient's study: `python -m tools.audit --stack prod --patient 4711 --since 7d`.

Reads the gateway's log of requests, which the engine keeps as long as the container, at most 100 MB; with `auditDays`
the files on the gateway's volume, which outlive it. Lines that were shipped are read with `--file`. Names of patients
are looked up in the archive (Orthanc). A search shows as such, with what was searched for. Refused requests are left
out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote

from docker.models.containers import Container

from bootstrap.console import UserError, print_line
from public_paths import ADMIN_PATH, DICOMWEB_PATH, DOWNLOAD_PATH, SHARE_ID, SHARED_PATH, SHARES_PATH, UID
from tools import archive_api, command_line, container_exec, preflight, recovery
from tools.pulumi_run import Pulumi
from tools.stack_state import read_deployment

SINCE = re.compile(r"(?P<number>[0-9]{1,5})(?P<unit>[mhd])")
UNITS = {"m": 60, "h": 3600, "d": 86400}
SHARED = re.compile(rf"^{SHARED_PATH}/(?P<id>{SHARE_ID})(?={DICOMWEB_PATH}/)")
SHARING = re.compile(rf"^{SHARES_PATH}/studies/(?P<uid>{UID})$")
STUDY = re.compile(rf"^{DICOMWEB_PATH}/studies/(?P<uid>{UID})(?P<rest>/.*)?$")
DOWNLOAD = re.compile(rf"^{DOWNLOAD_PATH}/(?P<uid>{UID})\.zip$")
OWN_API = re.compile(rf"^{ADMIN_PATH}/(?P<level>studies|series|instances)/(?P<id>[0-9a-f]{{8}}(?:-[0-9a-f]{{8}}){{4}})")
LISTS = frozenset(f"{DICOMWEB_PATH}/{level}" for level in ("studies", "series", "instances"))
READ_KEPT = """cd "$AUDIT" || exit
for file; do
    case $file in *.gz) gzip -cd "$file" ;; *) cat "$file" ;; esac || exit
done"""
"""Prints files that the gateway kept."""
IMAGES = re.compile(r"/(?:frames/[0-9,]+|rendered|thumbnail|bulk(?:data)?/.+)$|/instances/[0-9.]+$|^$")


@dataclass(kw_only=True)
class Access:
    """What one user did with one study."""

    user: str
    study: str
    """StudyInstanceUID, or Orthanc's identifier of something that is not there any more."""
    first: str
    """RFC 3339."""
    last: str
    images: int = 0
    """Requests for images, frames and the values of large attributes."""
    metadata: int = 0
    """Requests for metadata, series and instances."""
    stored: int = 0
    """Stores that name the study in the path. One that names none is not among these."""
    downloads: int = 0
    changes: int = 0
    """Requests other than reads by the archive's own API: labels, changes, deletion."""
    links: int = 0
    """Share links that were made."""


@dataclass(kw_only=True)
class Report:
    """What the log shows."""

    accesses: list[Access] = field(default_factory=list)
    searches: list[tuple[str, str, str]] = field(default_factory=list)
    """Time, user, and the query as it was sent."""


def lines(texts: Iterable[str]) -> Iterator[Mapping[str, object]]:
    """Requests that were answered well, of the gateway's log; what is no such line is passed over."""
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("user") and str(line.get("status", "")).startswith("2"):
            yield line


def report(found: Iterable[Mapping[str, object]], studies: Mapping[str, str]) -> Report:
    """Accesses and searches in lines of the log. `studies`: StudyInstanceUIDs by Orthanc's identifiers."""
    made, accesses = Report(), dict[tuple[str, str], Access]()
    for line in found:
        user, at, method, path = (str(line.get(name, "")) for name in ("user", "time", "method", "path"))
        query = str(line.get("query", ""))
        if match := SHARED.match(path):
            path = path[match.end() :]
            # Who needs no login is named by the link already.
            user = user if user.startswith("share:") else f"{user} by link {match['id']}"
        study, kind = _study_and_kind(method, path, query, studies)
        if study is None:
            if kind == "search" and query:
                made.searches.append((at, user, unquote(query)))
            continue
        access = accesses.setdefault((user, study), Access(user=user, study=study, first=at, last=at))
        access.last = at
        setattr(access, kind, getattr(access, kind) + 1)
    made.accesses = sorted(accesses.values(), key=lambda it: it.first)
    return made


def _study_and_kind(method: str, path: str, query: str, studies: Mapping[str, str]) -> tuple[str | None, str]:
    """A request's study, and the field of `Access` that counts it; or `None`, and whether it is a search."""
    if match := DOWNLOAD.match(path):
        return match["uid"], "downloads"
    if match := SHARING.match(path):
        return match["uid"], "links"
    if match := STUDY.match(path):
        if method == "POST":
            return match["uid"], "stored"
        return match["uid"], "images" if IMAGES.search(match["rest"] or "") else "metadata"
    if match := OWN_API.match(path):
        study = studies.get(match["id"], match["id"])
        return study, "images" if method in ("GET", "HEAD") else "changes"
    if path in LISTS and method in ("GET", "HEAD"):
        named = parse_qs(query).get("StudyInstanceUID", [])
        # OHIF asks so for the study that it opens.
        return (named[0], "metadata") if len(named) == 1 and re.fullmatch(UID, named[0]) else (None, "search")
    return None, ""


def identifiers(found: Iterable[Mapping[str, object]]) -> set[tuple[str, str]]:
    """Levels and Orthanc's identifiers in requests to its own API."""
    matches = (OWN_API.match(str(line.get("path", ""))) for line in found)
    return {(match["level"], match["id"]) for match in matches if match}


def resolve(archive: Container | None, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
    """StudyInstanceUIDs by Orthanc's identifiers of studies, series and instances that are there."""
    if archive is None:
        return {}
    known = {}
    for level, identifier in wanted:
        path = f"/{level}/{identifier}" + ("" if level == "studies" else "/study")
        if answer := archive_api.ask(archive, "GET", path):
            known[identifier] = str(answer["MainDicomTags"]["StudyInstanceUID"])
    return known


def patients(archive: Container | None, query: Mapping[str, str]) -> dict[str, str]:
    """Patient IDs by StudyInstanceUIDs of the studies in the archive that match."""
    if archive is None:
        return {}
    asked = {"Level": "Study", "Query": dict(query), "Expand": True, "CaseSensitive": True}
    return {
        it["MainDicomTags"]["StudyInstanceUID"]: it["PatientMainDicomTags"].get("PatientID", "")
        for it in archive_api.ask(archive, "POST", "/tools/find", asked) or []
    }


def _kept(gateway: Container, since: datetime) -> list[str]:
    """Lines on the gateway's volume since then. The name of a file is its day."""

    def said(script: str, *arguments: str) -> str:
        result = container_exec.run(gateway, ["/bin/sh", "-c", script, "sh", *arguments])
        if result.code:
            raise UserError(f"audit: {result.reason}", "`make status` says how the gateway is.")
        return result.standard_output.decode(errors="replace")

    files = sorted(it for it in said('ls "$AUDIT"').split() if it[:10] >= f"{since:%Y-%m-%d}")
    start = f'{{"time":"{since.isoformat(timespec="seconds")}"'
    return [it for it in said(READ_KEPT, *files).splitlines() if it >= start]


def _texts(arguments: argparse.Namespace, gateway: Container | None) -> list[str]:
    if arguments.file:
        return (sys.stdin if str(arguments.file) == "-" else arguments.file.open()).read().splitlines()
    if gateway is None:
        raise UserError(f"stack {arguments.stack}: there is no gateway", "make up starts it, or --file reads its log.")
    since = int(time.time() - arguments.since)
    if any(it.startswith("AUDIT=") for it in gateway.attrs["Config"]["Env"]):
        return _kept(gateway, datetime.fromtimestamp(since, UTC))
    return gateway.logs(stdout=True, stderr=False, since=since).decode(errors="replace").splitlines()


def show(pulumi: Pulumi, arguments: argparse.Namespace) -> None:
    """Print the report. Raises UserError."""
    engine = recovery.connect(pulumi, read_deployment(pulumi))
    parts = preflight.by_alias(engine, pulumi.stack) if engine else {}
    archive = parts.get("orthanc")
    if archive is None and arguments.patient:
        raise UserError("audit: --patient asks Orthanc, which does not run", "Name the study with --study.")
    found = list(lines(_texts(arguments, parts.get("gateway"))))
    made = report(found, resolve(archive, identifiers(found)))
    wanted = patients(archive, {"PatientID": arguments.patient}) if arguments.patient else None
    accesses = [
        it
        for it in made.accesses
        if (not arguments.user or it.user == arguments.user)
        and (not arguments.study or it.study == arguments.study)
        and (wanted is None or it.study in wanted)
    ]
    searches = [
        it
        for it in made.searches
        if (not arguments.user or it[1] == arguments.user)
        and not arguments.study
        and (not arguments.patient or arguments.patient in it[2])
    ]
    if arguments.json:
        print_line(json.dumps({"accesses": [asdict(it) for it in accesses], "searches": searches}, indent=1))
        return
    named = "\\".join(sorted({it.study for it in accesses if re.fullmatch(UID, it.study)}))
    known = patients(archive, {"StudyInstanceUID": named}) if named else {}
    for it in accesses:
        counts = ", ".join(
            f"{number} {name}" for name, number in asdict(it).items() if isinstance(number, int) and number
        )
        print_line(f"{it.first}  {it.user}  patient {known.get(it.study, 'not in the archive')}  study {it.study}")
        print_line(f"    until {it.last}: {counts}")
    for at, user, query in searches:
        print_line(f"{at}  {user}  searched  {query}")
    if not accesses and not searches:
        print_line("nothing in the log")


def duration(text: str) -> int:
    """Seconds of `90m`, `12h`, `7d`. Raises argparse.ArgumentTypeError."""
    match = SINCE.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number with a unit: 90m, 12h or 7d")
    return int(match["number"]) * UNITS[match["unit"]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--patient", metavar="ID", help="studies of this patient, and searches for the ID")
    parser.add_argument("--study", metavar="UID")
    parser.add_argument("--user", metavar="NAME")
    parser.add_argument("--since", type=duration, default=duration("1d"), help="90m, 12h or 7d; by default a day")
    parser.add_argument("--file", type=Path, help="lines of a gateway's log instead; - is standard input")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: show(pulumi, arguments))


if __name__ == "__main__":
    sys.exit(main())
