"""Users of an OpenLDAP directory sign in with the roles of their groups, and what is wrong with it is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import docker
import pytest
from playwright.sync_api import Page

from components.keycloak.directory import CACHE_SECONDS
from tests.certificates import signed
from tests.e2e import screen
from tests.e2e.conftest import UpWith
from tests.e2e.directory import (
    BIND_DN,
    BIND_PASSWORD,
    GROUPS_DN,
    HOST,
    PASSWORD,
    USERS_DN,
    OpenLdap,
    open_ldap,
)
from tests.e2e.harness import NAME, Stack, wait_until
from tests.e2e.logs import line_of
from tests.e2e.objects import picture, stow
from tools import directory as directory_check
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in

TOKEN_SECONDS = 12
"""Life of an access token in this stack (Pulumi.e2e.yaml)."""
Join = Callable[..., str]


@pytest.fixture(scope="module")
def directory(engine: docker.DockerClient, stack: Stack) -> Iterator[OpenLdap]:
    with open_ldap(engine, f"ohif-{NAME}-edge") as made:
        yield made


@pytest.fixture(scope="module")
def join(directory: OpenLdap, up_with: UpWith) -> Join:
    """`join(field=value)`: the stack with the directory, some of its settings changed; what `up` printed."""
    usual: dict[str, Any] = {
        "kind": "ldap",
        "url": f"ldaps://{HOST}",
        "caCertificate": directory.authority.pem,
        "bindDn": BIND_DN,
        "bindPassword": BIND_PASSWORD,
        "usersDn": USERS_DN,
        "groupsDn": GROUPS_DN,
        "groups": {"radiologists": ["reporter"], "Referring (CT*)": ["viewer"], "porters": []},
    }

    def up(**changed: object) -> str:
        return up_with(directory={**usual, **changed})

    assert "error" not in up()
    return up


@pytest.mark.parametrize(("user", "reads", "stores"), [("curie", 200, 200), ("meitner", 200, 403), ("hahn", 403, 403)])
def test_a_user_has_the_roles_of_the_groups(stack: Stack, join: Join, user: str, reads: int, stores: int) -> None:
    with closing(sign_in(stack.url, user, PASSWORD)) as session:
        assert session.get("/pacs/studies").status_code == reads
        assert stow(session, picture()).status_code == stores


def test_the_log_names_the_user(stack: Stack, join: Join) -> None:
    with closing(sign_in(stack.url, "meitner", PASSWORD)) as session:
        line, _ = line_of(stack, session, "GET", "/pacs/studies?PatientID=of-the-directory")
    assert line["user"] == "meitner"


@pytest.mark.parametrize("password", ["", "wrong", BIND_PASSWORD])
def test_a_wrong_password_is_refused(stack: Stack, join: Join, password: str) -> None:
    with pytest.raises(GatewayClientError, match="Wrong username or password"):
        sign_in(stack.url, "hahn", password)


def test_a_user_of_the_configuration_keeps_the_name(stack: Stack, outputs: StackOutputs, join: Join) -> None:
    with pytest.raises(GatewayClientError, match="Wrong username or password"):
        sign_in(stack.url, "viewer", PASSWORD)
    sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()


def test_two_users_with_one_mail_address_get_a_message(stack: Stack, join: Join) -> None:
    sign_in(stack.url, "first-twin", PASSWORD).close()
    with pytest.raises(GatewayClientError, match="Another account has your e-mail address"):
        sign_in(stack.url, "second-twin", PASSWORD)


def test_a_change_in_the_directory_counts_after_cache_and_token(stack: Stack, directory: OpenLdap, join: Join) -> None:
    """One user leaves a group, another the directory."""
    with (
        closing(sign_in(stack.url, "curie", PASSWORD)) as moved,
        closing(sign_in(stack.url, "first-twin", PASSWORD)) as gone,
    ):
        assert [it.get("/pacs/studies").status_code for it in (moved, gone)] == [200, 200]
        directory.leave("curie", "radiologists")
        directory.remove("first-twin")
        within = CACHE_SECONDS + TOKEN_SECONDS + 10
        wait_until(lambda: moved.get("/pacs/studies").status_code == 403, "refusal", within)
        wait_until(lambda: gone.get("/pacs/studies").status_code == 401, "end of the session", TOKEN_SECONDS + 10)
    with closing(sign_in(stack.url, "curie", PASSWORD)) as again:
        assert again.get("/pacs/studies").status_code == 403
    with pytest.raises(GatewayClientError, match="Wrong username or password"):
        sign_in(stack.url, "first-twin", PASSWORD)


def test_without_the_directory_others_sign_in_and_its_users_get_a_message(
    stack: Stack, outputs: StackOutputs, directory: OpenLdap, join: Join, page: Page
) -> None:
    directory.container.pause()
    try:
        started = time.monotonic()
        sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
        assert time.monotonic() - started < 5
        page.goto("/")
        page.fill("#username", "meitner")
        page.fill("#password", PASSWORD)
        page.click("#kc-login")
        page.get_by_text("Your account could not be checked: the directory or login provider").wait_for(timeout=20_000)
        screen.keep(page, "directory-down")
        assert directory_check.problem(stack.url, outputs.credentials["admin"]) == (
            f"ldaps://{HOST}: it does not answer"
        )
    finally:
        directory.container.unpause()
    sign_in(stack.url, "meitner", PASSWORD).close()
    assert directory_check.problem(stack.url, outputs.credentials["admin"]) is None


def test_start_tls_is_used_and_a_second_up_changes_nothing(stack: Stack, join: Join) -> None:
    settings = {"url": f"ldap://{HOST}", "startTls": True}
    assert "error" not in join(**settings)
    sign_in(stack.url, "meitner", PASSWORD).close()
    assert "nothing changed" in join(**settings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bindPassword": "wrong"}, "it refuses bindDn with bindPassword"),
        ({"url": "ldaps://no-such-host.example.org"}, "no DNS server that Keycloak asks knows its host"),
        ({"caCertificate": signed("another authority", covers=()).pem}, "its certificate is not trusted"),
    ],
    ids=["password", "host", "certificate"],
)
def test_up_says_what_is_wrong(join: Join, changed: dict[str, str], said: str) -> None:
    output = join(**changed)
    assert f"error: directory {changed.get('url', f'ldaps://{HOST}')}: {said}" in output
    assert "Its users cannot sign in; the others can" in output
