"""Realm `ohif` as its console and its log show it: what an administrator does while users work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.harness import Stack

KEYCLOAK = "/keycloak"


class Realm:
    """Keycloak's admin API, used as the console's user does, and what Keycloak logged."""

    def __init__(self, stack: Stack, console_password: str) -> None:
        self.stack = stack
        self.console_password = console_password

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One call of the admin API below the realm, with a token of its own: those live a minute."""
        with httpx.Client(base_url=self.stack.url, timeout=30, trust_env=False) as client:
            token = client.post(
                f"{KEYCLOAK}/realms/master/protocol/openid-connect/token",
                data={
                    "grant_type": "password",
                    "client_id": "admin-cli",
                    "username": "admin",
                    "password": self.console_password,
                },
            ).raise_for_status()
            answer = client.request(
                method,
                f"{KEYCLOAK}/admin/realms/ohif{path}",
                json=body,
                headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            ).raise_for_status()
        return answer.json() if answer.content else None

    def user(self, name: str) -> str:
        """The user's id."""
        (found,) = self.ask("GET", f"/users?username={name}&exact=true")
        return str(found["id"])

    def sessions(self, name: str) -> set[str]:
        """Ids of the sessions that Keycloak keeps for the user."""
        return {session["id"] for session in self.ask("GET", f"/users/{self.user(name)}/sessions")}

    def refreshes(self, session: str) -> int:
        """How often Keycloak says that it refreshed the tokens of a session."""
        lines = self.stack.container("keycloak").logs(stderr=False).decode().splitlines()
        messages = [str(json.loads(line)["message"]) for line in lines if line.startswith("{") and session in line]
        return sum('type="REFRESH_TOKEN"' in message for message in messages)

    @contextmanager
    def changed(self, **settings: int) -> Iterator[None]:
        """Other settings of the realm for a while."""
        before = self.ask("GET", "")
        self.ask("PUT", "", settings)
        try:
            yield
        finally:
            self.ask("PUT", "", {name: before[name] for name in settings})

    @contextmanager
    def person(self, name: str, password: str, role: str) -> Iterator[None]:
        """A person with one role, for a while."""
        self.ask(
            "POST",
            "/users",
            {
                "username": name,
                "enabled": True,
                "credentials": [{"type": "password", "value": password, "temporary": False}],
            },
        )
        try:
            self.ask("POST", self._roles(name), [self.ask("GET", f"/roles/{role}")])
            yield
        finally:
            self.ask("DELETE", f"/users/{self.user(name)}")

    def disable(self, name: str) -> None:
        """The person may not sign in any more."""
        path = f"/users/{self.user(name)}"
        self.ask("PUT", path, {**self.ask("GET", path), "enabled": False})

    def take_role(self, name: str, role: str) -> None:
        """The person loses the role."""
        self.ask("DELETE", self._roles(name), [self.ask("GET", f"/roles/{role}")])

    def _roles(self, name: str) -> str:
        return f"/users/{self.user(name)}/role-mappings/realm"
