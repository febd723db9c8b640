"""Signing in with a one-time code, over HTTP: Keycloak's forms, and the codes that an authenticator app shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx

from tools.dicomweb import SESSION_COOKIES, client

PERIOD = 30
REALM = "/keycloak/realms/ohif"


def code(secret: str, at: float | None = None) -> str:
    """The code of a moment (RFC 6238, with Keycloak's defaults: SHA-1, six digits, 30 seconds)."""
    step = int((time.time() if at is None else at) // PERIOD)
    digest = hmac.new(secret.encode(), step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def secret_of(shown: str) -> str:
    """The secret of the key that Keycloak shows for typing (base32 in groups of four)."""
    text = shown.replace(" ", "")
    return base64.b32decode(text + "=" * (-len(text) % 8)).decode()


def account_console_login(origin: str, **query: str) -> tuple[str, str]:
    """The path by which Keycloak's account console starts a login, and the verifier for its code (RFC 7636)."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": "account-console",
        "redirect_uri": f"{origin}{REALM}/account/",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **query,
    }
    return f"{REALM}/protocol/openid-connect/auth?{urlencode(asked)}", verifier


class Form(HTMLParser):
    """The form of a Keycloak page: its id, where it goes, its hidden fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.name = ""
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form" and not self.action:
            self._inside, self.name, self.action = True, named.get("id") or "", named.get("action") or ""
        if tag == "input" and self._inside and named.get("name"):
            self.fields[str(named["name"])] = named.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


@dataclass
class Visitor:
    """A browser of one user, and the authenticator app once a code is enrolled."""

    url: str
    name: str
    password: str
    secret: str = ""
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.http = client(self.url)

    def fresh(self) -> None:
        """A browser without cookies; the app stays."""
        self.http.close()
        self.http = client(self.url)

    def open(self, path: str) -> httpx.Response:
        return self.http.get(path, follow_redirects=True, headers={"Accept": "text/html"})

    def type_password(self, page: httpx.Response) -> httpx.Response:
        form = Form(page.text)
        assert form.name == "kc-form-login", (page.status_code, page.text[-2000:])
        data = {"username": self.name, "password": self.password, "credentialId": ""}
        return self.http.post(form.action, data=data, follow_redirects=True)

    def enrol(self, page: httpx.Response) -> httpx.Response:
        form = Form(page.text)
        assert form.name == "kc-totp-settings-form", page.text[-2000:]
        self.secret = form.fields["totpSecret"]
        data = {**form.fields, "totp": self.next_code(), "userLabel": "app"}
        return self.http.post(form.action, data=data, follow_redirects=True)

    def type_code(self, page: httpx.Response, typed: str | None = None) -> httpx.Response:
        form = Form(page.text)
        assert form.name == "kc-otp-login-form", page.text[-2000:]
        return self.http.post(form.action, data={"otp": typed or self.next_code()}, follow_redirects=True)

    def next_code(self) -> str:
        """A code that was not used: Keycloak takes each once, and those of the neighbouring moments."""
        now = time.time()
        for at in (now, now + PERIOD, now - PERIOD):
            if (shown := code(self.secret, at)) not in self._used:
                self._used.add(shown)
                return shown
        time.sleep(PERIOD)
        return self.next_code()

    @property
    def signed_in(self) -> bool:
        """Whether the gateway lets this browser read."""
        has_cookie = any(self.http.cookies.get(name) for name in SESSION_COOKIES)
        return has_cookie and self.http.get("/pacs/studies?limit=1").status_code in (200, 204)
