"""The DuckDNS updater: what it sends, and what it says of the answer."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scripts import load
from tests.servers import Reply, serving

TOKEN = "S3cret.of-duckdns"


@pytest.fixture
def duckdns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    module = load("public_name/duckdns.py")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setattr(module, "TOKEN", tmp_path / "token")
    monkeypatch.setattr(module, "TAKEN", tmp_path / "taken")
    monkeypatch.setenv("DUCKDNS_DOMAIN", "my-lab")
    monkeypatch.setenv("DUCKDNS_SERVER", "http://127.0.0.1:9")
    yield module


@pytest.mark.parametrize(
    ("addresses", "ip", "ipv6"),
    [
        ("", "", None),
        ("192.0.2.77", "192.0.2.77", None),
        ("192.0.2.77 2001:db8:77::1", "192.0.2.77", "2001:db8:77::1"),
        ("2001:db8:77::1", "", "2001:db8:77::1"),
    ],
    ids=["whence it comes", "ipv4", "both", "ipv6"],
)
def test_sends_the_addresses(
    duckdns: ModuleType, monkeypatch: pytest.MonkeyPatch, addresses: str, ip: str, ipv6: str | None
) -> None:
    monkeypatch.setenv("ADDRESSES", addresses)
    with serving(lambda _: Reply(body="OK")) as (server, asked):
        monkeypatch.setenv("DUCKDNS_SERVER", server)
        assert duckdns.update() == ""
    (request,) = asked
    assert urlsplit(request.path).path == "/update"
    query = {key: value for key, (value,) in parse_qs(urlsplit(request.path).query, keep_blank_values=True).items()}
    assert query == {"domains": "my-lab", "token": TOKEN, "ip": ip, **({"ipv6": ipv6} if ipv6 else {})}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(body="KO"), "refuses: is the token"),
        (Reply(body=""), "refuses: is the token"),
        (Reply(status=500), "does not answer"),
        (Reply(raw=b"nonsense\r\n\r\n"), "does not answer"),
        (Reply(raw=b""), "does not answer"),
        (None, "does not answer"),
    ],
    ids=["refused", "empty", "error", "no HTTP", "closed", "nobody there"],
)
def test_says_what_is_wrong_without_the_token(
    duckdns: ModuleType, monkeypatch: pytest.MonkeyPatch, reply: Reply | None, says: str
) -> None:
    with serving(lambda _: reply or Reply()) as (server, _):
        if reply:
            monkeypatch.setenv("DUCKDNS_SERVER", server)
        problem = duckdns.update()
    assert says in problem
    assert TOKEN not in problem


@pytest.mark.parametrize(("age", "code"), [(None, 1), (0, 0), (600, 0), (1000, 1)])
def test_check_wants_an_address_that_was_taken_lately(
    duckdns: ModuleType, monkeypatch: pytest.MonkeyPatch, age: int | None, code: int
) -> None:
    if age is not None:
        duckdns.TAKEN.touch()
        then = time.time() - age
        os.utime(duckdns.TAKEN, (then, then))
    monkeypatch.setattr("sys.argv", ["updater.py", "check"])
    assert duckdns.main() == code


def test_repeats_and_sooner_after_a_failure(
    duckdns: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([Reply(body="KO"), Reply(body="OK"), Reply(body="OK")])
    pauses: list[int] = []

    def sleep(seconds: int) -> None:
        pauses.append(seconds)
        assert duckdns.TAKEN.exists() is (len(pauses) > 1)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["updater.py"])
    monkeypatch.setattr(duckdns.time, "sleep", sleep)
    with serving(lambda _: next(answers)) as (server, _):
        monkeypatch.setenv("DUCKDNS_SERVER", server)
        with pytest.raises(KeyboardInterrupt):
            duckdns.main()
    assert pauses == [60, 300, 300]
    assert TOKEN not in capsys.readouterr().out
