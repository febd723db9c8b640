"""Make this machine able to run the program: `python3 -m bootstrap`.

Does only what is missing, so a second run takes a moment. An interrupted run is continued by running it
again. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap import engine, network, plugins, pulumi_cli, python_env, state
from bootstrap.console import Problem, clock, only_one, report, say
from bootstrap.paths import ROOT, STATE_BIN, VENV, cache

STACK = "dev"


def _images() -> list[str]:
    """Names of the official images, from the program's own table."""
    from images import DEFAULT_IMAGES

    return [image.name for image in DEFAULT_IMAGES.values()]


def _network() -> network.Decision:
    last = network.remembered()
    decision = network.decide(lambda: network.places(pulumi_cli.release_url(), _images()), last=last)
    if decision != last:
        network.remember(decision)
        way = "open" if decision.open else "restricted: offline/ takes the place of downloads"
        say(f"  network: {way} ({decision.reason})")
    return decision


def _own_images_table() -> Path | None:
    """Where the machine's own images are listed; None when the user names another list in OHIF_IMAGES."""
    table = cache() / "images.json"
    return table if os.environ.get("OHIF_IMAGES", str(table)) == str(table) else None


def _build_images() -> None:
    started = time.monotonic()
    answer = subprocess.run([VENV / "bin" / "python", ROOT / "offline" / "images" / "build.py"], cwd=ROOT, check=False)
    if answer.returncode:
        raise Problem(
            f"images: building stopped after {clock(time.monotonic() - started)} (its message is above)",
            "Mend what it says and run the command again: finished images are kept.",
        )


def _done(step: Callable[[], None], required: bool) -> bool:
    try:
        step()
    except Problem as problem:
        if required:
            raise
        say(f"  left out, what needs the engine and its images: {problem}")
        return False
    return True


def engine_here(stack_file: Path) -> bool:
    """Whether the stack's containers run on this machine. Read as text: nothing that reads YAML is there yet."""
    text = stack_file.read_text() if stack_file.exists() else ""
    target = re.search(r"""^\s*["']?ohif:target["']?:\s*["']?(\w+)""", text, re.MULTILINE)
    return target is None or target[1] == "local"


def make_ready(*, engine_wanted: bool, engine_required: bool) -> None:
    """Run all steps in order. Raises Problem at the first that fails.

    Without `engine_required`, a missing engine or image is said and left out: not every test needs them.
    """
    python_env.use_supported_python()
    with only_one(cache() / "ready.lock", "another run prepares this machine"):
        python_env.ensure()
        decision = _network()
        # Before the long steps, as it may need a person.
        engine_there = engine_wanted and _done(engine.ensure, engine_required)
        cli = pulumi_cli.ensure(decision.open)
        stand_ins = plugins.ensure(decision.open)
        images = None if decision.open else _own_images_table()
        if engine_there and images is not None:
            _done(_build_images, engine_required)
        directories = [*cli.directories]
        if stand_ins and STATE_BIN not in directories:
            directories.append(STATE_BIN)
        environment = state.ensure(directories, images)
        state.ensure_stack(STACK, environment)


def main() -> int:
    """Exit code 0 when everything is there, 1 with the problem and its mend otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--for", type=Path, metavar="STACK FILE", dest="stack_file", help="what this stack needs")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--no-engine", action="store_true", help="leave out the Docker engine and the images")
    choice.add_argument("--optional-engine", action="store_true", help="go on without them where they fail")
    arguments = parser.parse_args()
    try:
        here = arguments.stack_file is None or engine_here(arguments.stack_file)
        make_ready(engine_wanted=here and not arguments.no_engine, engine_required=not arguments.optional_engine)
    except Problem as problem:
        report(problem)
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted; run the command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
