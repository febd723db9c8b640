"""Asking a machine: what goes over SSH, and what is said when it does not answer as it should."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.containers.stack_context import StackContext
from components.machine.remote_shell import CommandResult, MachineError, Shell, local_shell, ssh_shell, unless_explained
from components.machine.server import check_server
from components.machine.vm_setup import wait_for
from tests.components.machine.machines import Clock, answer, telling
from tests.scripts import program

WRONG_KEY = "No ED25519 host key is known for pacs.example.org and you have requested strict checking.\r\n"
WRONG_KEY += "Host key verification failed.\r\n"
DENIED = "ohif@pacs.example.org: Permission denied (publickey).\r\n"
REFUSED = "ssh: connect to host pacs.example.org port 22: Connection refused\r\n"
SHELL = ssh_shell(user="ohif", address="pacs.example.org", port=22, options=["-o", "BatchMode=yes"])


CUTS = {
    "before a word": "exit 255",
    "after half of the answer": 'exec 3>&1; eval "$run" | { head -c 3 >&3; cat >/dev/null; }; exit 255',
    "before the last line": 'eval "$run" | sed "\\$d"; exit 255',
    "in good order": 'eval "$run" >/dev/null; exit 0',
    "by a signal": "kill -9 $$",
}
"""What SSH does in the place of its work."""


@dataclass
class World:
    """A machine that SSH reaches or not."""

    folder: Path
    clock: Clock

    def says(self, *errors: str) -> None:
        """What SSH says at each call in turn; after that, and for an empty text, the machine is reached."""
        for number, error in enumerate(errors):
            if error:
                (self.folder / str(number)).write_text(error)

    def cuts(self, number: int, cut: str) -> None:
        """Ends one call early, in one of the ways of CUTS."""
        (self.folder / f"{number}.sh").write_text(CUTS[cut])

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
here={tmp_path}
touch $here/calls
number=$(wc -l <$here/calls)
echo "$*" | tr '\\n' ' ' >>$here/calls
echo >>$here/calls
[ -e "$here/$number" ] && {{ cat "$here/$number" >&2; exit 255; }}
for last; do :; done
run='sh -c "$last"'
[ -e "$here/$number.sh" ] && . "$here/$number.sh"
exec sh -c "$last"
""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield World(tmp_path, Clock(monkeypatch))


SCRIPT = """printf '%s|' "a  b" '$HOME' ; echo "to both" >&2; cat; exit 3"""


@pytest.mark.parametrize("shell", [SHELL, local_shell()], ids=["there", "here"])
def test_script_arrives_as_it_is(world: World, shell: Shell) -> None:
    answer = asyncio.run(shell.run(SCRIPT, timeout=20))
    assert (answer.code, answer.output, answer.errors) == (3, "a  b|$HOME|", "to both")


def test_options_come_before_the_machine(world: World) -> None:
    asyncio.run(SHELL.run("true", timeout=20))
    call = (world.folder / "calls").read_text().strip()
    assert call.startswith("-o BatchMode=yes -p 22 ohif@pacs.example.org sh -c ")
    assert call.endswith(" sh true")


def test_answer_is_not_waited_for_beyond_timeout(world: World) -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match=r"ohif@pacs\.example\.org: no answer within 0 s"):
        asyncio.run(SHELL.run("exec sleep 30", timeout=0.3))
    assert time.monotonic() - started < 10


def test_missing_client_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="ssh is not on this machine; install an OpenSSH client"):
        asyncio.run(SHELL.run("true", timeout=20))


@pytest.mark.parametrize(
    "errors",
    [[], [REFUSED] * 3, [DENIED, DENIED], [WRONG_KEY] * 5, [REFUSED, WRONG_KEY, DENIED]],
    ids=["at once", "boots", "makes its users", "gets its key", "all of it"],
)
def test_machine_that_starts_is_waited_for(world: World, errors: list[str]) -> None:
    world.says(*errors)
    asyncio.run(SHELL.wait_until_reachable(timeout=600))
    assert world.calls == len(errors) + 1


@pytest.mark.parametrize(
    ("error", "timeout", "given_up_at", "says"),
    [
        (WRONG_KEY, 600, 18, "shows another SSH host key than the one that is known"),
        (WRONG_KEY, 10, 8, "Nothing was changed"),
        (
            REFUSED,
            60,
            58,
            r"cannot be reached by SSH: ssh: connect to host .* refused \(exit code 255\)\. Check address",
        ),
        (REFUSED, 10, 8, r"firewall \(adminNetworks\)"),
        (DENIED, 10, 8, r"Permission denied \(publickey\) \(exit code 255\)\. Check .*privateKeyFile"),
    ],
    ids=["wrong key", "wrong key of a server", "no VM", "no server", "wrong key of ours"],
)
def test_what_does_not_come_is_given_up(
    world: World, error: str, timeout: float, given_up_at: float, says: str
) -> None:
    world.says(*[error] * 400)
    with pytest.raises(MachineError, match=says):
        asyncio.run(SHELL.wait_until_reachable(timeout=timeout))
    assert world.clock.now == given_up_at


def test_exit_code_of_the_command_is_an_answer_also_when_it_is_the_one_of_ssh(world: World) -> None:
    found = asyncio.run(SHELL.run("echo half; echo why >&2; exit 255", timeout=60))
    assert found == CommandResult(code=255, output="half\n", errors="why")
    assert found.failure == "exit code 255: why"
    assert world.calls == 1


@pytest.mark.parametrize("cut", CUTS)
def test_lost_connection_is_no_answer(world: World, cut: str) -> None:
    world.cuts(0, cut)
    world.cuts(1, cut)
    found = asyncio.run(SHELL.run("echo one; echo two; exit 4", timeout=60))
    assert found == CommandResult(code=4, output="one\ntwo\n", errors="")
    assert world.calls == 3


def test_connection_that_is_lost_every_time_is_given_up_with_the_last_line(world: World) -> None:
    for number in range(20):
        world.cuts(number, "before the last line")
    with pytest.raises(MachineError, match=r"cannot be reached by SSH: heard \(exit code 255\)"):
        asyncio.run(SHELL.run("echo heard >&2", timeout=30))
    assert world.clock.now == 28


CLOUD_INIT = """echo '{"status": "done", "errors": []}'"""
DOCKER = """\
case "$*" in
  *DockerRootDir*) echo / ;;
  info*) echo '{"ServerVersion":"26.1.5","MemTotal":8589934592}' ;;
  version*) echo 26.1.5 ;;
  exec*) echo "no such name"; exit 1 ;;
