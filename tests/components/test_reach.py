"""Asking a machine: what goes over SSH, and what is said when it does not answer as it should."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from components import reach
from components.reach import MachineError, Shell, here, ssh_shell
from tests.assets.scripts import program

WRONG_KEY = "No ED25519 host key is known for pacs.example.org and you have requested strict checking.\r\n"
WRONG_KEY += "Host key verification failed.\r\n"
DENIED = "ohif@pacs.example.org: Permission denied (publickey).\r\n"
REFUSED = "ssh: connect to host pacs.example.org port 22: Connection refused\r\n"
SHELL = ssh_shell(user="ohif", address="pacs.example.org", port=22, options=["-o", "BatchMode=yes"])


@dataclass
class World:
    """A machine that SSH reaches or not."""

    folder: Path
    clock: float = 0

    def says(self, *errors: str) -> None:
        """What SSH says at each call in turn; after that, and for an empty text, the machine is reached."""
        for number, error in enumerate(errors):
            if error:
                (self.folder / str(number)).write_text(error)

    @property
    def calls(self) -> int:
        """How often SSH was called."""
        return len((self.folder / "calls").read_text().splitlines())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    program(
        tmp_path,
        "ssh",
        f"""\
cd {tmp_path}
touch calls
number=$(wc -l <calls)
echo "$*" >>calls
[ -e "$number" ] && {{ cat "$number" >&2; exit 255; }}
for last; do :; done
exec sh -c "$last"
""",
    )
    made = World(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(reach, "time", SimpleNamespace(monotonic=lambda: made.clock))
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        made.clock += seconds
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    yield made


SCRIPT = """printf '%s|' "a  b" '$HOME' ; echo "to both" >&2; cat; exit 3"""


@pytest.mark.parametrize("shell", [SHELL, here()], ids=["there", "here"])
def test_script_arrives_as_it_is(world: World, shell: Shell) -> None:
    answer = asyncio.run(shell.run(SCRIPT, patience=20))
    assert (answer.code, answer.output, answer.errors) == (3, "a  b|$HOME|", "to both")


def test_options_come_before_the_machine(world: World) -> None:
    asyncio.run(SHELL.run("true", patience=20))
    assert (world.folder / "calls").read_text() == "-o BatchMode=yes -p 22 ohif@pacs.example.org sh -c true\n"


def test_answer_is_not_waited_for_beyond_patience(world: World) -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match=r"ohif@pacs\.example\.org: no answer within 0 s"):
        asyncio.run(SHELL.run("exec sleep 30", patience=0.3))
    assert time.monotonic() - started < 10


def test_missing_client_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="ssh is not on this machine; install an OpenSSH client"):
        asyncio.run(SHELL.run("true", patience=20))


@pytest.mark.parametrize(
    "errors",
    [[], [REFUSED] * 3, [DENIED, DENIED], [WRONG_KEY] * 5, [REFUSED, WRONG_KEY, DENIED]],
    ids=["at once", "boots", "makes its users", "gets its key", "all of it"],
)
def test_machine_that_starts_is_waited_for(world: World, errors: list[str]) -> None:
    world.says(*errors)
    asyncio.run(SHELL.reached(patience=600))
    assert world.calls == len(errors) + 1


@pytest.mark.parametrize(
    ("error", "patience", "given_up_at", "says"),
    [
        (WRONG_KEY, 600, 22, "shows another SSH host key than the one that is known"),
        (WRONG_KEY, 10, 12, "Nothing was changed"),
        (REFUSED, 60, 62, r"cannot be reached by SSH: ssh: connect to host .* Connection refused\. Check address"),
        (REFUSED, 10, 12, r"firewall \(adminNetworks\)"),
        (DENIED, 10, 12, r"Permission denied \(publickey\)\. Check .*privateKeyFile"),
    ],
    ids=["wrong key", "wrong key of a server", "no VM", "no server", "wrong key of ours"],
)
def test_what_does_not_come_is_given_up(
    world: World, error: str, patience: float, given_up_at: float, says: str
) -> None:
    world.says(*[error] * 400)
    with pytest.raises(MachineError, match=says):
        asyncio.run(SHELL.reached(patience=patience))
    assert world.clock == given_up_at
