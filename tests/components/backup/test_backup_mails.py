"""Mails about backups: when, once, and by a real mail server."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from policy.rules import RULES
from tests.program.harness import run_program
from tests.scripts import load
from tools.restore_drill import free_port

NOW, DAY, OVERDUE = 1_800_000_000, 86400, 26 * 3600


class MailServer:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str, str]] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content)
        text = message.get_payload(decode=True)
        assert isinstance(text, bytes)
        self.mails.append((envelope.rcpt_tos, message["Subject"], text.decode()))
        return "250 OK"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    made = MailServer()
    made.controller.start()
    environment = {
        "STACK": "prod",
        "MAIL_TO": "it@example.org, pacs@example.org",
        "BACKUP_OVERDUE": str(OVERDUE),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(made.controller.port),
        "SMTP_FROM": "stack@example.org",
        "SMTP_START_TLS": "false",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.controller.stop()


@pytest.fixture
def mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with files of the test's own."""
    made = load("backup/mails.py")
    monkeypatch.setattr(made, "WORK", tmp_path)
    monkeypatch.setattr(made, "UNSENT", tmp_path / "unsent")
    return made


def write(folder: Path, outcome: str, complete: int | None) -> None:
    """As backup.sh does."""
    (folder / "last").write_text(f"started={NOW}\nfinished={NOW}\noutcome={outcome}\n")
    if complete is not None:
        (folder / "complete").write_text(f"{complete}\n")


def test_a_failure_is_said_once_a_day_and_its_end_once(tmp_path: Path, mails: ModuleType, server: MailServer) -> None:
    reporter = mails.Reporter()
    reporter.look(NOW)
    write(tmp_path, "ok", NOW)
    reporter.look(NOW)
    assert server.mails == []
    write(tmp_path, "Fatal: no space left = full", NOW)
    for later in (0, 20, 40, DAY - 1, DAY, DAY + 20):
        reporter.look(NOW + later)
    assert [it[1] for it in server.mails] == ["Backups of prod need attention"] * 2
    recipients, _, text = server.mails[0]
    assert recipients == ["it@example.org", "pacs@example.org"]
    assert "The last backup failed: Fatal: no space left = full" in text
    write(tmp_path, "ok", NOW + DAY)
    for later in (40, 60):
        reporter.look(NOW + DAY + later)
    assert [it[1] for it in server.mails[2:]] == ["Backups of prod work again"]


def test_one_that_does_not_come_is_said(tmp_path: Path, mails: ModuleType, server: MailServer) -> None:
    write(tmp_path, "ok", NOW)
    reporter = mails.Reporter()
    reporter.look(NOW + OVERDUE - 1)
    assert server.mails == []
    reporter.look(NOW + OVERDUE)
    assert "began 26 hours ago" in server.mails[0][2]


def test_a_mail_that_cannot_be_sent_is_sent_later(
    tmp_path: Path, mails: ModuleType, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "Fatal: wrong password", None)
    pauses = iter([None, KeyboardInterrupt])
    own = mails.os.environ["SMTP_PORT"]

    def pause(_: float) -> None:
        checks.append(mails.check())
        mails.os.environ["SMTP_PORT"] = own
        if end := next(pauses):
            raise end

    checks: list[int] = []
    monkeypatch.setenv("SMTP_PORT", "1")
    monkeypatch.setattr(mails.time, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        mails.serve()
    assert checks == [1, 0]
    assert len(server.mails) == 1


def test_the_sender_sees_how_backups_went_and_nothing_else() -> None:
    made = run_program(
        {
            "backup": {"repository": "/srv/backup", "mailTo": ["it@example.org"]},
            "smtp": {"host": "mail.example.org", "from": "pacs@example.org", "user": "pacs", "password": "p"},
        }
    )
    sender = made.container("backup-mails")
    (volume,) = sender.inputs["volumes"]
    assert (volume["volumeName"], volume["readOnly"]) == ("ohif-dev-backup", True)
    assert sender.environment["SMTP_PASSWORD"] == "p"
    assert "RESTIC_PASSWORD" not in json.dumps(dict(sender.environment))
    assert [it for rule in RULES for it in rule.problems(made.resources)] == []


def test_nobody_gets_mails_without_the_setting() -> None:
    smtp = {"host": "mail.example.org", "from": "pacs@example.org"}
    made = run_program({"backup": {"repository": "/srv/backup"}, "smtp": smtp})
    assert "backup-mails" not in {it.inputs["hostname"] for it in made.of_type("Container")}
