"""`mfa: required`, switched on in a stack where users exist: nobody gets in without a code, and it stays."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.e2e.codes import Form, Visitor, account_console_login
from tests.e2e.conftest import UpWith
from tests.e2e.harness import CONFIG, Stack
from tests.e2e.realm import Realm
from tools.dicomweb import GatewayClientError, StackOutputs, sign_in

OIDC = "/keycloak/realms/ohif/protocol/openid-connect"
ACCOUNT = "/keycloak/realms/ohif/account"


@pytest.fixture(scope="module")
def realm(stack: Stack, outputs: StackOutputs) -> Realm:
    return Realm(stack, outputs.credentials["admin"])


@pytest.fixture(scope="module")
def people(stack: Stack, realm: Realm, up_with: UpWith) -> Iterator[dict[str, Visitor]]:
    """Users whom the console made while no code was needed, in the stack that needs one since."""
    names = ("early", "removing", "lateral")
    with ExitStack() as made:
        visitors = {}
        for name in names:
            visitor = Visitor(stack.url, f"{name}-{secrets.token_hex(4)}", secrets.token_urlsafe(20))
            made.enter_context(realm.person(visitor.name, visitor.password, "viewer"))
            sign_in(stack.url, visitor.name, visitor.password).close()
            visitors[name] = visitor
        up_with(mfa="required")
        yield visitors
        for visitor in visitors.values():
            visitor.http.close()


def enrolled(visitor: Visitor) -> Visitor:
    """The visitor, signed in with password and code in a new browser."""
    visitor.fresh()
    page = visitor.type_password(visitor.open("/oauth2/start?rd=/healthz"))
    if visitor.secret:
        visitor.type_code(page)
    else:
        visitor.enrol(page)
    assert visitor.signed_in
    return visitor


def devices(realm: Realm, visitor: Visitor) -> list[str]:
    """Ids of the user's codes at Keycloak."""
    found = realm.ask("GET", f"/users/{realm.user(visitor.name)}/credentials")
    return [credential["id"] for credential in found if credential["type"] == "otp"]


def account_console(visitor: Visitor, **query: str) -> tuple[httpx.Response, str]:
    """The first page on the way to the account console, and the verifier for its code."""
    path, verifier = account_console_login(visitor.url, **query)
    return visitor.open(path), verifier


def account_token(visitor: Visitor) -> str:
    """A token of the account console for the session that the browser has."""
    page, verifier = account_console(visitor)
    if Form(page.text).name == "kc-form-login":
        page = visitor.type_password(page)
    if Form(page.text).name == "kc-otp-login-form":
        page = visitor.type_code(page)
    (given,) = parse_qs(urlsplit(str(page.url)).query)["code"]
    form = {
        "grant_type": "authorization_code",
        "client_id": "account-console",
        "redirect_uri": f"{visitor.url}{ACCOUNT}/",
        "code": given,
        "code_verifier": verifier,
    }
    answer = visitor.http.post(f"{OIDC}/token", data=form).raise_for_status()
    return str(answer.json()["access_token"])


def test_user_from_before_enrols_a_code_and_needs_it_from_then_on(people: dict[str, Visitor]) -> None:
    early = people["early"]
    page = early.type_password(early.open("/oauth2/start?rd=/healthz"))
    assert not early.signed_in
    assert early.enrol(page).status_code == 200
    assert early.signed_in
    early.fresh()
    page = early.type_password(early.open("/oauth2/start?rd=/healthz"))
    assert not early.signed_in
    page = early.type_code(page, "000000")
    assert not early.signed_in
    early.type_code(page)
    assert early.signed_in


@pytest.mark.parametrize("user", ["viewer", "pacsadmin", "norole"])
def test_password_of_a_configured_user_opens_nothing(
    stack: Stack, outputs: StackOutputs, people: dict[str, Visitor], user: str
) -> None:
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, user, outputs.credentials[user])


def test_user_made_since_needs_a_code_too(stack: Stack, realm: Realm, people: dict[str, Visitor]) -> None:
    name, password = f"since-{secrets.token_hex(4)}", secrets.token_urlsafe(20)
    with realm.person(name, password, "viewer"), pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, name, password)


def test_session_of_another_client_by_password_alone_opens_nothing(people: dict[str, Visitor]) -> None:
    lateral = people["lateral"]
    page, _ = account_console(lateral)
    lateral.type_password(page)
    # Keycloak knows this browser now; the viewer's sign-in asks for password and code all the same.
    page = lateral.open("/oauth2/start?rd=/healthz")
    assert not lateral.signed_in
    assert Form(page.text).name == "kc-form-login"


