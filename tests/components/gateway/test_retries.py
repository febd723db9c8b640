"""Reads are given to the archive again while it uses up dead connections to its database (docs/adr/0016)."""

import json

import pytest

from components.archive.orthanc_config import render
from components.gateway import nginx_config
from tests.components.archive.test_orthanc import ORTHANC
from tests.components.gateway.gateway_file import EXAMPLE, HTTPS_EXAMPLE, OTHER_EXAMPLE, Gateway

GATEWAYS = {"orthanc": Gateway(EXAMPLE), "https": Gateway(HTTPS_EXAMPLE), "dcm4chee": Gateway(OTHER_EXAMPLE)}


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_only_the_archive_is_tried_more_often_than_once(gateway: Gateway) -> None:
    tries = {it.args[0]: len(it.values("server")) for it in gateway.http.all("upstream")}
    assert tries == {"auth_proxy": 1, "keycloak": 1, "viewer": 1, "archive": nginx_config.ARCHIVE_ATTEMPTS}


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_nothing_is_sent_twice_that_could_be_stored_twice(gateway: Gateway) -> None:
    """`non_idempotent` would repeat a POST, `timeout` a read that the archive is still at work on."""
    to_archive = 0
    for location in gateway.locations.values():
        if ("http://archive",) in location.values("proxy_pass"):
            to_archive += 1
            assert location.values("proxy_next_upstream") == [("error", "http_500", "http_503")]
        else:
            assert not location.all("proxy_next_upstream")
    assert to_archive >= 2


def test_there_are_more_attempts_than_dead_connections() -> None:
    pool = json.loads(render(ORTHANC))["PostgreSQL"]["IndexConnectionsCount"]
    assert pool < nginx_config.ARCHIVE_ATTEMPTS


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_what_needs_a_session_waits_and_what_decides_about_it_does_not(gateway: Gateway) -> None:
    """A question of auth_request that was answered with the page itself would let everybody in."""
    waiting = [it for it in gateway.locations.values() if gateway.on_error(it, "500") == "@wait"]
    asking = [it for it in gateway.locations.values() if it.all("auth_request")]
    only_ask = ("/_auth/session", "/_auth/refused")
    assert waiting == [it for it in asking if it.value("auth_request") not in only_ask]
    for args, it in gateway.locations.items():
        if args[-1].startswith("/_auth/"):
            assert {gateway.on_error(it, code) for code in ("500", "502")} != {"@wait"}
