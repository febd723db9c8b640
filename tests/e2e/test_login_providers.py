"""Users of another Keycloak sign in by OpenID Connect or SAML, with the roles of their groups there."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

import docker
import pytest
from playwright.sync_api import Browser, Page, Route

from tests.e2e import screen
from tests.e2e.codes import code, secret_of
from tests.e2e.conftest import UpWith
from tests.e2e.harness import NAME, Stack, configured_users
from tests.e2e.identity_provider import HOST, PORT, USERS, Callbacks, IdentityProvider, identity_provider
from tests.e2e.realm import Realm
from tools.dicomweb import StackOutputs

REALM_URL = "/keycloak/realms/ohif"
SAML_CALLBACK = f"{REALM_URL}/broker/university/endpoint"
OPENID, SAML = "Hospital account", "University account"
"""Labels on the login page."""
GROUPS = {"radiologists": ["viewer", "reporter"], "physicians": ["viewer"]}
CLIENT_SECRET = secrets.token_urlsafe(24)


@pytest.fixture(scope="module")
def partner(engine: docker.DockerClient, stack: Stack) -> Iterator[IdentityProvider]:
    callbacks = Callbacks(
        openid=f"{stack.url}{REALM_URL}/broker/partner/endpoint",
        saml=f"{stack.url}{SAML_CALLBACK}",
        entity_id=f"{stack.url}{REALM_URL}",
    )
    with identity_provider(engine, f"ohif-{NAME}-edge", callbacks, CLIENT_SECRET) as made:
        yield made


@pytest.fixture(scope="module")
def up(stack: Stack, outputs: StackOutputs, partner: IdentityProvider, up_with: UpWith) -> Iterator[UpWith]:
    """`up(key=value)`: the stack with the provider in both ways, and these settings besides its own."""
    provider = {
        "name": "partner",
        "label": OPENID,
        "issuer": partner.issuer,
        "authorizationUrl": f"{partner.issuer}/protocol/openid-connect/auth",
        "tokenUrl": f"https://{HOST}:{PORT}/realms/hospital/protocol/openid-connect/token",
        "keysUrl": f"https://{HOST}:{PORT}/realms/hospital/protocol/openid-connect/certs",
        "clientId": "pacs",
        "clientSecret": CLIENT_SECRET,
        "caCertificate": partner.authority.pem,
        "groups": GROUPS,
    }
    by_saml = {
        "name": "university",
        "label": SAML,
        "metadata": partner.saml_metadata(),
        "attribute": "memberOf",
        "groups": GROUPS,
    }

    def with_provider(**values: object) -> str:
        return up_with(loginProviders=[provider, by_saml], **values)

    with_provider()
    yield with_provider
    # Their accounts stay when the provider goes.
    realm = Realm(stack, outputs.credentials["admin"])
    for user in realm.ask("GET", "/users"):
        if user["username"] in USERS.keys() - configured_users().keys():
            realm.ask("DELETE", f"/users/{user['id']}")


@contextmanager
def fresh_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page of a new profile, which does not mind the provider's certificate."""
    context = browser.new_context(base_url=stack.url, ignore_https_errors=True)
    try:
        yield context.new_page()
    finally:
        context.close()


def sign_in_at(partner: IdentityProvider, page: Page, user: str, by: str = OPENID) -> None:
    """From the login page to the provider's, with the password there."""
    page.goto("/")
    page.get_by_role("link", name=by).click()
    page.wait_for_url(f"{partner.issuer}/**")
    page.fill("#username", user)
    page.fill("#password", partner.password)
    page.click("#kc-login")
    page.wait_for_url(lambda url: not url.startswith(partner.issuer))


def status(page: Page, path: str = "/pacs/studies") -> int:
    """What a request in the page's session gets."""
    return page.context.request.get(path).status


