"""Make this machine able to run the program: `python3 -m bootstrap`.

Each step does only what is missing, so a second run takes a moment and an interrupted run can be repeated.
Only the standard library is used.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap import engine, network, plugins, pulumi_cli, python_env, state
from bootstrap.console import UserError, clock, exclusive_lock, print_error, print_line
from bootstrap.paths import ROOT, STATE_BIN, VENV, cache

STACK = "dev"


def _images() -> list[str]:
    """Names of the official images, from the program's own table."""
    from images import DEFAULT_IMAGES

    return [image.name for image in DEFAULT_IMAGES.values()]


def _network() -> network.Decision:
    last = network.last_decision()
    decision = network.decide(lambda: network.probe_targets(pulumi_cli.release_url(), _images()), last=last)
    if decision != last:
        network.save_decision(decision)
        way = "open" if decision.open else "restricted: offline/ replaces the official downloads"
        print_line(f"  network: {way} ({decision.reason})")
    return decision


def _own_images_table() -> Path | None:
    """The list of the images built on this machine; None when OHIF_IMAGES names another list."""
    table = cache() / "images.json"
    return table if os.environ.get("OHIF_IMAGES", str(table)) == str(table) else None


def _build_images() -> None:
    started = time.monotonic()
    answer = subprocess.run([VENV / "bin" / "python", ROOT / "offline" / "images" / "build.py"], cwd=ROOT, check=False)
    if answer.returncode:
        raise UserError(
            f"images: building stopped after {clock(time.monotonic() - started)} (its message is above)",
            "Fix the cause and run the command again; finished images are kept.",
        )


def _complete(step: Callable[[], None], *, required: bool) -> bool:
    """Whether the step succeeded. A failure is raised if the step is required, otherwise printed."""
    try:
        step()
    except UserError as error:
        if required:
            raise
        print_line(f"  skipped everything that needs the engine and its images: {error}")
        return False
    return True


def engine_here(stack_file: Path) -> bool:
    """Whether the containers of a stack run on this machine.

    The file is read as text because no YAML parser is installed yet.
    """
    text = stack_file.read_text() if stack_file.exists() else ""
    target = re.search(r"""^\s*["']?ohif:target["']?:\s*["']?(\w+)""", text, re.MULTILINE)
    return target is None or target[1] == "local"


def make_ready(*, engine_wanted: bool, engine_required: bool) -> None:
    """Run all steps in order. Raises UserError if one fails.

    Without `engine_required`, a missing engine or image is reported and skipped, because not every test needs them.
    """
    python_env.use_supported_python()
    with exclusive_lock(cache() / "ready.lock", "another run prepares this machine"):
        python_env.ensure()
        decision = _network()
        # Before the long steps, because it may need action by the user.
        engine_ready = engine_wanted and _complete(engine.ensure, required=engine_required)
        images = None if decision.open else _own_images_table()
        # The CLI and the images at once: each waits for downloads much of the time.
        with ThreadPoolExecutor() as pool:
            built = pool.submit(_build_images) if engine_ready and images is not None else None
            cli = pulumi_cli.ensure(decision.open)
            if built:
                _complete(built.result, required=engine_required)
        stand_ins = plugins.ensure(decision.open)
        directories = [*cli.directories]
        if stand_ins and STATE_BIN not in directories:
            directories.append(STATE_BIN)
        environment = state.ensure(directories, images)
        state.ensure_stack(STACK, environment)


def main() -> int:
    """Run the command line. Returns 0 when the machine is ready, 1 after an error, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bootstrap", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--for", type=Path, metavar="STACK FILE", dest="stack_file", help="prepare what this stack needs"
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--no-engine", action="store_true", help="skip the Docker engine and the images")
    choice.add_argument("--optional-engine", action="store_true", help="continue without them if they fail")
    arguments = parser.parse_args()
    try:
        here = arguments.stack_file is None or engine_here(arguments.stack_file)
        make_ready(engine_wanted=here and not arguments.no_engine, engine_required=not arguments.optional_engine)
    except UserError as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        print_line("\ninterrupted; run the command again to continue")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
