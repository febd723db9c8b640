"""Access tokens of programs."""

from __future__ import annotations

import httpx

from tests.e2e.harness import Stack
from tools.dicomweb import StackOutputs

OIDC = "/keycloak/realms/ohif/protocol/openid-connect"


def service_token(stack: Stack, outputs: StackOutputs, program: str) -> str:
    """A new token of a program's service account."""
    secret = {"client_id": program, "client_secret": outputs.programs[program]}
    answer = httpx.post(f"{stack.url}{OIDC}/token", data={"grant_type": "client_credentials", **secret})
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["access_token"]
    return made


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token (RFC 6750)."""
    return {"Authorization": f"Bearer {token}"}
