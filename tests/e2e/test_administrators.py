"""Named administrators of Keycloak's console: made by one command, with a second factor from the first sign-in on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from components.keycloak.realm import LOCK_OUT
from settings import ArchiveKind
from tests.e2e.codes import Form, Visitor
from tests.e2e.harness import ARCHIVE, Stack, tool
from tools.dicomweb import StackOutputs
from tools.keycloak_console import ADMIN_REALM, console

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="Keycloak does not ask which archive it is")

MASTER = "/keycloak/realms/master/protocol/openid-connect"
CONSOLE = "/keycloak/admin/master/console/"


def sign_in_at_the_console(origin: str) -> str:
    """The address to which Keycloak's console leads a browser without a session."""
    query = {
        "client_id": "security-admin-console",
        "redirect_uri": f"{origin}{CONSOLE}",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
    }
    return f"{MASTER}/auth?{urlencode(query)}"


@dataclass
class Administrator:
    """The new administrator's browser."""

    visitor: Visitor
    said: str


@pytest.fixture
def administrator(stack: Stack, outputs: StackOutputs) -> Iterator[Administrator]:
    name = f"curie-{secrets.token_hex(3)}"
    done = tool("administrator", name)
    assert done.returncode == 0, done.stdout
    (password,) = re.findall(r"first sign-in: (\S+)", done.stdout)
    visitor = Visitor(stack.url, name, password)
    yield Administrator(visitor, done.stdout)
    visitor.http.close()
    admin = console(stack.url, outputs.credentials["admin"], ADMIN_REALM)
    admin.delete_user(str(admin.get_user_id(name)))
    # Other tests guess at this realm.
    admin.update_realm(ADMIN_REALM, {"bruteForceProtected": False})


def test_a_named_administrator_needs_a_code(stack: Stack, administrator: Administrator) -> None:
    visitor = administrator.visitor
    page = visitor.type_password(visitor.open(sign_in_at_the_console(stack.url)))
    visitor.password = secrets.token_urlsafe(20)
    answers = {
        "kc-passwd-update-form": {"password-new": visitor.password, "password-confirm": visitor.password},
        "kc-update-profile-form": {"email": "curie@example.org", "firstName": "M", "lastName": "C"},
    }
    for _ in range(3):
        form = Form(page.text)
        if form.name == "kc-totp-settings-form":
            page = visitor.enrol(page)
        elif form.name in answers:
            page = visitor.http.post(form.action, data={**form.fields, **answers[form.name]}, follow_redirects=True)
    assert visitor.secret, page.text[-2000:]
    assert page.url.path == CONSOLE
    # From now on the password alone opens nothing, in the browser and by the API.
    visitor.fresh()
    page = visitor.type_password(visitor.open(sign_in_at_the_console(stack.url)))
    assert Form(page.text).name == "kc-otp-login-form"
    grant = {"grant_type": "password", "client_id": "admin-cli", "username": visitor.name, "password": visitor.password}
    assert visitor.http.post(f"{MASTER}/token", data=grant).status_code in (400, 401)
    given = visitor.http.post(f"{MASTER}/token", data={**grant, "totp": visitor.next_code()}).raise_for_status()
    bearer = {"Authorization": f"Bearer {given.json()['access_token']}"}
    realms = visitor.http.get("/keycloak/admin/realms", headers=bearer).raise_for_status().json()
    assert "ohif" in {realm["realm"] for realm in realms}


def test_guessing_an_administrators_password_locks_that_one_out(
    stack: Stack, outputs: StackOutputs, administrator: Administrator
) -> None:
    visitor, right = administrator.visitor, administrator.visitor.password
    visitor.password = "not the password"
    page = visitor.open(sign_in_at_the_console(stack.url))
    for _ in range(LOCK_OUT.failures):
        page = visitor.type_password(page)
    visitor.password = right
    visitor.fresh()
    page = visitor.type_password(visitor.open(sign_in_at_the_console(stack.url)))
    assert Form(page.text).name == "kc-form-login"
    # Nobody else is.
    assert console(stack.url, outputs.credentials["admin"], ADMIN_REALM).get_realm(ADMIN_REALM)["bruteForceProtected"]


@pytest.mark.parametrize("name", ["admin", "M Curie"])
def test_a_name_that_cannot_be_used_is_said(stack: Stack, name: str) -> None:
    refused = tool("administrator", name)
    assert refused.returncode == 1
    assert "another name" in refused.stdout, refused.stdout
