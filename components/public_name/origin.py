"""The origin that browsers use, known once Keycloak answers there."""

import asyncio
import http.client
import ipaddress
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from public_endpoint import PublicEndpoint
from public_paths import KEYCLOAK_PATH

MASTER_REALM = f"{KEYCLOAK_PATH}/realms/master"
"""The realm at which the Keycloak provider logs in."""
CONFIGURATION = f"{MASTER_REALM}/.well-known/openid-configuration"
TIMEOUT = 300.0
"""Seconds. The containers are healthy by then; what is waited for is names, routes and a reloaded gateway."""
REFUSED_TIMEOUT = 30.0
"""Seconds. An answer that says "not for you" seldom changes."""
REQUEST_TIMEOUT = 10.0
INTERVAL = 1.0


class OriginError(pulumi.RunError):
    """Keycloak does not answer at the public origin: what was found, and what to do next."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a request did not get the answer that it should."""

    reason: str
    fix: str
    refused: bool = False
    """Whether a server answered and rejected the request."""


def origin_when_it_answers(
    endpoint: pulumi.Output[PublicEndpoint], *, after: Sequence[pulumi.Output[Any]], ca_certificate: str | None
) -> pulumi.Output[str]:
    """The endpoint's origin, once everything in `after` is there and Keycloak answers at the origin.

    The Keycloak provider logs in once and without a retry (keycloak/terraform-provider-keycloak, `newHttpClient`), so
    nothing may reach it before. The wait is part of every update, not a resource: a replaced gateway or a new
    certificate is waited for again. In a preview nothing is contacted, and the origin does not depend on containers
    that would be replaced, so that what is configured with it shows no difference.

    `ca_certificate` in PEM is trusted instead of this machine's own authorities, as the provider does.
    """
    origin = endpoint.apply(lambda known: known.origin)
    if pulumi.runtime.is_dry_run():
        return origin

    async def answering(known: Sequence[Any]) -> str:
        await wait_until_it_answers(known[0], ca_certificate)
        return str(known[0])

    return pulumi.Output.all(origin, *after).apply(answering)


async def wait_until_it_answers(origin: str, ca_certificate: str | None, *, timeout: float = TIMEOUT) -> None:
    """Wait until this machine gets Keycloak's own configuration from the origin, for at most `timeout` seconds.

    Raises:
        OriginError: it does not.
    """
    opener = _opener(origin, ca_certificate)
    started = time.monotonic()
    refused_since: float | None = None
    while True:
        failure = await asyncio.to_thread(_failure, opener, origin)
        if failure is None:
            return
        now = time.monotonic()
        refused_since = (refused_since or now) if failure.refused else None
        if now - started > timeout or (refused_since is not None and now - refused_since > REFUSED_TIMEOUT):
            raise OriginError(
                f"{origin}{CONFIGURATION} does not answer this machine as it should after {now - started:.0f} s: "
                f"{failure.reason}. {failure.fix} Then run again; what was made is kept."
            )
        pulumi.log.info(f"waiting for {origin}: {failure.reason}", ephemeral=True)
        await asyncio.sleep(INTERVAL)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is no answer: the origin would be another one."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener(origin: str, ca_certificate: str | None) -> urllib.request.OpenerDirector:
    trust = ssl.create_default_context(cadata=ca_certificate)
    # As Go verifies, in which the provider is written: any certificate that is given may end the chain, and the strict
    # checks of RFC 5280 that newer Pythons make are left out.
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Go uses the proxies of the environment too, but never for this machine itself.
    proxies = urllib.request.ProxyHandler({} if _is_loopback(origin) else None)
    return urllib.request.build_opener(proxies, _NoRedirect, urllib.request.HTTPSHandler(context=trust))


def _is_loopback(origin: str) -> bool:
    host = urllib.parse.urlsplit(origin).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _failure(opener: urllib.request.OpenerDirector, origin: str) -> Failure | None:
    try:
        with opener.open(f"{origin}{CONFIGURATION}", timeout=REQUEST_TIMEOUT) as answer:
            issuer = json.load(answer)["issuer"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (403, 404):
            return Failure(
                reason=f"status {error.code}",
                fix="Name this machine's network in adminNetworks, and check that the name leads to the gateway.",
                refused=True,
            )
        return Failure(reason=f"status {error.code}", fix="See the logs of the containers gateway and keycloak.")
    except (ValueError, KeyError, TypeError):
        return Failure(
            reason="the answer is not Keycloak's", fix="Check that the name leads to the gateway and no proxy answers."
        )
    except (OSError, http.client.HTTPException) as error:
        return _no_connection(getattr(error, "reason", error))
    if issuer != f"{origin}{MASTER_REALM}":
        return Failure(
            reason=f"Keycloak there calls itself {issuer}",
            fix="Check that the name leads to this stack's gateway and not to another one.",
        )
    return None


def _no_connection(reason: object) -> Failure:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Failure(
            reason=f"its certificate is not trusted: {reason.verify_message}",
            fix=(
                "Check name and end of the certificate; give the authority of a private one with it "
                "(tlsCa, or caCertificate of acme)."
            ),
        )
    return Failure(
        reason=str(reason) or type(reason).__name__,
        fix="Check the name's address, firewalls between this machine and the gateway, and the gateway's log.",
    )
