"""A client of the gateway: it signs in through the login form, then uses DICOMweb.

The sample study and the end-to-end tests use it. It deliberately supports no other access (no password grant, no
direct address of the archive), so these callers get the same answers as a browser.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from public_paths import DICOMWEB_PATH

ROOT = Path(__file__).resolve().parent.parent
SESSION_COOKIES = ("ohif_session", "__Host-ohif_session")
FAILED_SOP_SEQUENCE = "00081198"
FAILURE_REASON = "00081197"


class GatewayClientError(Exception):
    """An error with the problem and the fix, as text for the user."""


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """The outputs of a running stack that these tools need."""

    viewer_url: str
    admin_url: str
    console_url: str
    credentials: Mapping[str, str]
    programs: Mapping[str, str]

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the gateway, without a path."""
        return origin(self.viewer_url)


def origin(url: str) -> str:
    """Scheme, host and port of `url`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def stack_outputs(stack: str, environment: Mapping[str, str] | None = None) -> StackOutputs:
    """The outputs of a stack. Raises GatewayClientError if it does not exist or does not run."""
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise GatewayClientError("Pulumi is not on the PATH: run `make up` first.") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[0] if lines else "pulumi printed no reason"
        raise GatewayClientError(f"The stack {stack} is not up: run `make up` first.\n({reason})")
    outputs = json.loads(done.stdout)
    try:
        return StackOutputs(
            viewer_url=outputs["viewerUrl"],
            admin_url=outputs["adminUrl"],
            console_url=outputs["consoleUrl"],
            credentials=outputs["credentials"],
            programs=outputs.get("programs", {}),
        )
    except KeyError as missing:
        raise GatewayClientError(
            f"The stack {stack} has no output {missing}, so it is not fully up: run `make up` first."
        ) from None


def client(base_url: str) -> httpx.Client:
    """A client of the gateway that keeps connections open and does not follow redirects.

    Keycloak marks its cookies `Secure` on http://127.0.0.1 too. Browsers send them there, because a loopback address is
    a secure context; Python's cookie jar does not.
    """
    loopback = (urlsplit(base_url).hostname or "") in {"127.0.0.1", "localhost", "::1"}
    made = httpx.Client(
        base_url=base_url,
        timeout=httpx.Timeout(60, connect=10),
        trust_env=not loopback,
        # A private authority's certificate, as other programs take it.
        verify=ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE")),
    )

    def send_secure_cookies(_: httpx.Response) -> None:
        for cookie in made.cookies.jar:
            cookie.secure = False

    if loopback:
        made.event_hooks = {"response": [send_secure_cookies]}
    return made


def session_cookie(session: httpx.Client) -> str:
    """The `Cookie` header of a session, for another client. A session that is renewed goes on under the same one."""
    return "; ".join(f"{name}={session.cookies[name]}" for name in SESSION_COOKIES if name in session.cookies)


class _LoginForm(HTMLParser):
    """The URL of the login form and the error message in a Keycloak page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.message = ""
        self._in_message = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form" and named.get("id") == "kc-form-login":
            self.action = named.get("action")
        classes = (named.get("class") or "").split()
        self._in_message = (named.get("id") or "").startswith("input-error") or "kc-feedback-text" in classes

    def handle_endtag(self, tag: str) -> None:
        self._in_message = False

    def handle_data(self, data: str) -> None:
        if self._in_message:
            self.message += data.strip()


def login_form(page: str) -> str | None:
    """The URL to which a Keycloak login page posts; None for other pages."""
    return _LoginForm(page).action


def sign_in(base_url: str, user: str, password: str, *, at: str = "/") -> httpx.Client:
    """Sign in through the login form at the path `at`. Returns the client with the session.

    A user without any role gets a session too. Raises GatewayClientError if the gateway does not answer, shows no login
    form, or Keycloak rejects the password.
    """
    made = client(base_url)
    try:
        page = made.get(at, follow_redirects=True, headers={"Accept": "text/html"})
        action = login_form(page.text)
        if action is None:
            raise GatewayClientError(f"{page.url} shows no login form (status {page.status_code}).")
        answer = made.post(
            action, data={"username": user, "password": password, "credentialId": ""}, follow_redirects=True
        )
    except httpx.TransportError as error:
        made.close()
        raise GatewayClientError(f"No answer from {base_url} ({error}): is it up? `make up` starts it.") from None
    except GatewayClientError:
        made.close()
        raise
    if not any(made.cookies.get(name) for name in SESSION_COOKIES):
        made.close()
        form = _LoginForm(answer.text)
        reason = form.message or f"status {answer.status_code} at {answer.url.path}"
        raise GatewayClientError(f"The sign-in of {user} was refused: {reason}")
    return made


def store(session: httpx.Client, instances: Iterable[bytes], *, root: str = DICOMWEB_PATH) -> None:
    """Store DICOM files with one STOW-RS request. Raises GatewayClientError if one is rejected."""
    boundary = f"dicom-{secrets.token_hex(12)}"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + instance + b"\r\n" for instance in instances) + f"--{boundary}--\r\n".encode()
    try:
        answer = session.post(
            f"{root}/studies",
            content=body,
            headers={
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                "Accept": "application/dicom+json",
            },
        )
    except httpx.TransportError as error:
        raise GatewayClientError(f"The archive closed the connection while storing: {error}") from None
    if answer.status_code != 200:
        text = " ".join(answer.text.split())[:200]
        status = f"{answer.status_code} {answer.reason_phrase}"
        raise GatewayClientError(f"The archive refused to store: {status}. {text}")
    failed = answer.json().get(FAILED_SOP_SEQUENCE, {}).get("Value", [])
    if failed:
        reasons = sorted({str(item.get(FAILURE_REASON, {}).get("Value", ["unknown"])[0]) for item in failed})
        raise GatewayClientError(f"The archive refused {len(failed)} instances, reason {', '.join(reasons)}.")