def test_user_cannot_remove_the_code(people: dict[str, Visitor], realm: Realm) -> None:
    removing = enrolled(people["removing"])
    (device,) = devices(realm, removing)
    token = account_token(removing)
    refused = removing.http.delete(
        f"{ACCOUNT}/credentials/{device}", headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}
    )
    # Without the role the account console's tokens are not even for the account API.
    assert refused.status_code in (401, 403)
    account_console(removing, kc_action=f"delete_credential:{device}")
    asked = {
        "client_id": "ohif_viewer",
        "redirect_uri": f"{removing.url}/oauth2/callback",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
        "kc_action": f"delete_credential:{device}",
    }
    page = removing.open(f"{OIDC}/auth?{urlencode(asked)}")
    page = removing.type_code(removing.type_password(page))
    if Form(page.text).name:  # the question whether to delete
        removing.http.post(Form(page.text).action, data={"accept": ""}, follow_redirects=True)
    assert devices(realm, removing) == [device]
    removing.fresh()
    removing.type_password(removing.open("/oauth2/start?rd=/healthz"))
    assert not removing.signed_in


def test_another_device_is_enrolled_only_with_password_and_code(people: dict[str, Visitor], realm: Realm) -> None:
    """Else a stolen password and a session of some minutes would be enough for good."""
    removing = enrolled(people["removing"])
    account_token(removing)
    # Keycloak counts the age of a sign-in in whole seconds.
    time.sleep(2)
    page, _ = account_console(removing, kc_action="CONFIGURE_TOTP")
    assert Form(page.text).name == "kc-form-login"
    page = removing.type_password(page)
    assert Form(page.text).name == "kc-otp-login-form"
    assert len(devices(realm, removing)) == 1


def test_password_grant_needs_the_code(people: dict[str, Visitor]) -> None:
    """Keycloak's own client `admin-cli` takes passwords without a page; the gateway takes its tokens nowhere."""
    early = enrolled(people["early"])
    asked = {
        "grant_type": "password",
        "client_id": "admin-cli",
        "username": early.name,
        "password": early.password,
    }
    refused = early.http.post(f"{OIDC}/token", data=asked)
    assert refused.status_code in (400, 401), refused.text
    assert "access_token" not in refused.json()
    granted = early.http.post(f"{OIDC}/token", data={**asked, "totp": early.next_code()})
    assert granted.status_code == 200, (refused.text, granted.text)
    early.fresh()
    bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert early.http.get("/pacs/studies", headers=bearer).status_code == 401


def test_changed_realm_still_requires_the_code(
    stack: Stack, outputs: StackOutputs, people: dict[str, Visitor], up_with: UpWith
) -> None:
    """The Keycloak provider binds the flows of its state again whenever it updates the realm."""
    up_with(mfa="required", sessionIdle="14m")
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, "viewer", outputs.credentials["viewer"])


@pytest.fixture(scope="module")
def for_administrators(people: dict[str, Visitor], up_with: UpWith) -> list[dict[str, object]]:
    """Users of the stack in which administrators need a code; the last one is new, with a temporary password."""
    users = [*CONFIG["ohif:users"], {"name": "new", "roles": ["viewer"]}]
    up_with(mfa="administrators", passwordRules={"temporary": True}, users=users)
    return users


@pytest.mark.usefixtures("for_administrators")
def test_only_administrators_need_a_code(stack: Stack, outputs: StackOutputs, realm: Realm) -> None:
    """Whether the role is the user's own from the configuration or was given in the console."""
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as viewer:
        assert viewer.get("/pacs/studies?limit=1").status_code in (200, 204)
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])
    chief = Visitor(stack.url, f"chief-{secrets.token_hex(4)}", secrets.token_urlsafe(20))
    with realm.person(chief.name, chief.password, "pacsadmin"):
        enrolled(chief)
        chief.fresh()
        page = chief.type_password(chief.open("/oauth2/start?rd=/healthz"))
        assert not chief.signed_in
        chief.type_code(page)
        assert chief.signed_in
    chief.http.close()


@pytest.mark.usefixtures("for_administrators")
def test_others_who_have_a_code_are_asked_for_it(people: dict[str, Visitor]) -> None:
    early = people["early"]
    early.fresh()
    page = early.type_password(early.open("/oauth2/start?rd=/healthz"))
    assert not early.signed_in
    early.type_code(page)
    assert early.signed_in


@pytest.mark.usefixtures("for_administrators")
def test_a_temporary_password_works_once_to_choose_another(stack: Stack) -> None:
    given = stack.outputs().credentials["new"]
    new = Visitor(stack.url, "new", given)
    form = Form(new.type_password(new.open("/oauth2/start?rd=/healthz")).text)
    assert form.name == "kc-passwd-update-form"
    assert not new.signed_in
    new.password = secrets.token_urlsafe(20)
    chosen = {"password-new": new.password, "password-confirm": new.password}
    new.http.post(form.action, data=chosen, follow_redirects=True)
    assert new.signed_in
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, "new", given)
    sign_in(stack.url, "new", new.password).close()
    new.http.close()


def test_switched_off_again_the_password_is_enough(
    stack: Stack, outputs: StackOutputs, people: dict[str, Visitor], up_with: UpWith, realm: Realm
) -> None:
    up_with()
    with closing(sign_in(stack.url, "viewer", outputs.credentials["viewer"])) as viewer:
        assert viewer.get("/pacs/studies?limit=1").status_code in (200, 204)
    early = enrolled(people["early"])
    (device,) = devices(realm, early)
    token = account_token(early)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    assert early.http.delete(f"{ACCOUNT}/credentials/{device}", headers=headers).status_code == 204
