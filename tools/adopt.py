"""Take up a stack that was destroyed and whose data were kept: `python -m tools.adopt --stack prod`.

`make destroy` leaves protected data, and with them the state, in .state/kept. From that state come the secrets that
the data were made with, the realm, and what is still in the account of the VM (its Volume, a zone, the bucket of the
backups). The update that follows makes the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bootstrap.console import UserError
from tools import command_line
from tools.pulumi_run import Pulumi
from tools.recover import Lasting, kept_state, take_up
from tools.stack import up


def adopt(pulumi: Pulumi, saved: Path | None) -> None:
    """Take up the stack and bring it up. Raises UserError; then nothing was changed, or `make up` goes on."""
    file = saved or kept_state(pulumi.stack)
    if not file.exists():
        raise UserError(
            f"{file} is not there: stack {pulumi.stack} was not destroyed here, or its data were not kept",
            "Name a state of it (ARGS='--state FILE'), or see docs/how-to/end-a-production-stack.md.",
        )
    take_up(pulumi, file, Lasting.DATA)
    up(pulumi)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 when the stack is up, 1 after an error."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--state", type=Path, help="as `pulumi stack export` writes it")
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, lambda pulumi: adopt(pulumi, arguments.state))


if __name__ == "__main__":
    sys.exit(main())
