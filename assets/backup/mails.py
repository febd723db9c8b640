"""Mails when backups fail or are overdue, once a day as long as it lasts, and one when they work again.

backup.sh writes how the last backup went into /var/lib/backup, which is mounted here to be read only. A mail that
cannot be sent is tried again soon, and makes the container unhealthy meanwhile. What was sent is not remembered
beyond a restart of the container: then it is said again.
"""

import os
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

WORK = Path("/var/lib/backup")
UNSENT = Path("/tmp/unsent")
"""Why the last mail could not be sent; not there if it was."""
PAUSE, DAY = 20, 86400


def problem(now: float) -> str | None:
    """What is wrong with the backups; `None`: nothing."""
    last, complete = (file.read_text() if (file := WORK / name).exists() else "" for name in ("last", "complete"))
    outcome = dict(line.partition("=")[::2] for line in last.splitlines()).get("outcome", "")
    if outcome not in ("", "ok"):
        return f"The last backup failed: {outcome}"
    age = now - int(complete or now)
    if age >= int(os.environ["BACKUP_OVERDUE"]):
        return f"The last complete backup began {age // 3600:.0f} hours ago."
    return None


def mail(subject: str, text: str) -> EmailMessage:
    """A mail to all recipients."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = os.environ["SMTP_FROM"], os.environ["MAIL_TO"], subject
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain=made["From"].rpartition("@")[2].strip("> "))
    made.set_content(text)
    return made


def send(message: EmailMessage) -> None:
    """Send it. Raises OSError, of which smtplib's errors are a kind."""
    host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
    with smtplib.SMTP(host, port, timeout=30) as server:
        if os.environ["SMTP_START_TLS"] == "true":
            server.starttls(context=ssl.create_default_context())
        if user := os.environ.get("SMTP_USER"):
            server.login(user, os.environ["SMTP_PASSWORD"])
        server.send_message(message)


class Reporter:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.reported: float | None = None
        """When the trouble that lasts was reported."""

    def look(self, now: float) -> None:
        """Send what is to be said now. Raises OSError."""
        stack, wrong = os.environ["STACK"], problem(now)
        if wrong and (self.reported is None or now - self.reported >= DAY):
            advice = f"`make status STACK={stack}` and `make backup STACK={stack}` show more. Earlier backups are kept."
            send(mail(f"Backups of {stack} need attention", f"{wrong}\n\n{advice}\n"))
            self.reported = now
        elif not wrong and self.reported is not None:
            send(mail(f"Backups of {stack} work again", "The last backup is complete.\n"))
            self.reported = None


def serve() -> None:
    """Look all the time."""
    reporter = Reporter()
    while True:
        try:
            reporter.look(time.time())
            UNSENT.unlink(missing_ok=True)
        except OSError as error:
            reason = f"mail not sent: {type(error).__name__}: {error}"
            print(reason, flush=True)
            UNSENT.write_text(reason)
        time.sleep(PAUSE)


def check() -> int:
    """The health check."""
    if UNSENT.exists():
        print(UNSENT.read_text())
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(check())
    serve()
