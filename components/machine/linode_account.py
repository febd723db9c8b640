"""Checks of a Linode account before anything is created in it.

The provider would fail in the middle of an `up`: a token without a permission, a zone of another account.
Source: Linode API v4, "Get started" (scopes of a token in the answer's headers) and "List domains".
"""

import asyncio
import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import pulumi

from settings.machine import MAKE_ONE, SET_IT

SCOPES = frozenset({"linodes", "firewall", "volumes", "ips"})
DNS_SCOPE = "domains"
BUCKET_SCOPE = "object_storage"
EVERYTHING = "*"
TIMEOUT = 20


class AccountError(pulumi.RunError):
    """The account does not let the program do its work: why, and what to do. Nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account, by its token."""

    token: str = field(repr=False)
    url: str

    async def check(self, further: frozenset[str]) -> None:
        """Whether the token may do what the program does; `further`: scopes that not every stack needs.

        Raises:
            AccountError: it may not.
        """
        _, scopes = await asyncio.to_thread(self._get, "profile")
        if scopes is None or EVERYTHING in scopes:
            return
        if missing := {scope for scope in SCOPES | further if f"{scope}:read_write" not in scopes}:
            raise AccountError(
                f"Configuration linode:token: has no right to write {', '.join(sorted(missing))}. {MAKE_ONE} "
                "with Read/Write for them."
            )

    async def zone_id(self, zone: str) -> int:
        """Number of a DNS zone of the account.

        Raises:
            AccountError: the account has no such zone.
        """
        found, _ = await asyncio.to_thread(self._get, "domains", {"domain": zone})
        for entry in found["data"]:
            if entry["domain"] == zone:
                return int(entry["id"])
        raise AccountError(
            f"Configuration ohif:linodeDns: this Linode account has no zone {zone}. Check its name, or let the program "
            "make it: new: true, and email."
        )

    def _get(self, path: str, wanted: dict[str, str] | None = None) -> tuple[dict[str, Any], set[str] | None]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if wanted:
            headers["X-Filter"] = json.dumps(wanted)
        request = urllib.request.Request(f"{self.url}/v4/{path}", headers=headers)  # noqa: S310 - http(s), by settings
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                scopes = answer.headers.get("X-OAuth-Scopes")
                return json.load(answer), None if scopes is None else set(re.split(r"[ ,]+", scopes.strip()))
        except urllib.error.HTTPError as error:
            reason = _reason(error)
            fix = f"{MAKE_ONE} and {SET_IT}."
            raise AccountError(f"Configuration linode:token: Linode refuses it for {path}: {reason}. {fix}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise AccountError(f"Linode's API at {self.url} does not answer: {error}. Nothing was changed.") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["errors"][0]["reason"]).rstrip(".")
    except (ValueError, KeyError, IndexError):
        return f"status {error.code}"
