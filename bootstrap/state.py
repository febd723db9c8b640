"""Pulumi's state of this clone: file backend, generated passphrase, a file that sets the environment."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.console import Problem
from bootstrap.paths import BACKEND, ENV_FILE, PASSPHRASE, ROOT, STATE, VENV, write_file

STEP = "state"
BACKEND_URL = f"file://{BACKEND}"
# Of the clone's own stack; a stack of others must never be created by a lost backend setting.
PROJECT = "ohif"
SALT_FILTER = "sed /^encryptionsalt:/d"


def exports(environment: Mapping[str, str], directories: Sequence[Path], images: Path | None) -> dict[str, str]:
    """What to set so that `pulumi` typed by hand means this clone's state.

    A backend or passphrase that the user has set wins: it is left out here. What a sourced `.state/env` of
    this clone set before counts as ours, not as the user's.
    """
    lines: dict[str, str] = {}
    if environment.get("PULUMI_BACKEND_URL", BACKEND_URL) == BACKEND_URL:
        lines["PULUMI_BACKEND_URL"] = BACKEND_URL
    own_passphrase = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE", str(PASSPHRASE)) == str(PASSPHRASE)
    if own_passphrase and "PULUMI_CONFIG_PASSPHRASE" not in environment:
        lines["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(PASSPHRASE)
    lines["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    # The key's salt is in the state too, so a stack file without it (fresh from git) still opens the stack.
    lines["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    if images is not None:
        lines["OHIF_IMAGES"] = str(images)
    lines["PATH"] = os.pathsep.join(map(str, [VENV / "bin", *directories]))
    return lines


def render(lines: Mapping[str, str]) -> str:
    """The file to source; PATH is put in front of what is there."""
    rows = ["# Made by `make env`; source it: . .state/env"]
    for name, value in lines.items():
        if name == "PATH":
            rows.append(f'export PATH={shlex.quote(value)}:"$PATH"')
        else:
            rows.append(f"export {name}={shlex.quote(value)}")
    return "\n".join(rows) + "\n"


def applied(lines: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that sourced the file."""
    return {**environment, **lines, "PATH": f"{lines['PATH']}{os.pathsep}{environment.get('PATH', '')}"}


def _make_passphrase() -> None:
    if PASSPHRASE.exists():
        return
    if any(BACKEND.glob(f".pulumi/stacks/{PROJECT}/*.json")):
        raise Problem(
            f"{STEP}: {PASSPHRASE.relative_to(ROOT)} is missing, but there are stacks that were made with it",
            "Put it back: nothing else opens their secrets. Without a copy of it, move .state/backend away.",
        )
    # 0600 from its first moment, and never over an existing one.
    descriptor = os.open(PASSPHRASE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def _hide_salt_from_git() -> None:
    """Keep the salt that Pulumi writes into Pulumi.dev.yaml out of commits: it fits one clone's passphrase.

    `.gitattributes` names the filter; git takes its command from the clone's configuration only.
    """
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return
    config = ROOT / ".git" / "config"
    if config.is_file() and SALT_FILTER in config.read_text():
        return
    subprocess.run([git, "-C", str(ROOT), "config", "filter.stack-salt.clean", SALT_FILTER], check=False)


def ensure(directories: Sequence[Path], images: Path | None) -> dict[str, str]:
    """Backend, passphrase and `.state/env`. Returns the environment for processes that we start."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    lines = exports(os.environ, directories, images)
    if "PULUMI_BACKEND_URL" in lines:
        BACKEND.mkdir(parents=True, exist_ok=True)
    if "PULUMI_CONFIG_PASSPHRASE_FILE" in lines:
        _make_passphrase()
    write_file(ENV_FILE, render(lines), 0o600)
    _hide_salt_from_git()
    return applied(lines, os.environ)


def ensure_stack(stack: str, environment: Mapping[str, str], config_file: Path | None = None) -> None:
    """Create the stack where its backend does not know it. Raises Problem with Pulumi's own words.

    Pulumi writes the salt of the new stack into `config_file`, by default Pulumi.<stack>.yaml.
    """
    own = environment.get("PULUMI_BACKEND_URL") == BACKEND_URL
    if own and (BACKEND / ".pulumi" / "stacks" / PROJECT / f"{stack}.json").exists():
        return
    if config_file is None:
        _init(stack, environment, ROOT)
        return
    # `stack init` knows no --config-file, so it gets a directory where the file has the name it looks for.
    with tempfile.TemporaryDirectory(prefix="stack-") as scratch:
        shutil.copyfile(ROOT / "Pulumi.yaml", Path(scratch) / "Pulumi.yaml")
        usual = shutil.copyfile(config_file, Path(scratch) / f"Pulumi.{stack}.yaml")
        _init(stack, environment, Path(scratch))
        shutil.copyfile(usual, config_file)


def _init(stack: str, environment: Mapping[str, str], directory: Path) -> None:
    command = ["pulumi", "stack", "init", stack, "--no-select", "--non-interactive"]
    answer = subprocess.run(command, cwd=directory, env=dict(environment), capture_output=True, text=True, check=False)
    if answer.returncode and "already exists" not in answer.stderr:
        raise Problem(
            f"stack {stack}: pulumi stack init failed\n    {answer.stderr.strip()}",
            "Check the backend (PULUMI_BACKEND_URL) and the passphrase that you have set.",
        )