@pytest.mark.parametrize(
    ("user", "by", "roles"),
    [
        ("curie", OPENID, {"viewer", "reporter"}),
        ("meitner", OPENID, {"viewer"}),
        ("hahn", OPENID, set()),
        ("noether", SAML, {"viewer", "reporter"}),
        ("franck", SAML, set()),
    ],
)
def test_a_user_of_the_provider_has_the_roles_of_the_groups(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith, user: str, by: str, roles: set[str]
) -> None:
    with fresh_page(browser, stack) as page:
        sign_in_at(partner, page, user, by)
        if "reporter" in roles:
            screen.keep(page, f"signed-in-by-provider-{user}")
        given = page.context.request.get("/oauth2/userinfo").json()["groups"]
        assert {"viewer", "reporter", "pacsadmin"} & set(given) == roles
        assert status(page) == (200 if roles else 403)


def test_the_login_page_offers_both_ways(
    stack: Stack, browser: Browser, outputs: StackOutputs, partner: IdentityProvider, up: UpWith
) -> None:
    with fresh_page(browser, stack) as page:
        page.goto("/")
        for label in (OPENID, SAML):
            page.get_by_role("link", name=label).wait_for()
        screen.keep(page, "login-with-provider")
        page.fill("#username", "viewer")
        page.fill("#password", outputs.credentials["viewer"])
        page.click("#kc-login")
        page.wait_for_url(f"{stack.url}/**")
        assert status(page) == 200


def test_a_group_taken_away_counts_at_the_next_login(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith
) -> None:
    partner.leave("meitner", "physicians")
    with fresh_page(browser, stack) as page:
        sign_in_at(partner, page, "meitner")
        assert status(page) == 403


def test_a_name_that_exists_is_not_taken_over(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith
) -> None:
    with fresh_page(browser, stack) as page:
        sign_in_at(partner, page, "viewer")
        page.get_by_text("There is such an account").wait_for()
        screen.keep(page, "account-exists")
        page.goto("/")
        assert status(page) == 401


def forging(change: Callable[[str], str], sent: list[str]) -> Callable[[Route], None]:
    """A handler that changes the assertion on its way to the stack, and keeps in `sent` what it made of it."""

    def forge(route: Route) -> None:
        form = dict(parse_qsl(route.request.post_data or ""))
        said = base64.b64decode(form["SAMLResponse"]).decode()
        sent.append(change(said))
        assert sent[-1] != said
        route.continue_(post_data=urlencode({**form, "SAMLResponse": base64.b64encode(sent[-1].encode()).decode()}))

    return forge


@pytest.mark.parametrize(
    ("pattern", "forged"),
    [(">franck<", ">noether<"), (">porters<", ">radiologists<"), (r"<(\w+:)?Signature.*?</(\w+:)?Signature>", "")],
    ids=["another user", "another group", "no signature"],
)
def test_a_forged_assertion_is_refused(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith, pattern: str, forged: str
) -> None:
    sent: list[str] = []
    with fresh_page(browser, stack) as page:
        page.route(f"**{SAML_CALLBACK}", forging(lambda said: re.sub(pattern, forged, said, flags=re.DOTALL), sent))
        sign_in_at(partner, page, "franck", SAML)
        page.get_by_text("Invalid").wait_for()
        assert len(sent) == 1
        assert status(page) == 401


def test_a_user_who_needs_no_code_is_not_asked_for_one_after_the_providers_login(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith
) -> None:
    up(mfa="administrators")
    with fresh_page(browser, stack) as page:
        sign_in_at(partner, page, "curie")
        page.wait_for_url(f"{stack.url}/ohif-viewer/**")
        assert status(page) == 200


def test_a_required_code_is_asked_for_after_the_providers_login(
    stack: Stack, browser: Browser, partner: IdentityProvider, up: UpWith
) -> None:
    up(mfa="required")
    with fresh_page(browser, stack) as page:
        sign_in_at(partner, page, "curie")
        page.get_by_text("Type a key instead").click()
        secret = secret_of(page.locator("#kc-totp-secret-key").inner_text())
        page.fill("#totp", code(secret))
        page.fill("#userLabel", "phone")
        page.click("#saveTOTPBtn")
        page.wait_for_url(f"{stack.url}/ohif-viewer/**")
        assert status(page) == 200
