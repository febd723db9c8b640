"""A link that is followed while signed out leads to the same place after the login."""

from __future__ import annotations

import re
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import Page

from tests.e2e import screen
from tests.e2e.conftest import Sessions
from tests.e2e.harness import Stack
from tools.dicomweb import StackOutputs, client, login_form
from tools.sample import study_uid

VIEWER = "/ohif-viewer/viewer?StudyInstanceUIDs="
ONE = f"{VIEWER}{study_uid()}"


def many(studies: int, length: int = 64) -> str:
    """A link to so many studies with UIDs of the greatest length."""
    return VIEWER + ",".join(f"2.25.{10 ** (length - 6) + number}" for number in range(studies))


def followed(url: str, path: str, user: str, password: str) -> str:
    """Path and query after the login that a link begins."""
    with closing(client(url)) as session:
        form = login_form(session.get(path, follow_redirects=True, headers={"Accept": "text/html"}).text)
        assert form
        answer = session.post(
            form, data={"username": user, "password": password, "credentialId": ""}, follow_redirects=True
        )
        assert answer.status_code == 200
        return answer.url.raw_path.decode()


@pytest.mark.parametrize(
    "link",
    [
        ONE,
        f"{ONE}&hangingprotocolId=mprAnd3DVolumeViewport",
        f"{ONE}&returnUrl=https://ris.example.org/x",
        f"{ONE}&returnUrl=https%3A%2F%2Fris.example.org%2Fx",
        f"{ONE}&from=a/../b",
        f"{ONE}&from=/\\x",
        f"{ONE}&name=A;B",
        many(20),
        many(100),
        many(200),
    ],
    ids=lambda link: link[-24:],
)
def test_a_link_is_kept_during_the_login(stack: Stack, outputs: StackOutputs, link: str) -> None:
    assert followed(stack.url, link, "viewer", outputs.credentials["viewer"]) == link


def test_a_link_works_in_a_browser(page: Page, outputs: StackOutputs) -> None:
    """With the sample as the first of 200 studies, the others are not there."""
    link = many(200).replace(VIEWER, f"{ONE},")
    page.goto(link)
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/viewer\?"))
    assert page.evaluate("location.pathname + location.search") == link


@pytest.mark.parametrize("studies", [1, 100, 200])
def test_a_link_works_when_signed_in(session: Sessions, studies: int) -> None:
    assert session("viewer").get(many(studies), headers={"Accept": "text/html"}).status_code == 200


@pytest.mark.parametrize(
    ("cookie", "target"),
    [
        (None, "/ohif-viewer/"),
        ("link_0=//evil.example", "/ohif-viewer/"),
        ("link_0=/\\evil.example", "/ohif-viewer/"),
        ("link_0=https://evil.example", "/ohif-viewer/"),
        ("other=1; link_1=x; link_0=/a?b", "/a?bx"),
    ],
)
def test_no_link_leads_elsewhere(stack: Stack, cookie: str | None, target: str) -> None:
    """Somebody may have set these cookies."""
    headers = {} if cookie is None else {"Cookie": cookie}
    answer = httpx.get(f"{stack.url}/_gateway/link/0123abcd", headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (302, target)


def test_a_link_that_is_too_long_is_refused_in_words(session: Sessions) -> None:
    answer = session("viewer").get(many(300), headers={"Accept": "text/html"})
    assert answer.status_code == 414
    assert "too long" in answer.text
