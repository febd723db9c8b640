"""The health check of images without an HTTP client, run by a real bash against a real port."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.containers import healthcheck
from components.containers.healthcheck import Healthcheck, http_probe, paused

Answers = list[int]


@pytest.fixture
def port() -> Iterator[tuple[int, Answers, list[str]]]:
    """A server that answers with these statuses in turn, then with 200; its port, and what it was asked."""
    left: Answers = []
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(left.pop(0) if left else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], left, asked
    server.shutdown()
    server.server_close()


def passes(command: Sequence[str], **environment: str) -> bool:
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, timeout=20)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("answers", "connections", "thorough", "healthy", "asked"),
    [
        ([], 0, "", True, 1),
        ([503], 0, "", False, 1),
        ([], 3, "", True, 1),
        ([], 3, "1", True, 4),
        ([503] * 3, 3, "", True, 7),
        ([503, 200, 200, 503, 503], 3, "", True, 9),
        ([200, 503], 3, "1", True, 6),
        ([503] * 99, 3, "", False, 16),
    ],
    ids=["good", "bad", "pool", "pool, thorough", "all dead", "some dead", "one dead, thorough", "no database"],
)
def test_probe_passes_when_each_connection_has_answered(
    port: tuple[int, Answers, list[str]],
    answers: Answers,
    connections: int,
    thorough: str,
    healthy: bool,
    asked: int,
) -> None:
    number, left, requests = port
    left += answers
    assert passes(http_probe(number, "/system", connections=connections), THOROUGH=thorough) is healthy
    assert requests == ["/system None"] * asked


def test_probe_shows_its_credential_each_time(port: tuple[int, Answers, list[str]], tmp_path: Path) -> None:
    number, left, requests = port
    left += [503]
    (tmp_path / "header").write_text("Basic eA==")
    assert passes(http_probe(number, "/system", str(tmp_path / "header"), connections=1))
    assert requests == ["/system Basic eA=="] * 3


def test_closed_port_is_tried_as_often(port: tuple[int, Answers, list[str]]) -> None:
    assert not passes(http_probe(9, "/system", connections=3))


def test_a_check_that_has_passed_waits_before_the_next(tmp_path: Path) -> None:
    """Not so the first, one after a failure, and one that somebody waits for."""
    answer = tmp_path / "answer"
    command = paused(Healthcheck(command=["test", "-e", str(answer)], pause=1), str(tmp_path))

    def runs(**environment: str) -> tuple[bool, bool]:
        """Whether it passes, and whether it waited."""
        started = time.monotonic()
        done = subprocess.run(command, env={**os.environ, **environment}, check=False)
        return done.returncode == 0, time.monotonic() - started > 0.9

    assert runs() == (False, False)
    answer.touch()
    assert runs() == (True, False)
    assert runs() == (True, True)
    assert runs(THOROUGH="1") == (True, False)
    answer.unlink()
    assert runs() == (False, True)
    assert runs() == (False, False)


def test_a_check_without_an_answer_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "CHECK_SECONDS", 1)
    command = paused(Healthcheck(command=["sleep", "30"]), str(tmp_path))
    assert subprocess.run(command, check=False, timeout=5).returncode == 1
