"""What is said of a mail server by what connecting to it has shown."""

from __future__ import annotations

import pytest

from tools.container_exec import Result
from tools.mail import TIMED_OUT, problem


@pytest.mark.parametrize(
    ("code", "output", "error", "reason"),
    [
        (0, "220 mail.example.org ESMTP\r\n", "", None),
        (0, "HTTP/1.1 400 Bad Request\r\n", "", "does not answer as a mail server does"),
        (TIMED_OUT, "", "", "does not answer"),
        (1, "", "/bin/bash: connect: Connection refused", "refuses the connection"),
        (1, "", "/bin/bash: mail.nowhere.invalid: Name or service not known", "is not known to the DNS"),
        (1, "", "/bin/bash: mail.nowhere.invalid: Temporary failure in name resolution", "is not known to the DNS"),
        (1, "", "/bin/bash: connect: No route to host", "no route leads to it"),
    ],
)
def test_the_reason_is_in_words(code: int, output: str, error: str, reason: str | None) -> None:
    found = problem(Result(code, output.encode(), error.encode()))
    assert found is None if reason is None else found is not None and reason in found
