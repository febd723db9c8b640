"""What an update of a stack would change, and what differs from its configuration."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap import state
from bootstrap.console import print_line
from bootstrap.paths import BACKEND
from names import PROJECT
from tools.pulumi_run import Pulumi


@contextmanager
def without_state(pulumi: Pulumi, **environment: str) -> Iterator[Pulumi]:
    """A stack of the same configuration in a temporary place, as if nothing had been made yet."""
    with tempfile.TemporaryDirectory(prefix="preview-") as scratch:
        config = Path(scratch) / f"Pulumi.{pulumi.stack}.yaml"
        shutil.copyfile(pulumi.config_file or Path(f"Pulumi.{pulumi.stack}.yaml"), config)
        there = pulumi.environment | {"PULUMI_BACKEND_URL": f"file://{scratch}"} | environment
        state.ensure_stack(pulumi.stack, there, config)
        yield Pulumi(pulumi.stack, config, there)


def preview(pulumi: Pulumi, *arguments: str) -> int:
    """Show what `up` would do. A stack without a state is previewed with a temporary one, so it works anywhere."""
    own = pulumi.environment.get("PULUMI_BACKEND_URL") == state.BACKEND_URL
    if own and not (BACKEND / ".pulumi" / "stacks" / PROJECT / f"{pulumi.stack}.json").exists():
        with without_state(pulumi, PULUMI_CONFIG_PASSPHRASE=secrets.token_hex()) as temporary:
            return temporary.run_attached("preview", *arguments)
    return pulumi.run_attached("preview", *arguments)


def drift(pulumi: Pulumi) -> int:
    """Compare the stack with its configuration and change nothing. Returns 0 if nothing differs.

    Unlike `preview` it asks engine, Keycloak and cloud what is there, so it needs the stack's machine to be up.
    """
    code = pulumi.run_attached("preview", "--refresh", "--expect-no-changes", "--diff")
    print_line("  nothing differs" if code == 0 else "  something differs, as above, or could not be asked")
    return min(code, 1)
