"""Try a running stack as its users would: `python -m tools.smoke --stack prod`.

Temporary users, one for each role, sign in through the login form, read, and are refused what their role may not do;
they are deleted afterwards, and nothing is stored in the archive. It does not open a browser.
"""

from __future__ import annotations

import os
import secrets
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from keycloak import KeycloakAdmin, KeycloakError

from access import STORES
from bootstrap.console import UserError, print_line
from public_paths import ADMIN_PATH, DICOMWEB_PATH, VIEWER_PATH
from route import Role
from settings import CONSOLE_USER, Mfa
from tools import command_line
from tools.dicomweb import GatewayClientError, StackOutputs, client, sign_in, stack_outputs
from tools.keycloak_console import console
from tools.measurements import served_certificate_days
from tools.pulumi_run import Pulumi
from tools.stack_state import read_config

Say = Callable[[str], object]

STUDIES = f"{DICOMWEB_PATH}/studies"
ON_EVERY_PAGE = ("content-security-policy", "x-content-type-options", "referrer-policy")
"""Headers of every page."""


class CheckFailedError(Exception):
    """What was expected and what was seen, in words."""


@dataclass(frozen=True)
class Smoke:
    """The checks of one stack."""

    origin: str
    admin: KeycloakAdmin
    restricted: Collection[Role] = ()
    """Roles without which a group is needed to read a study."""

    def run(self, roles: Sequence[Role], say: Say = print_line) -> list[str]:
        """Say a line for each check; returns the failures."""
        checks: dict[str, Callable[[], object]] = {
            "nothing is open without a session": self.closed_without_session,
            "pages have their security headers": self.headers,
        }
        if self.origin.startswith("https:"):
            checks["the certificate is valid"] = self.certificate
        checks |= {f"{role}: signs in, reads, is refused the rest": partial(self.role, role) for role in roles}
        return [failure for name, check in checks.items() if (failure := _outcome(name, check, say))]

    def closed_without_session(self) -> None:
        with client(self.origin) as http:
            for path in (STUDIES, f"{ADMIN_PATH}/", f"{VIEWER_PATH}/", "/app-config.js"):
                _expect(http.get(path), 401)
            _expect(http.get("/nothing-here"), 404)
            _expect(http.get("/healthz"), 200)

    def headers(self) -> None:
        with client(self.origin) as http:
            page = http.get(f"{VIEWER_PATH}/", headers={"Accept": "text/html"}, follow_redirects=True)
        wanted = [*ON_EVERY_PAGE, *(["strict-transport-security"] if self.origin.startswith("https:") else [])]
        if missing := [name for name in wanted if name not in page.headers]:
            raise CheckFailedError(f"{page.url.path} lacks {', '.join(missing)}")

    def certificate(self) -> str:
        context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        try:
            return f"{served_certificate_days(self.origin, context):.0f} days left"
        except OSError as error:
            raise CheckFailedError(str(error)) from error

    def role(self, role: Role) -> None:
        with self._user(role) as (name, password), closing(sign_in(self.origin, name, password)) as http:
            for path in (f"{VIEWER_PATH}/", "/app-config.js"):
                _expect(http.get(path), 200)
            found = _expect(http.get(STUDIES, params={"limit": 1}), 200, 204)
            if found.status_code == 200 and found.json():
                if role in self.restricted:
                    raise CheckFailedError(f"{role} without a group finds a study")
                study = found.json()[0]["0020000D"]["Value"][0]
                _expect(http.get(f"{STUDIES}/{study}/series"), 200)
            # An empty body is refused by the archive, if the gateway lets it through.
            stored = http.post(STUDIES, content=b"", headers={"Content-Type": "multipart/related"})
            if (stored.status_code == 403) is (role in STORES.roles):
                raise CheckFailedError(f"POST {STUDIES} answers {stored.status_code} to {role}")
            _expect(http.get(f"{ADMIN_PATH}/"), *((200, 301, 302, 307) if role is Role.PACSADMIN else (403,)))
            http.get("/logout", follow_redirects=True)
            _expect(http.get(STUDIES), 401)

    @contextmanager
    def _user(self, role: Role) -> Iterator[tuple[str, str]]:
        """A user with one role, for the length of a check."""
        name, password = f"smoke-{secrets.token_hex(6)}", secrets.token_urlsafe(24)
        credential = {"type": "password", "value": password, "temporary": False}
        created = self.admin.create_user({"username": name, "enabled": True, "credentials": [credential]})
        try:
            self.admin.assign_realm_roles(created, [self.admin.get_realm_role(role)])
            yield name, password
        finally:
            self.admin.delete_user(created)


