"""The socket to an engine behind SSH: opened again while the SSH server restarts."""

import os
from pathlib import Path

import pytest

from bootstrap import remote_engine
from bootstrap.remote_engine import forward
from tests.scripts import program

RESET = "kex_exchange_identification: read: Connection reset by peer"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an `ssh`: call N does what the file N says, or makes the socket and stays."""
    program(
        tmp_path,
        "ssh",
        f"""\
cd {tmp_path}
touch calls
number=$(wc -l <calls)
echo x >>calls
for word; do case "$word" in *engine.sock:*) socket=${{word%%:*}} ;; esac; done
[ -e "$number" ] && . "./$number"
touch "$socket"
exec cat >/dev/null
""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(remote_engine, "RETRY_SECONDS", 2)
    return tmp_path


def opened(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


@pytest.mark.parametrize(
    "loss",
    [f"echo {RESET} >&2; exit 255", "exit 0", "kill -9 $$"],
    ids=["refused", "in good order", "killed"],
)
def test_lost_connection_is_opened_again(calls: Path, loss: str) -> None:
    (calls / "0").write_text(loss)
    assert forward("ssh://ohif@pacs.example.org", []).endswith("/engine.sock")
    assert opened(calls) == 2


def test_connection_that_is_always_lost_is_given_up_with_code_and_last_line(calls: Path) -> None:
    for number in range(9):
        (calls / str(number)).write_text(f"echo first >&2; echo {RESET} >&2; exit 255")
    with pytest.raises(ConnectionError, match=rf"ssh://ohif@pacs.example.org: {RESET} \(exit code 255\)"):
        forward("ssh://ohif@pacs.example.org", [])
    assert opened(calls) > 1


@pytest.mark.parametrize("reason", ["Host key verification failed.", "ohif@pacs: Permission denied (publickey)."])
def test_refusal_is_final(calls: Path, reason: str) -> None:
    for number in range(3):
        (calls / str(number)).write_text(f"echo '{reason}' >&2; exit 255")
    with pytest.raises(ConnectionError, match=r"Host key|Permission denied"):
        forward("ssh://ohif@pacs.example.org", [])
    assert opened(calls) == 1
