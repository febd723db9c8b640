"""The Linode account, looked at before anything is made in it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from components.machine.linode_account import BUCKET_SCOPE, DNS_SCOPE, Account, AccountError
from tests.servers import Reply, Request, serving

TOKEN = "S3cret.of-the-account"
ALL_BUT_DNS = "linodes:read_write firewall:read_write volumes:read_write ips:read_write"
ZONES = [{"id": 1, "domain": "example.net"}, {"id": 4711, "domain": "example.org"}]


def profile(scopes: str | None) -> Reply:
    """An answer to a token with these scopes."""
    return Reply(body="{}", headers={} if scopes is None else {"X-OAuth-Scopes": scopes})


def refusal(status: int, reason: str) -> Reply:
    """An error as the API writes one."""
    return Reply(status=status, body=json.dumps({"errors": [{"reason": reason}]}))


def asking(answer: Callable[[Request], Reply], question: Callable[[Account], Any]) -> tuple[Any, list[Request]]:
    """Ask an account that answers so."""
    with serving(answer) as (address, asked):
        return asyncio.run(question(Account(token=TOKEN, url=address))), asked


def check(reply: Reply, *further: str) -> list[Request]:
    return asking(lambda _: reply, lambda account: account.check(frozenset(further)))[1]


@pytest.mark.parametrize(
    ("scopes", "further"),
    [
        ("*", [DNS_SCOPE]),
        (None, [DNS_SCOPE]),
        (ALL_BUT_DNS, []),
        (f"{ALL_BUT_DNS} domains:read_write", [DNS_SCOPE]),
        (f"{ALL_BUT_DNS} domains:read_write".replace(" ", ","), [DNS_SCOPE]),
        (f"{ALL_BUT_DNS} domains:read_write".replace(" ", ", "), [DNS_SCOPE]),
        (f"{ALL_BUT_DNS} domains:read_write object_storage:read_write", [DNS_SCOPE, BUCKET_SCOPE]),
    ],
    ids=["every right", "not actual", "without dns", "all", "commas", "commas and blanks", "bucket"],
)
def test_token_that_may(scopes: str | None, further: list[str]) -> None:
    (request,) = check(profile(scopes), *further)
    assert request.path == "/v4/profile"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("reply", "further", "says"),
    [
        (profile(ALL_BUT_DNS), [BUCKET_SCOPE, DNS_SCOPE], "has no right to write domains, object_storage. Make"),
        (profile(ALL_BUT_DNS), [DNS_SCOPE], "has no right to write domains. Make one at cloud.linode.com"),
        (profile("linodes:read_only volumes:read_write"), [], "no right to write firewall, ips, linodes."),
        (profile(""), [], "no right to write firewall, ips, linodes, volumes."),
        (refusal(401, "Invalid Token"), [], "Linode refuses it for profile: Invalid Token. Make one at"),
        (refusal(403, "Unauthorized."), [], "Linode refuses it for profile: Unauthorized. Make one at"),
        (Reply(status=502, body="<html>"), [], "status 502"),
        (Reply(status=401, body='{"errors": []}'), [], "status 401"),
    ],
    ids=["no bucket", "no dns", "reads only", "nothing", "unknown", "restricted", "no JSON", "no reason"],
)
def test_token_that_may_not(reply: Reply, further: list[str], says: str) -> None:
    with pytest.raises(AccountError) as problem:
        check(reply, *further)
    assert str(problem.value).startswith("Configuration linode:token: ")
    assert says in str(problem.value)
    assert TOKEN not in str(problem.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body="<html>Sign in to the hospital's network</html>"),
        Reply(raw=b"nonsense\r\n\r\n"),
        Reply(raw=b""),
        None,
    ],
    ids=["another page", "no HTTP", "closed", "nobody there"],
)
def test_account_that_does_not_answer(reply: Reply | None) -> None:
    with pytest.raises(
        AccountError, match=r"(?s)Linode's API at http://127\.0\.0\.1:\d+ does not answer: .*was changed"
    ):
        if reply:
            check(reply)
        else:
            asyncio.run(Account(token=TOKEN, url="http://127.0.0.1:9").check(frozenset()))


def test_zone_is_found_by_its_name() -> None:
    number, (request,) = asking(
        lambda _: Reply(body=json.dumps({"data": ZONES})), lambda account: account.zone_id("example.org")
    )
    assert number == 4711
    assert request.path == "/v4/domains"
    assert json.loads(request.headers["X-Filter"]) == {"domain": "example.org"}


@pytest.mark.parametrize("zones", [[], ZONES], ids=["none", "others"])
def test_zone_that_is_missing_is_said_with_what_to_do(zones: list[dict[str, Any]]) -> None:
    with pytest.raises(
        AccountError, match=r"ohif:linodeDns: this Linode account has no zone example\.com\. .*new: true"
    ):
        asking(lambda _: Reply(body=json.dumps({"data": zones})), lambda account: account.zone_id("example.com"))


def test_token_is_not_shown() -> None:
    assert TOKEN not in repr(Account(token=TOKEN, url="https://api.linode.com"))
