"""The contract's sentences that a table cannot say: how a refusal looks, what the stack hands out."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from tests.e2e.conftest import Sessions
from tests.e2e.harness import NAME, THINGS, Stack, configured_users, sample_is_listed
from tools import sample
from tools.dicomweb import GatewayClientError, StackOutputs, client, sign_in, store


def test_outputs_are_there(stack: Stack, outputs: StackOutputs) -> None:
    assert outputs.base_url == stack.url
    assert outputs.viewer_url.startswith(f"{stack.url}/")
    assert outputs.admin_url.startswith(f"{stack.url}/pacs-admin")
    assert outputs.console_url.startswith(f"{stack.url}/keycloak/admin")
    assert set(outputs.credentials) == {"admin", *configured_users()}


def test_passwords_are_generated(outputs: StackOutputs) -> None:
    passwords = list(outputs.credentials.values())
    assert len(set(passwords)) == len(passwords)
    for user, password in outputs.credentials.items():
        assert len(password) >= 16
        assert user not in password.lower()
        assert not re.search(r"admin|password|changeme|change_me|ohif|keycloak|secret", password.lower())


def test_wrong_password_is_refused(stack: Stack) -> None:
    with pytest.raises(GatewayClientError, match="refused"):
        sign_in(stack.url, "reporter", "not-the-password")


def test_dicomweb_without_session_gets_a_plain_401(stack: Stack) -> None:
    with closing(client(stack.url)) as anonymous:
        answer = anonymous.get("/pacs/studies", headers={"Accept": "application/dicom+json"})
    assert answer.status_code == 401
    assert "location" not in answer.headers
    assert "kc-form-login" not in answer.text


def test_fetch_of_a_page_script_without_session_gets_401(stack: Stack) -> None:
    script = {
        "Accept": "*/*",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Dest": "empty",
        "Sec-Fetch-Site": "same-origin",
    }
    with closing(client(stack.url)) as anonymous:
        answer = anonymous.get("/ohif-viewer/", headers=script)
    assert answer.status_code == 401


def test_viewer_is_refused_at_the_archive_with_a_page(session: Sessions) -> None:
    answer = session("viewer").get("/pacs-admin/", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "/_gateway/" in answer.text
    assert "<h1" in answer.text


def test_person_without_role_is_refused_everywhere(session: Sessions) -> None:
    for path in ("/ohif-viewer/", "/pacs/studies", "/pacs-admin/", "/app-config.js"):
        answer = session("norole").get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 403, path


@pytest.mark.parametrize("user", ["viewer", "reporter", "pacsadmin"])
def test_every_role_sees_the_sample(session: Sessions, user: str) -> None:
    assert sample_is_listed(session(user))


def test_reporter_stores_and_storing_twice_is_one_study(session: Sessions) -> None:
    store(session("reporter"), [sample.encoded(0)])
    answer = session("reporter").get(f"/pacs/studies/{sample.study_uid()}/instances")
    assert answer.status_code == 200
    assert len(answer.json()) == sample.SLICES


def test_viewer_may_not_store(session: Sessions) -> None:
    with pytest.raises(GatewayClientError, match="403"):
        store(session("viewer"), [sample.encoded(0)])


def test_metadata_links_lead_back_through_the_gateway(stack: Stack, session: Sessions) -> None:
    first = sample.instance(0)
    series = f"/pacs/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    metadata = session("viewer").get(f"{series}/metadata").json()
    assert len(metadata) == sample.SLICES
    for instance in metadata:
        link = instance["7FE00010"]["BulkDataURI"]
        assert link.startswith(f"{stack.url}{series}/instances/")


def test_stored_pixels_come_back_unchanged(session: Sessions) -> None:
    original = sample.instance(60)
    series = f"/pacs/studies/{original.StudyInstanceUID}/series/{original.SeriesInstanceUID}"
    raw = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    answer = session("viewer").get(f"{series}/instances/{original.SOPInstanceUID}/frames/1", headers=raw)
    assert answer.status_code == 200
    assert original.PixelData in answer.content


def test_only_the_gateway_publishes_a_port(stack: Stack) -> None:
    containers = {container.name: container for container in stack.containers()}
    assert set(containers) == {f"ohif-{NAME}-{thing}" for thing in THINGS}
    for name, container in containers.items():
        published = [binding for bindings in container.ports.values() for binding in bindings or []]
        if name == f"ohif-{NAME}-gateway":
            assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
        else:
            assert not published, name


def test_every_container_is_healthy(stack: Stack) -> None:
    for container in stack.containers():
        assert container.attrs["State"]["Health"]["Status"] == "healthy", container.name
        assert container.labels["org.ohif.project"] == "ohif"