esac
"""


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("question", range(5))
def test_connection_may_break_in_each_question_of_the_program(world: World, question: int, cut: str) -> None:
    program(world.folder, "cloud-init", CLOUD_INIT)
    program(world.folder, "docker", DOCKER)
    world.cuts(question, cut)

    async def all_questions() -> None:
        await wait_for(SHELL)
        await check_server(SHELL, StackContext(project="ohif", stack="ward", images={}, protect_data=True), [])
        # As of the certificate: its answer is on the standard output.
        verdict = await SHELL.settled("docker exec x", timeout=60, repeat=unless_explained)
        assert verdict == CommandResult(code=1, output="no such name\n", errors="")

    asyncio.run(all_questions())
    assert world.calls == 6


@pytest.mark.parametrize(
    ("answers", "asked", "found"),
    [
        ([answer(code=1), answer(code=1), answer("fine")], 3, answer("fine")),
        ([answer(code=1), answer(code=1, errors="why")], 2, answer(code=1, errors="why")),
        ([answer(code=1, output="why")], 1, answer(code=1, output="why")),
        ([answer(code=1)] * 9, 6, answer(code=1)),
    ],
    ids=["works", "explained later", "explained", "never explained"],
)
def test_failure_without_a_reason_is_asked_about_again(
    monkeypatch: pytest.MonkeyPatch, answers: list[CommandResult], asked: int, found: CommandResult
) -> None:
    Clock(monkeypatch)
    left = list(answers)
    shell = telling(lambda _: left.pop(0))
    assert asyncio.run(shell.settled("x", timeout=60, repeat=unless_explained)) == found
    assert len(answers) - len(left) == asked