def _expect(answer: httpx.Response, *statuses: int) -> httpx.Response:
    if answer.status_code not in statuses:
        raise CheckFailedError(
            f"{answer.request.method} {answer.request.url.path} answers {answer.status_code}, "
            f"not {' or '.join(map(str, statuses))}"
        )
    return answer


def _outcome(name: str, check: Callable[[], object], say: Say) -> str | None:
    """Run a check and say its line; what failed, or `None`."""
    started = time.monotonic()
    try:
        detail = check()
    except (CheckFailedError, GatewayClientError, KeycloakError, httpx.HTTPError) as error:
        say(f"  FAILED  {name}: {error}")
        return f"{name}: {error}"
    say(f"  ok      {name}{f' ({detail})' if detail else ''}  {time.monotonic() - started:.1f} s")
    return None


def smoke(stack: str, config: Mapping[str, Any], outputs: StackOutputs, say: Say = print_line) -> None:
    """Run all checks. Raises UserError if one fails."""
    mfa = Mfa(config["mfa"])
    needing_code = [role for role in Role if mfa.demands_of([role])]
    with _trusting(config):
        admin = console(outputs.base_url, outputs.credentials[CONSOLE_USER])
        failures = Smoke(outputs.base_url, admin, _restricted(config)).run(
            [role for role in Role if role not in needing_code], say
        )
    if needing_code:
        say(f"  -       not tried: {', '.join(needing_code)}, as a temporary user has no code (mfa: {mfa})")
    if failures:
        raise UserError(
            f"stack {stack}: {len(failures)} checks failed; first {failures[0]}",
            "`make status` shows the state of each part, docs/how-to/troubleshoot.md what usually is the reason.",
        )


def _restricted(config: Mapping[str, Any]) -> Collection[Role]:
    rights = config["rights"]
    return set(Role) - {Role.PACSADMIN, *rights.get("unrestricted", [])} if rights else ()


@contextmanager
def _trusting(config: Mapping[str, Any]) -> Iterator[None]:
    """Trust the authority of the configuration for a while, unless the user has said whom to trust."""
    entries = (config.get("tlsCa"), *(config[key].get("caCertificate") for key in ("acme", "proxy")))
    authority = next(filter(None, entries), None)
    if authority is None or "SSL_CERT_FILE" in os.environ:
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(authority)
        file.flush()
        os.environ["SSL_CERT_FILE"] = file.name
        try:
            yield
        finally:
            del os.environ["SSL_CERT_FILE"]


def check(stack: str, config: Mapping[str, Any]) -> None:
    """Run all checks and print one line. Raises UserError if one fails."""
    lines: list[str] = []
    started = time.monotonic()
    smoke(stack, config, stack_outputs(stack), lines.append)
    passed = sum(line.startswith("  ok") for line in lines)
    print_line(f"  smoke test: {passed} checks passed in {time.monotonic() - started:.0f} s")


def _smoke(pulumi: Pulumi) -> None:
    smoke(pulumi.stack, read_config(pulumi), stack_outputs(pulumi.stack))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0 if all checks pass, 1 otherwise."""
    parser = command_line.parser(__doc__)
    arguments = parser.parse_args(argv)
    return command_line.run(arguments, _smoke)


if __name__ == "__main__":
    sys.exit(main())
