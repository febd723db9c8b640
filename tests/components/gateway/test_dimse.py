"""The gateway's DICOM port: closed unless opened, to listed networks only, and encrypted where configured."""

import json
from dataclasses import replace

import pytest

from components.archive.orthanc_config import render as render_orthanc
from components.gateway import nginx_config
from components.gateway.model import Dimse
from tests.components.archive.test_orthanc import ORTHANC
from tests.components.gateway.gateway_file import DIMSE, EXAMPLE, OTHER_EXAMPLE, Directive, parse


def stream(dimse: Dimse) -> Directive:
    (found,) = parse(nginx_config.render(replace(EXAMPLE, dimse=dimse))).all("stream")
    return found


def server(dimse: Dimse) -> Directive:
    (found,) = (it for it in stream(dimse).all("server") if it.all("allow"))
    return found


def test_there_is_no_dicom_port_unless_configured() -> None:
    (found,) = parse(nginx_config.render(EXAMPLE)).all("stream")
    (browsers,) = found.all("server")
    assert browsers.values("listen") == [("8080",)]
    assert browsers.value("proxy_pass") == nginx_config.HTTP_SOCKET


def test_listed_networks_are_let_in_and_nobody_else() -> None:
    order = [(it.name, it.args) for it in server(DIMSE).block if it.name in ("allow", "deny")]
    assert order == [("allow", ("10.1.0.0/16",)), ("allow", ("192.0.2.7/32",)), ("deny", ("all",))]


@pytest.mark.parametrize(("trusts", "file"), [(True, "neighbours-but-the-bridge"), (False, "neighbours")])
def test_networks_of_the_gateway_itself_send_nothing(trusts: bool, file: str) -> None:
    """The first match decides, so they come before any that is listed."""
    names = [it.name for it in server(replace(DIMSE, trust_bridge_address=trusts)).block]
    assert server(replace(DIMSE, trust_bridge_address=trusts)).value("include") == f"/tmp/{file}.conf"
    assert names.index("include") < names.index("allow")


def test_associations_go_to_the_archive_wherever_it_is_after_a_restart() -> None:
    (upstream,) = stream(DIMSE).all("upstream")
    assert server(DIMSE).value("proxy_pass") == upstream.args[0]
    assert upstream.values("server") == [("orthanc:4242", "resolve", "max_fails=0")]


def test_each_association_is_in_the_log() -> None:
    (form,) = stream(DIMSE).values("log_format")
    assert server(DIMSE).values("access_log") == [("/dev/stdout", form[0])]
    assert stream(DIMSE).values("access_log") == [("off",)], "browsers' connections: their requests are logged"
    for actual in ("$remote_addr", "$bytes_received", "$session_time"):
        assert actual in "".join(form)


def test_one_address_does_not_take_all_associations() -> None:
    limits = server(DIMSE).pairs("limit_conn")
    assert int(limits["associations_of_client"]) * 2 < int(limits["associations"])
    zones = {zone.removeprefix("zone=").partition(":")[0]: key for key, zone in stream(DIMSE).values("limit_conn_zone")}
    assert (zones["associations_of_client"], zones["associations"]) == ("$client_key", "all")


def test_every_association_that_is_let_in_has_a_thread_at_the_archive() -> None:
    """Those that wait for one would wait as long as others stay."""
    orthanc = json.loads(render_orthanc(replace(ORTHANC, callers=("CT",))))
    assert int(server(DIMSE).pairs("limit_conn")["associations"]) <= orthanc["DicomThreadsCount"]


def test_the_archive_sees_no_connection_on_which_nothing_was_sent() -> None:
    """One would keep Orthanc from accepting others for half a minute."""
    assert server(DIMSE).value("ssl_preread") == "on"
    assert server(DIMSE).value("preread_timeout") == "5s"


@pytest.mark.parametrize("client_certificates", [False, True])
def test_tls(client_certificates: bool) -> None:
    actual = server(replace(DIMSE, tls=True, client_certificates=client_certificates))
    assert actual.values("listen") == [("11112", "ssl")]
    assert actual.values("ssl_protocols") == [("TLSv1.2", "TLSv1.3")]
    assert actual.value("ssl_certificate_key") == "/etc/ohif/dicom/key.pem"
    assert bool(actual.values("ssl_verify_client")) is client_certificates
    assert server(DIMSE).values("listen") == [("11112",)]


def test_links_of_an_archive_that_names_itself_become_the_gateways() -> None:
    text = nginx_config.render(OTHER_EXAMPLE)
    authority = OTHER_EXAMPLE.authority
    assert f'sub_filter "//{authority}/dcm4chee-arc/aets/DCM4CHEE/rs/" "//{authority}/pacs/";' in text
    assert "/pacs/" not in nginx_config.render(EXAMPLE).partition("sub_filter_types")[2]
