"""The loop around certbot: when it asks the authority and when not, what it lays out, and what it says."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.certificates import Certificate, signed
from tests.scripts import load, program
from tests.servers import Reply, serving

HOST = "pacs.example.org"
OURS, OUR_IPV6, FOREIGN = "192.0.2.77", "2001:db8:77::1", "198.51.100.9"
CERTBOT = """\
printf '%s\\n' "$@" end >>"$FAKE/calls"
[ -e "$FAKE/refusal" ] && { cat "$FAKE/refusal"; exit 1; }
mkdir -p "$FAKE/home/live/pacs.example.org" "$FAKE/home/renewal"
cp "$FAKE/chain" "$FAKE/home/live/pacs.example.org/fullchain.pem"
cp "$FAKE/key" "$FAKE/home/live/pacs.example.org/privkey.pem"
while [ "$1" != --server ]; do shift; done
printf 'version = 4.0.0\\n[renewalparams]\\nserver = %s\\n' "$2" >"$FAKE/home/renewal/pacs.example.org.conf"
"""
"""What the real one does, as far as the certbot_loop sees it."""


class EndOfTest(BaseException):
    """Passes through whatever the certbot_loop catches."""


@dataclass
class World:
    """What is around the certbot_loop."""

    folder: Path
    certbot_loop: ModuleType
    resolves: set[str] = field(default_factory=lambda: {OURS})
    clock: float = 1e9
    ends_at: float = float("inf")
    stride: float = 0
    """Seconds that each pause takes at least: long ones are taken in steps of a second."""
    meanwhile: Callable[[], None] = field(default=lambda: None)
    """Done at each pause."""

    def issues(self, certificate: Certificate) -> None:
        """The authority's next certificate."""
        (self.folder / "chain").write_text(certificate.pem)
        (self.folder / "key").write_text(certificate.key_pem)

    def refuses(self, words: str | None) -> None:
        """What the authority says from now on; `None`: it issues."""
        refusal = self.folder / "refusal"
        refusal.unlink(missing_ok=True)
        if words is not None:
            refusal.write_text(words)

    def lies(self, certificate: Certificate | None) -> None:
        """What is served from before."""
        self.certbot_loop.CERTIFICATE.file.unlink(missing_ok=True)
        if certificate:
            self.certbot_loop.CERTIFICATE.file.parent.mkdir(parents=True, exist_ok=True)
            self.certbot_loop.CERTIFICATE.file.write_text(certificate.pem + certificate.key_pem)

    @property
    def renewal(self) -> Path:
        """certbot's own note on the certificate."""
        home: Path = self.certbot_loop.HOME
        return home / "renewal" / f"{HOST}.conf"

    @property
    def calls(self) -> list[list[str]]:
        """Command lines of certbot."""
        file = self.folder / "calls"
        lines = file.read_text().split("\nend\n") if file.exists() else []
        return [line.splitlines() for line in lines if line]

    @property
    def served(self) -> str | None:
        """What the gateway would find."""
        file: Path = self.certbot_loop.CERTIFICATE.file
        return file.read_text() if file.exists() else None

    def run(self, seconds: float) -> None:
        """Let it run so long, by its own clock."""
        self.ends_at, self.stride = self.clock + seconds, seconds / 2000
        with pytest.raises(EndOfTest):
            self.certbot_loop.run()

    def sleep(self, seconds: float) -> None:
        """In place of time.sleep."""
        self.clock += max(seconds, self.stride)
        if self.clock > self.ends_at:
            raise EndOfTest
        self.meanwhile()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A certbot_loop on files of the test's own; the authority's directory is one of them."""
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "certbot", CERTBOT)
    (tmp_path / "directory").write_text("{}")
    environment = {
        "DOMAIN": HOST,
        "ACME_DIRECTORY": f"file://{tmp_path}/directory",
        "ACME_EMAIL": "it@example.org",
        "EXPECTED_ADDRESSES": f"{OURS} {OUR_IPV6}",
        "DNS_PATIENCE": "60",  # glossary: allow
        "FAKE": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    certbot_loop = load("public_name/certbot_loop.py")
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {
        "HOME": home,
        "CERTIFICATE": certbot_loop.ServedCertificate(home, HOST),
        "STATE": tmp_path / "state.json",
        "AGAIN": tmp_path / "again",
        "OWN_AUTHORITY": tmp_path / "ca.pem",
        "BUNDLE": tmp_path / "authorities.pem",
    }.items():
        assert hasattr(certbot_loop, name)
        monkeypatch.setattr(certbot_loop, name, value)
    made = World(tmp_path, certbot_loop)
    made.issues(signed("first", ends=90))
    monkeypatch.setattr(certbot_loop, "addresses", lambda: made.resolves)
    clock = SimpleNamespace(time=lambda: made.clock, monotonic=lambda: made.clock, sleep=made.sleep)
    monkeypatch.setattr(certbot_loop, "time", clock)
    mask = os.umask(0o022)
    yield made
    os.umask(mask)


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log; each line is JSON."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_first_certificate_is_asked_for_and_laid_out(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.run(60)
    (call,) = world.calls
    actual = dict(zip(call, [*call[1:], ""], strict=True))
    assert actual["--webroot-path"] == str(world.certbot_loop.HOME / "webroot")
    assert (actual["--domain"], actual["--cert-name"], actual["--email"]) == (HOST, HOST, "it@example.org")
    assert actual["--server"] == world.certbot_loop.DIRECTORY
    assert {"--non-interactive", "--keep-until-expiring", "--agree-tos"} <= set(call)
    chain, key = (world.folder / "chain").read_text(), (world.folder / "key").read_text()
    assert world.served == chain + key
    (served,) = lines(capfd)
    assert (served["event"], served["domain"], served["days"]) == ("certificate served", HOST, 90)
    assert key.splitlines()[1] not in json.dumps(served)
    assert world.certbot_loop.wait() == world.certbot_loop.check() == 0


def test_only_the_gateways_group_reads_it(world: World) -> None:
    world.run(60)
    served: Path = world.certbot_loop.CERTIFICATE.file
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (served, served.parent, world.certbot_loop.HOME)}
    assert modes == {served: 0o640, served.parent: 0o750, world.certbot_loop.HOME: 0o750}
    assert [path.name for path in served.parent.iterdir()] == [served.name]
    assert stat.S_IMODE((world.certbot_loop.HOME / "webroot").stat().st_mode) & 0o050 == 0o050


@pytest.mark.parametrize(
    ("resolves", "says"),
    [
        (set(), f"{HOST} does not resolve, and should to {OURS} and {OUR_IPV6}."),
        ({FOREIGN}, f"{HOST} resolves to {FOREIGN}, and should to {OURS} and {OUR_IPV6}."),
        ({OURS, FOREIGN}, f"{HOST} resolves to {OURS}, {FOREIGN}, and should"),
    ],
    ids=["nowhere", "elsewhere", "elsewhere too"],
)
def test_authority_is_not_asked_while_the_name_points_elsewhere(
    world: World, capfd: pytest.CaptureFixture[str], resolves: set[str], says: str
) -> None:
    world.resolves = resolves
    world.run(10 * 60)
    assert world.calls == []
    log = lines(capfd)
    assert len(log) > 3
    for line in log:
        assert line["event"] == "no new certificate"
        assert line["reason"].startswith(says)
        assert "was not asked yet" in line["reason"]
        assert line["next_try_in_seconds"] == world.certbot_loop.UNREACHED_PAUSE
    assert world.certbot_loop.check() == 1


@pytest.mark.parametrize("resolves", [{OURS}, {OUR_IPV6}, {OURS, OUR_IPV6}], ids=str)
def test_name_that_points_here_will_do(world: World, resolves: set[str]) -> None:
    world.resolves = resolves
    world.certbot_loop.once()
    assert len(world.calls) == 1


def test_name_is_not_looked_at_where_nobody_knows_the_addresses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.certbot_loop, "EXPECTED", frozenset())
    world.resolves = {FOREIGN}
    world.certbot_loop.once()
    assert len(world.calls) == 1


def test_record_of_ones_own_is_waited_for(world: World) -> None:
    world.resolves, started = set(), world.clock

    def seen_at_last() -> None:
        world.resolves = {OURS} if world.clock > started + 30 else set()

    world.meanwhile = seen_at_last
    world.certbot_loop.once()
    assert len(world.calls) == 1


def test_name_is_not_waited_for_when_there_is_a_certificate(world: World) -> None:
    world.lies(signed("old", ends=20))
    world.resolves, started = set(), world.clock
    with pytest.raises(world.certbot_loop.NotAskedError):
        world.certbot_loop.once()
    assert world.clock == started


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(raw=b"nonsense\r\n\r\n"), Reply(raw=b""), None],
    ids=["error", "no HTTP", "closed", "nobody there"],
)
def test_authority_that_does_not_answer_is_asked_again_soon(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reply: Reply | None
) -> None:
    with serving(lambda _: reply or Reply()) as (address, _):
        where = address if reply else "http://127.0.0.1:9"
        monkeypatch.setattr(world.certbot_loop, "DIRECTORY", f"{where}/directory")
        world.run(100)
    assert world.calls == []
    for line in lines(capfd):
        assert line["reason"].startswith(f"The certification authority at {where}/directory does not answer: ")
        assert line["next_try_in_seconds"] == world.certbot_loop.UNREACHED_PAUSE


def test_refusals_are_answered_with_longer_and_longer_pauses(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.refuses("Some challenges have failed.\n  Detail: 192.0.2.77: Connection refused\nSee the logfile\n")
    world.run(3 * 24 * 3600)
    log = lines(capfd)
    pauses = [line["next_try_in_seconds"] for line in log]
    assert pauses[:4] == [180, 360, 720, 1440]
    assert pauses == sorted(pauses)
    assert pauses[-1] == world.certbot_loop.LONGEST_PAUSE == 6 * 3600
    # Let's Encrypt, "Rate Limits": 5 failed validations per host name and hour.
    tries = [sum(pauses[:index]) for index in range(len(pauses))]
    assert all(sum(start <= it < start + 3600 for it in tries) <= 5 for start in tries)
    assert {line["reason"] for line in log} == {"The certification authority refused: 192.0.2.77: Connection refused"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("An unexpected error occurred:\nToo many certificates\n", "Too many certificates"), ("", "no reason given")],
)
def test_reason_of_a_refusal_is_the_last_that_was_said(world: World, said: str, reason: str) -> None:
    world.refuses(said)
    with pytest.raises(world.certbot_loop.NotYetError, match=f"refused: {reason}$"):
        world.certbot_loop.once()


def test_what_the_authority_never_heard_does_not_lengthen_the_pause(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.resolves, started = set(), world.clock
    world.refuses("no")

    def points_here_after_an_hour() -> None:
        world.resolves = {OURS} if world.clock > started + 3600 else set()

    world.meanwhile = points_here_after_an_hour
    world.run(4000)
    assert [line["next_try_in_seconds"] for line in lines(capfd) if "refused" in line["reason"]] == [180, 360]


def test_pauses_start_again_after_a_success(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.refuses("no")
    world.meanwhile = lambda: world.refuses(None) if world.clock > 1e9 + 600 else None
    world.run(1300)
    assert [line["event"] for line in lines(capfd)] == [*["no new certificate"] * 3, "certificate served"]
    world.meanwhile = lambda: None
    world.lies(signed("ends", ends=1))
    world.refuses("no")
    world.run(100)
    assert lines(capfd)[-1]["next_try_in_seconds"] == 180


def test_failed_renewal_is_said_now_and_then_while_the_old_one_is_served(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.lies(signed("old", ends=20))
    world.resolves = {FOREIGN}
    world.run(24 * 3600)
    log = lines(capfd)
    assert 4 <= len(log) <= 12
    assert {line["days_left"] for line in log} == {20}


def test_certbot_that_is_missing_ends_nothing(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    world.run(200)
    assert [line["event"] for line in lines(capfd)] == ["no new certificate"] * 2


def test_what_the_volume_keeps_is_served_before_anybody_is_asked(world: World) -> None:
    kept = signed("kept", ends=60)
    world.issues(kept)
    world.certbot_loop.certbot()
    world.resolves = {FOREIGN}
    world.lies(None)
    world.run(10)
    assert world.served == kept.pem + kept.key_pem
    assert len(world.calls) == 1


def test_renewal_is_looked_for_twice_a_day_and_served_in_one_step(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = set()

    def look() -> None:
        seen.add(world.served)
        if world.clock > 1e9 + 20 * 3600:
            world.issues(second)

    second = signed("second", ends=90)
    world.meanwhile = look
    world.run(48 * 3600)
    assert 4 <= len(world.calls) <= 6
    assert len(seen) == 2
    assert world.served == second.pem + second.key_pem
    # Twice: what is the same is not laid out again.
    assert [line["event"] for line in lines(capfd)] == ["certificate served"] * 2


def test_certificate_from_another_authority_is_no_reason_to_keep_it(world: World) -> None:
    """Staging first, then the real one: certbot itself would keep the first to its end."""
    world.run(10)
    assert "--keep-until-expiring" in world.calls[-1]
    assert not world.certbot_loop.from_another_authority()
    world.renewal.write_text("[renewalparams]\nserver = https://acme-staging.example.org/directory\n")
    assert world.certbot_loop.from_another_authority()
    world.run(10)
    assert "--force-renewal" in world.calls[-1]
    assert not world.certbot_loop.from_another_authority()


def test_wait_ends_when_a_certificate_of_another_authority_is_replaced(world: World) -> None:
    world.lies(signed("staging", ends=90))
    world.renewal.parent.mkdir()
    world.renewal.write_text("server = https://acme-staging.example.org/directory\n")
    world.certbot_loop.note(state="working")

    def replaced() -> None:
        world.renewal.write_text(f"server = {world.certbot_loop.DIRECTORY}\n")
        world.certbot_loop.note(state="done")

    world.meanwhile = replaced
    assert world.certbot_loop.wait() == 0


def test_private_authority_is_trusted_in_addition_to_the_public_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = signed("a hospital's authority").pem
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, "as it was")
    world.certbot_loop.trust()
    assert os.environ["SSL_CERT_FILE"] == "as it was"
    world.certbot_loop.OWN_AUTHORITY.write_text(own)
    world.certbot_loop.trust()
    assert os.environ["REQUESTS_CA_BUNDLE"] == os.environ["SSL_CERT_FILE"] == str(world.certbot_loop.BUNDLE)
    trusted = world.certbot_loop.BUNDLE.read_text()
    assert own in trusted
    assert trusted.count("BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize(
    ("life", "left", "verdict"),
    [(90, 60, 0), (90, 8, 0), (90, 6, 1), (90, -1, 1), (6, 3, 0), (6, 1, 1), (None, None, 1)],
)
def test_check_worries_a_week_before_the_end_or_in_the_last_quarter_of_a_short_life(
    world: World, capsys: pytest.CaptureFixture[str], life: float | None, left: float | None, verdict: int
) -> None:
    if life is not None and left is not None:
        world.lies(signed("served", begins=left - life, ends=left))
    assert world.certbot_loop.check() == verdict
    assert bool(capsys.readouterr().out) is bool(verdict)
    world.certbot_loop.note(state="failed", reason="The certification authority refused: no")
    assert world.certbot_loop.check() == verdict
    assert ("refused: no" in capsys.readouterr().out) is bool(verdict)


def test_check_does_not_take_rubbish_for_a_certificate(world: World) -> None:
    world.certbot_loop.CERTIFICATE.file.parent.mkdir()
    world.certbot_loop.CERTIFICATE.file.write_text("-----BEGIN CERTIFICATE-----\nrubbish\n")
    assert world.certbot_loop.check() == 1


def test_wait_starts_another_try_and_prints_why_not(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.certbot_loop.note(state="failed", reason="an old one")

    def fails_again() -> None:
        assert world.certbot_loop.AGAIN.exists()
        world.certbot_loop.note(state="failed", reason="no record")

    world.meanwhile = fails_again
    assert world.certbot_loop.wait() == 1
    assert capsys.readouterr().out == "no record\n"


def test_one_who_waits_while_it_works_does_not_start_another_try(world: World) -> None:
    world.certbot_loop.note(state="working")

    def comes() -> None:
        world.lies(signed("comes", ends=90))
        world.certbot_loop.note(state="done")

    world.meanwhile = comes
    assert world.certbot_loop.wait() == 0
    assert not world.certbot_loop.AGAIN.exists()


def test_pause_ends_at_once_when_one_waits(world: World) -> None:
    world.refuses("no")
    world.meanwhile = lambda: world.certbot_loop.AGAIN.touch() if len(world.calls) == 1 else None
    world.run(150)
    assert len(world.calls) == 2
    assert not world.certbot_loop.AGAIN.exists()


@pytest.mark.parametrize(("refusal", "code"), [(None, 0), ("no", 1)])
def test_renewal_by_hand(world: World, capsys: pytest.CaptureFixture[str], refusal: str | None, code: int) -> None:
    world.refuses(refusal)
    assert world.certbot_loop.main(["renew"]) == code
    assert "--force-renewal" in world.calls[0]
    assert (world.served is not None) is (code == 0)
    assert ("refused: no" in capsys.readouterr().out) is bool(code)


def test_unknown_word_shows_the_known_ones(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.certbot_loop.main(["renw"]) == 2
    assert "renew now" in capsys.readouterr().out
