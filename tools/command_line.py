"""The command line that the tools share: which stack, with which configuration, and how an error ends."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bootstrap.console import UserError, print_error
from tools.dicomweb import GatewayClientError
from tools.pulumi_run import Pulumi, copy_config


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that choose a stack."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--stack", default="dev")
    made.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    return made


def run(arguments: argparse.Namespace, action: Callable[[Pulumi], object]) -> int:
    """Do something with the chosen stack. Returns 0, or 1 after an error, which is printed."""
    return ended(lambda: action(Pulumi(arguments.stack, copy_config(arguments.config_file))))


def ended(action: Callable[[], object]) -> int:
    """Do something. Returns 0, or 1 after an error, which is printed."""
    try:
        action()
    except UserError as error:
        print_error(error)
        return 1
    except GatewayClientError as error:
        print_error(UserError(str(error), "make up starts the stack."))
        return 1
    return 0


def confirm(command: str, stack: str, question: str, *, confirmed: bool) -> None:
    """Ask for the stack's name before data are removed. Raises UserError unless it is typed, or `confirmed`."""
    if confirmed:
        return
    try:
        answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip() != stack:
        raise UserError(f"{command}: not confirmed, nothing was changed", "Type the stack's name, or set YES=1.")
