"""The world by hand: python -m tests.rehearsal, until Ctrl-C; python -m tests.rehearsal COMMAND… in its names.

The first makes the world and says what to set. The second, in another terminal, runs a command on the operator's side.
"""

from __future__ import annotations

import shlex
import signal
import sys

from tests.rehearsal.world import DIRECTORY, run_as_operator, world

PORT = 4010


def main() -> None:
    """Entry point."""
    if sys.argv[1:]:
        run_as_operator(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with world(PORT) as made:
        lines = [f"export {name}={shlex.quote(value)}" for name, value in made.environment.items()]
        (DIRECTORY / "env").write_text("\n".join(lines) + "\n")
        print("\n".join(["", *lines]))
        print(f"\nIn another terminal: . {DIRECTORY}/env; python -m tests.rehearsal pulumi up …", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("removing the world")


if __name__ == "__main__":
    main()
