"""What the containers have logged, and the gateway's line about a request."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx

from tests.e2e.harness import Stack, wait_until


def log_of(stack: Stack, thing: str, *, stdout: bool = True, stderr: bool = True, since: int | None = None) -> str:
    """All that a container has said since it was made, or since then (seconds since 1970); what is no UTF-8 is an
    error."""
    return stack.container(thing).logs(stdout=stdout, stderr=stderr, since=since).decode()


Line = dict[str, Any]


def lines(stack: Stack, since: int | None = None) -> list[Line]:
    """The gateway's log of requests, one object for each; DICOM associations have lines of their own."""
    actual = [json.loads(line) for line in log_of(stack, "gateway", stderr=False, since=since).splitlines()]
    return [line for line in actual if line.get("protocol") != "dicom"]


def line_of(stack: Stack, browser: httpx.Client, method: str, path: str, **parts: Any) -> tuple[Line, httpx.Response]:
    """Sends a request; the one line about it, and the answer."""
    agent = f"audited-{secrets.token_hex(12)}"
    # All of it, after many tests, takes longer to read than the line takes to come.
    since = int(time.time()) - 2
    parts["headers"] = {"User-Agent": agent, **parts.get("headers", {})}
    answer = browser.request(method, path, **parts)
    found: list[Line] = []

    def logged() -> bool:
        found[:] = [line for line in lines(stack, since) if line["agent"] == agent]
        return bool(found)

    wait_until(logged, "line in the gateway's log", 10)
    assert len(found) == 1
    assert found[0]["request_id"] == answer.headers["x-request-id"]
    return found[0], answer
