"""The stack `e2e` as the tests drive it: by the commands that a person types, and by the engine's API."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

import docker
import httpx
import yaml  # type: ignore[import-untyped]
from docker.models.containers import Container

from access import routes
from components.archive.archive import archive_roots
from route import Role
from settings import ArchiveKind
from settings.archive import DEFAULT_AE_TITLES
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in, stack_outputs
from tools.sample import study_uid

ROOT = Path(__file__).resolve().parents[2]
# Somebody who works on the tests may run them on a stack of their own, next to the others.
CONFIG_FILE = Path(os.environ.get("E2E_CONFIG", ROOT / "tests" / "e2e" / "Pulumi.e2e.yaml"))
# tools.stack works on a copy, into which Pulumi writes what fits this clone's passphrase only.
CONFIG_FILE_IN_USE = ROOT / ".state" / "config" / CONFIG_FILE.name
SCREENSHOTS = ROOT / ".state" / "screenshots"
NAME = os.environ.get("E2E_STACK", "e2e")
LABEL = f"org.ohif.stack={NAME}"
CONFIG = yaml.safe_load(CONFIG_FILE.read_text())["config"]
ARCHIVE = ArchiveKind(CONFIG.get("ohif:archive", ArchiveKind.ORTHANC))
AE_TITLE = CONFIG.get("ohif:aeTitle", DEFAULT_AE_TITLES[ARCHIVE])
ROUTES = routes(archive_roots(ARCHIVE), frozenset(map(Role, CONFIG.get("ohif:downloadRoles", []))))
OF_THE_ARCHIVE = {
    ArchiveKind.ORTHANC: ("orthanc", "orthanc-db"),
    ArchiveKind.DCM4CHEE: ("dcm4chee", "dcm4chee-db", "dcm4chee-ldap"),
}
THINGS = ("gateway", "auth-proxy", "sessions", "keycloak", "keycloak-db", "viewer", *OF_THE_ARCHIVE[ARCHIVE])


def configured_users() -> dict[str, list[str]]:
    """Names and roles of the users that the stack's configuration asks for."""
    return {user["name"]: user["roles"] for user in CONFIG["ohif:users"]}


def configured_url() -> str:
    """Where the stack's configuration says that it will be."""
    return f"http://127.0.0.1:{CONFIG['ohif:port']}"


class Stack:
    """The running stack: its commands, its outputs, its containers."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine
        self.has_own_settings = True
        """Whether its last `up` was with the file of its name."""
        self.url = configured_url()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What `make <verb>` does, for this stack; fails the test with the command's last lines."""
        where = ("--stack", NAME, "--config-file", str(CONFIG_FILE))
        return run("python3", "-m", "tools.stack", *words, *where, env={**state_environment(), "YES": "1"})

    def up(self) -> str:
        """Brings the stack up or heals it; returns what was printed."""
        return self.command("up").stdout

    def down(self) -> None:
        """Stops the stack and keeps everything."""
        self.command("down")

    def destroy(self) -> None:
        """Removes the stack and its data without asking."""
        self.command("destroy")

    def outputs(self) -> StackOutputs:
        """The stack's outputs, secrets readable."""
        return stack_outputs(NAME, state_environment())

    def container(self, thing: str) -> Container:
        """The container that does `thing`, running or not."""
        return self.engine.containers.get(f"ohif-{NAME}-{thing}")

    def edge_address(self) -> str:
        """This machine's address on the one network from which containers reach out."""
        return str(self.engine.networks.get(f"ohif-{NAME}-edge").attrs["IPAM"]["Config"][0]["Gateway"])

    def containers(self) -> list[Container]:
        """Every container of the stack, stopped ones too."""
        return self.engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)

    def leftovers(self) -> list[str]:
        """Names of everything in the engine that carries the stack's label."""
        label = {"label": LABEL}
        return sorted(
            [f"container {thing.name}" for thing in self.containers()]
            + [f"network {thing.name}" for thing in self.engine.networks.list(filters=label)]
            + [f"volume {thing.name}" for thing in self.engine.volumes.list(filters=label)]
        )

    def remove_leftovers(self) -> None:
        """Removes whatever an interrupted run left, in the engine and in Pulumi's state."""
        for container in self.containers():
            container.remove(force=True, v=True)
        for network in self.engine.networks.list(filters={"label": LABEL}):
            network.remove()
        for volume in self.engine.volumes.list(filters={"label": LABEL}):
            volume.remove(force=True)
        subprocess.run(
            ["pulumi", "stack", "rm", NAME, "--yes", "--force", "--preserve-config"],
            cwd=ROOT,
            env=state_environment(),
            capture_output=True,
            check=False,
        )

    def wait_for_login(self, credentials: Mapping[str, str], seconds: float = 60) -> float:
        """Waits until the viewer's user can sign in and sees the sample; returns the seconds it took."""
        started = time.monotonic()

        def works() -> bool:
            with closing(sign_in(self.url, "viewer", credentials["viewer"])) as session:
                return sample_is_listed(session)

        wait_until(works, "a working login", seconds)
        return time.monotonic() - started


def sample_is_listed(session: httpx.Client) -> bool:
    """Whether the archive names the sample study to this session."""
    answer = session.get("/pacs/studies", params={"StudyInstanceUID": study_uid()})
    return answer.status_code == 200 and len(answer.json()) == 1


def wait_until(met: Callable[[], bool], what: str, seconds: float) -> None:
    """Polls `met`; a refused or broken connection counts as not yet."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if met():
                return
            last = None
        except (GatewayClientError, httpx.HTTPError, ValueError) as error:
            last = error
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {seconds:.0f} s" + (f": {last}" if last else ""))


def listens(address: str, port: int) -> bool:
    """Whether a server accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def run(*command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project's directory; fails the test with its last lines."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    tail = "\n".join(done.stdout.splitlines()[-40:])
    assert done.returncode == 0, f"{' '.join(command)} failed with {done.returncode}:\n{tail}"
    return done


def tool(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of the Makefile besides those of `Stack`, however it ends; output and errors are both in `stdout`."""
    with start_tool(module, *arguments, **environment) as running:
        output, _ = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, output)


def start_tool(module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The same, while it runs."""
    where = ("--stack", NAME, "--config-file", str(CONFIG_FILE))
    return subprocess.Popen(
        ["python3", "-um", f"tools.{module}", *arguments, *where],
        cwd=ROOT, env={**state_environment(), **environment}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def by_hand(line: str) -> subprocess.CompletedProcess[str]:
    """What a person types after `source .state/env`."""
    where = f"--stack {NAME} --config-file {CONFIG_FILE_IN_USE} --non-interactive"
    return run("bash", "-c", f". .state/env && {line} {where}")


def state_environment() -> dict[str, str]:
    """The environment that .state/env makes."""
    done = subprocess.run(
        ["bash", "-c", ". .state/env && env -0"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pairs: Iterable[list[str]] = (entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    return {**os.environ, **dict(pairs)}
