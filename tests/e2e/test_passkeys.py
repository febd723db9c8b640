"""Passkeys in place of the one-time code, with Chromium's virtual authenticator, at a name that browsers trust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e import screen
from tests.e2e.codes import REALM, Form, Visitor, account_console_login
from tests.e2e.conftest import UpWith
from tests.e2e.harness import Stack
from tools.dicomweb import StackOutputs

SECONDS = 120_000
"""Milliseconds for a registration, which asks for a code that was not used yet."""


@dataclass
class Reader:
    """A user with a code, and with a browser that has a security key."""

    visitor: Visitor
    context: BrowserContext
    page: Page

    def type_password(self) -> None:
        """On the login page."""
        if self.page.locator("#username").is_visible():
            self.page.fill("#username", self.visitor.name)
        self.page.fill("#password", self.visitor.password)
        self.page.click("#kc-login")

    def reads(self) -> bool:
        """Whether the browser's session opens the archive."""
        return self.context.request.get("/pacs/studies?limit=1").status in (200, 204)

    def open_registration(self, url: str) -> None:
        """Type whatever is asked for, as often as it is, until a passkey can be set up."""
        self.page.goto(url)
        password, code = self.page.locator("#kc-form-login"), self.page.locator("#kc-otp-login-form")
        done = self.page.locator("#registerWebAuthn")
        while True:
            done.or_(password).or_(code).first.wait_for(timeout=30_000)
            if done.is_visible():
                return
            if password.is_visible():
                self.type_password()
            else:
                self.page.fill("#otp", self.visitor.next_code())
                self.page.click("#kc-login")
            self.page.wait_for_load_state()


@pytest.fixture(scope="module")
def outputs_at_localhost(stack: Stack, up_with: UpWith) -> StackOutputs:
    """The stack at http://localhost, which is a secure context for browsers."""
    up_with(host="localhost", mfa="required", passkeys=True)
    return stack.outputs()


@pytest.fixture(scope="module")
def reader(outputs_at_localhost: StackOutputs, browser: Browser) -> Iterator[Reader]:
    outputs = outputs_at_localhost
    visitor = Visitor(outputs.base_url, "viewer", outputs.credentials["viewer"])
    page = visitor.type_password(visitor.open("/oauth2/start?rd=/healthz"))
    assert not visitor.signed_in, "the password alone opens nothing"
    visitor.enrol(page)
    assert visitor.signed_in
    context = browser.new_context(base_url=outputs.base_url, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    device = context.new_cdp_session(opened)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    opened.on("dialog", lambda dialog: dialog.accept("reading room"))
    yield Reader(visitor, context, opened)
    context.close()
    visitor.http.close()


@pytest.fixture(scope="module")
def registered(reader: Reader) -> Reader:
    """The reader, with a passkey: set up as the account console does, which starts the action by a link."""
    path, _ = account_console_login(reader.visitor.url, kc_action="webauthn-register")
    reader.open_registration(path)
    screen.keep(reader.page, "passkey-registration")
    reader.page.click("#registerWebAuthn")
    reader.page.wait_for_url(f"**{REALM}/account/**", timeout=SECONDS)
    return reader


def test_a_passkey_takes_the_place_of_the_code(registered: Reader) -> None:
    page = registered.page
    registered.context.clear_cookies()
    page.goto("/ohif-viewer/")
    registered.type_password()
    # The code was set up first, so it is asked for first.
    expect(page.locator("#otp")).to_be_visible()
    assert not registered.reads()
    page.click("#try-another-way")
    page.get_by_text("Passkey", exact=True).click()
    expect(page.locator("#authenticateWebAuthnButton")).to_be_visible()
    screen.keep(page, "passkey-login")
    assert not registered.reads()
    page.click("#authenticateWebAuthnButton")
    page.wait_for_url("**/ohif-viewer/**", timeout=30_000)
    assert registered.reads()


def test_the_passkey_of_one_user_opens_nothing_for_another(
    registered: Reader, outputs_at_localhost: StackOutputs
) -> None:
    """The browser has the device, the user's password is known: the code is asked for, as this user has no passkey."""
    other = Visitor(registered.visitor.url, "reporter", outputs_at_localhost.credentials["reporter"])
    other.enrol(other.type_password(other.open("/oauth2/start?rd=/healthz")))
    other.fresh()
    page = other.type_password(other.open("/oauth2/start?rd=/healthz"))
    assert Form(page.text).name == "kc-otp-login-form"
    assert "try-another-way" not in page.text
    assert not other.signed_in


def test_who_has_neither_enrols_a_code(outputs_at_localhost: StackOutputs) -> None:
    outputs = outputs_at_localhost
    admin = Visitor(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])
    page = admin.type_password(admin.open("/oauth2/start?rd=/healthz"))
    assert Form(page.text).name == "kc-totp-settings-form"
    assert not admin.signed_in
