"""Preview a stack against the policy pack: `python -m tools.policy --stack dev`.

The pack has a virtual environment of its own in `policy/venv`, where Pulumi expects it: the policy SDK needs an older
protobuf than the program. It is created from `policy/requirements.txt` when it is missing or outdated.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from bootstrap.console import UserError, print_error, print_line, run
from bootstrap.paths import LOGS, ROOT
from tools.previews import preview
from tools.pulumi_run import Pulumi, copy_config

STEP = "policy pack"
PACK = ROOT / "policy"
ENVIRONMENT = PACK / "venv"
LOCK = PACK / "requirements.txt"
STAMP = ENVIRONMENT / ".made-from"
FIX = "Check that PyPI can be reached (python3 -m pip config list), then run the command again."


def ensure() -> None:
    """Create the pack's environment if it is not the one that the lock file describes."""
    expected = hashlib.sha256(f"{sys.version}\n{ENVIRONMENT}\n".encode() + LOCK.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == expected:
        return
    print_line(f"  {STEP}: creating its environment from {LOCK.relative_to(ROOT)}")
    run(STEP, [sys.executable, "-m", "venv", "--clear", ENVIRONMENT], log=LOGS / "policy-venv.log", fix=FIX)
    python = str(ENVIRONMENT / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    run(STEP, [*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)], log=LOGS / "policy-pip.log", fix=FIX)
    STAMP.write_text(expected)


def main(argv: list[str] | None = None) -> int:
    """Exit code of `pulumi preview`: other than 0 when a rule is violated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    parser.add_argument("--only-environment", action="store_true", help="create the pack's environment, and no preview")
    arguments = parser.parse_args(argv)
    try:
        ensure()
        if arguments.only_environment:
            return 0
        return preview(Pulumi(arguments.stack, copy_config(arguments.config_file)), f"--policy-pack={PACK}")
    except UserError as problem:
        print_error(problem)
        return 1


if __name__ == "__main__":
    sys.exit(main())
