"""Whatever clients do, nginx's buffers are smaller than the gateway's container: its file alone decides."""

from dataclasses import replace

import pytest

from components.gateway import nginx_config
from components.gateway.gateway import MEMORY_MIB, TEMPORARY_MIB
from components.gateway.model import GatewayConfig
from tests.components.gateway.gateway_file import (
    DIMSE,
    EXAMPLE,
    HTTPS_EXAMPLE,
    OPEN_LINKS_EXAMPLE,
    OTHER_EXAMPLE,
    Gateway,
    parse,
)
from tests.components.gateway.gateway_memory import MIB, Sum, in_bytes

CONFIGS = {
    "http": EXAMPLE,
    "https": HTTPS_EXAMPLE,
    "https and share links": OPEN_LINKS_EXAMPLE,
    "https, dcm4chee": replace(OTHER_EXAMPLE, tls=HTTPS_EXAMPLE.tls, scheme="https"),
    "https and dicom over tls": replace(HTTPS_EXAMPLE, dimse=replace(DIMSE, tls=True, client_certificates=True)),
}
SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> int:
    return int(text[:-1]) * SECONDS[text[-1]]


@pytest.fixture(params=list(CONFIGS.values()), ids=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> GatewayConfig:
    assert isinstance(request.param, GatewayConfig)
    return request.param


@pytest.fixture
def total(config: GatewayConfig) -> Sum:
    return Sum(parse(nginx_config.render(config)), TEMPORARY_MIB * MIB)


def test_connections_and_requests_fit_into_the_containers_memory(total: Sum) -> None:
    terms = total.terms()
    actual = ", ".join(f"{name} {size / MIB:.0f} MiB" for name, size in terms.items())
    print(f"\n{actual}; {sum(terms.values()) / MIB:.0f} of {MEMORY_MIB} MiB")
    assert sum(terms.values()) <= MEMORY_MIB * MIB, actual


def test_until_there_is_a_certificate_too() -> None:
    waiting = parse(nginx_config.render_waiting(HTTPS_EXAMPLE))
    (events,) = waiting.all("events")
    # nginx's own limits for a header: 1 KiB, four buffers of 8 KiB, a thousand lines.
    worst = int(waiting.value("worker_processes")) * int(events.value("worker_connections")) * 150 * 1024
    assert worst <= MEMORY_MIB * MIB / 2


def test_no_worker_runs_out_of_places_for_connections(total: Sum) -> None:
    """nginx would refuse everybody, and write a line about each."""
    assert total.places_needed() <= total.slots


def test_one_client_has_half_of_it_at_the_most(total: Sum) -> None:
    for server in total.browsers:
        limits = {zone: int(most) for zone, most in server.values("limit_conn")}
        assert limits["connections_of_client"] * 2 <= limits["connections"]
    for block in total.http.walk():
        limits = {zone: int(most) for zone, most in block.values("limit_conn")}
        if limits:
            assert limits["requests_of_client"] * 2 <= limits["requests"], block.args


def test_limits_count_what_they_say(total: Sum) -> None:
    for block, wanted in (
        (total.http, {"requests": "all", "requests_of_client": "$client_key", "requests_of_session": "$session_key"}),
        (total.stream, {"connections": "all", "connections_of_client": "$client_key"}),
    ):
        actual = {zone.removeprefix("zone=").partition(":")[0]: key for key, zone in block.values("limit_conn_zone")}
        assert actual.items() >= wanted.items()
        assert block.value("limit_conn_log_level") == "info", "a flood would fill the log, in which the audit is"


def test_no_server_or_location_leaves_the_limits_of_requests_behind(total: Sum) -> None:
    """A block with limits of its own inherits none."""
    limited = [it for it in total.http.walk() if it.all("limit_conn")]
    assert total.http in limited
    for it in limited:
        assert {"requests", "requests_of_client"} <= it.pairs("limit_conn").keys(), it.args


def test_one_session_does_not_take_all_threads_of_the_archive(config: GatewayConfig) -> None:
    gateway = Gateway(config)
    forwarding = [it for it in gateway.guarded if it.values("proxy_pass") == [("http://archive",)]]
    assert forwarding
    for it in forwarding:
        # HttpThreadsCount in components/archive/orthanc_config.py.
        assert int(it.pairs("limit_conn")["requests_of_session"]) < 50 / 2, it.args


def test_a_browser_is_counted_before_it_is_read(config: GatewayConfig, total: Sum) -> None:
    """`http` counts a request only once its header is there, so clients reach it through `stream` alone."""
    for server in total.http.all("server"):
        for listen in server.values("listen"):
            assert listen[0].startswith(("unix:", "127.0.0.1:")), listen
            assert ("proxy_protocol" in listen) is listen[0].startswith("unix:")
    assert total.http.values("set_real_ip_from") == [("unix:",)]
    assert total.http.value("real_ip_header") == "proxy_protocol"


def test_slow_clients_are_left_soon(total: Sum) -> None:
    http = total.http
    assert seconds(http.value("client_header_timeout")) <= 10
    assert seconds(http.value("client_body_timeout")) <= 30
    assert seconds(http.value("send_timeout")) <= 30
    longest = max(seconds(it.args[0]) for it in http.walk() if it.name in ("proxy_read_timeout", "keepalive_timeout"))
    for server in total.browsers:
        assert longest < seconds(server.value("proxy_timeout")), "it would end a request that is being worked on"


def test_what_is_kept_as_files_fits_where_it_is_kept(total: Sum, config: GatewayConfig) -> None:
    """The answers of oauth2-proxy, and bodies beyond their buffer: none."""
    ((path, *options),) = total.http.values("proxy_cache_path")
    (most,) = (in_bytes(it.removeprefix("max_size=")) for it in options if it.startswith("max_size="))
    assert path.startswith("/tmp/")
    assert most <= TEMPORARY_MIB * MIB / 2
    buffered = in_bytes(total.http.value("client_body_buffer_size"))
    assert in_bytes(total.http.value("client_max_body_size")) <= buffered
    for it in Gateway(config).server.all("location"):
        for (size,) in it.values("client_max_body_size"):
            # Not kept: handed on as it comes, or not read at all.
            handed_on = it.values("proxy_request_buffering") == [("off",)] or it.all("internal")
            assert handed_on or 0 < in_bytes(size) <= buffered, it.args
