"""Mails: a user is invited, a changed password reaches the mail server, and `up` says when it is not reached."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from settings import ArchiveKind
from tests.e2e.backup_settings import backup_to
from tests.e2e.conftest import UpWith
from tests.e2e.harness import ARCHIVE, NAME, Stack, tool, wait_until
from tests.e2e.realm import Realm
from tools.dicomweb import StackOutputs, sign_in

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="Keycloak does not ask which archive it is")

PORT = 2526
USER = "invited"


class MailServer:
    """A mail server that wants a password, and keeps what it is sent."""

    def __init__(self, address: str) -> None:
        self.passwords: list[str] = []
        self.mails: list[bytes] = []
        self.wanted = "first"
        self.controller = Controller(
            self, hostname=address, port=PORT, authenticator=self.authenticate, auth_require_tls=False,
            auth_required=True,
        )  # fmt: skip

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.passwords.append(data.password.decode())
        return AuthResult(success=self.passwords[-1] == self.wanted)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content)
        return "250 OK"

    def text(self) -> str:
        """The last mail, in plain text."""
        message = message_from_bytes(self.mails[-1])
        part = next(it for it in message.walk() if it.get_content_type() == "text/plain")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content.decode()


@pytest.fixture(scope="module")
def mail_server(stack: Stack) -> Iterator[MailServer]:
    made = MailServer(stack.edge_address())
    made.controller.start()
    yield made
    made.controller.stop()


@pytest.fixture(scope="module")
def smtp(mail_server: MailServer, up_with: UpWith) -> dict[str, object]:
    """The stack's settings, with the server's first password."""
    made: dict[str, object] = {
        "host": mail_server.controller.hostname,
        "port": PORT,
        "startTls": False,
        "from": "pacs@example.org",
        "user": "pacs",
        "password": "first",
    }
    assert "error" not in up_with(smtp=made)
    return made


def test_a_user_is_invited_and_chooses_a_password(
    stack: Stack, outputs: StackOutputs, mail_server: MailServer, smtp: dict[str, object]
) -> None:
    realm = Realm(stack, outputs.credentials["admin"])
    realm.ask("POST", "/users", {"username": USER, "enabled": True, "email": "invited@example.org"})
    try:
        role = realm.ask("GET", "/roles/viewer")
        realm.ask("POST", f"/users/{realm.user(USER)}/role-mappings/realm", [role])
        done = tool("invite", USER)
        assert done.returncode == 0, done.stdout
        assert mail_server.passwords == ["first"]
        (link,) = re.findall(r"http://127\.0\.0\.1:\S+", mail_server.text())
        password = secrets.token_urlsafe(20)
        with httpx.Client(follow_redirects=True, trust_env=False, event_hooks={"response": []}) as client:
            page = client.get(link)
            for cookie in client.cookies.jar:
                cookie.secure = False
            onward = re.search(r'href="([^"]*action-token[^"]*)"', page.text)
            assert onward, page.text
            form = client.get(onward[1].replace("&amp;", "&"))
            action = re.search(r'action="([^"]+)"', form.text)
            assert action, form.text
            answer = client.post(
                action[1].replace("&amp;", "&"), data={"password-new": password, "password-confirm": password}
            )
            assert answer.status_code == 200, answer.text
        with closing(sign_in(stack.url, USER, password)) as session:
            assert session.get("/pacs/studies").status_code == 200
    finally:
        realm.ask("DELETE", f"/users/{realm.user(USER)}")


@pytest.mark.parametrize(("user", "reason"), [("stranger", "no user stranger"), ("viewer", "no mail address")])
def test_who_cannot_be_invited_is_said(smtp: dict[str, object], user: str, reason: str) -> None:
    done = tool("invite", user)
    assert (done.returncode, reason in done.stdout) == (1, True), done.stdout


def test_a_changed_password_reaches_the_mail_server(
    stack: Stack, outputs: StackOutputs, mail_server: MailServer, smtp: dict[str, object], up_with: UpWith
) -> None:
    realm = Realm(stack, outputs.credentials["admin"])
    realm.ask("POST", "/users", {"username": USER, "enabled": True, "email": "invited@example.org"})
    try:
        mail_server.wanted = "second"
        refused = tool("invite", USER)
        assert (refused.returncode, "did not send the mail" in refused.stdout) == (1, True), refused.stdout
        up_with(smtp={**smtp, "password": "second"})
        done = tool("invite", USER)
        assert done.returncode == 0, done.stdout
        assert mail_server.passwords[-1] == "second"
    finally:
        realm.ask("DELETE", f"/users/{realm.user(USER)}")


def test_a_backup_that_fails_is_said_by_mail_and_so_is_its_end(
    mail_server: MailServer, smtp: dict[str, object], up_with: UpWith, tmp_path: Path
) -> None:
    mail_server.wanted = "first"
    repository = tmp_path / "repository"
    repository.mkdir()
    up_with(smtp=smtp, backup={**backup_to(str(repository)), "mailTo": ["it@example.org"]})
    assert tool("backup", "now").returncode == 0
    before = len(mail_server.mails)
    config = repository / "config"
    config.rename(repository / "away")
    config.mkdir()
    assert tool("backup", "now").returncode == 1
    wait_until(lambda: len(mail_server.mails) > before, "mail about the backup that failed", 60)
    message = message_from_bytes(mail_server.mails[-1])
    assert (message["To"], message["Subject"]) == ("it@example.org", f"Backups of {NAME} need attention")
    assert "The last backup failed: " in mail_server.text()
    config.rmdir()
    (repository / "away").rename(config)
    assert tool("backup", "now").returncode == 0
    wait_until(lambda: len(mail_server.mails) > before + 1, "mail that backups work again", 60)
    assert "work again" in message_from_bytes(mail_server.mails[-1])["Subject"]
    assert len(mail_server.mails) == before + 2


def test_up_says_when_the_mail_server_is_not_reached(smtp: dict[str, object], up_with: UpWith) -> None:
    assert "is not known to the DNS" in up_with(smtp={**smtp, "host": "mail.nowhere.invalid"})
