"""Programs use DICOMweb with access tokens: with their roles, there and nowhere else."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from playwright.sync_api import Page

from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions
from tests.e2e.harness import ARCHIVE, Stack, wait_until
from tests.e2e.logs import line_of, log_of
from tests.e2e.objects import picture, stow
from tests.e2e.tokens import OIDC, bearer, service_token
from tools import sample
from tools.dicomweb import StackOutputs

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="this stack has no programs")

STUDIES = "/pacs/studies"

Tokens = Callable[[str], str]


@pytest.fixture(scope="module")
def token(stack: Stack, outputs: StackOutputs) -> Tokens:
    """`token(program)`: a new access token of its own."""

    return lambda program: service_token(stack, outputs, program)


@pytest.fixture
def program(stack: Stack) -> Iterator[httpx.Client]:
    """A program: a client without cookies."""
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        yield client


def tampered(token: str) -> str:
    """The same token with another program's name and roles, and the signature as it was."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["groups"] = ["pacsadmin"]
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{changed}.{signature}"


def test_a_program_reads_with_its_token(program: httpx.Client, token: Tokens) -> None:
    found = program.get(STUDIES, headers=bearer(token("triage")), params={"StudyInstanceUID": str(sample.study_uid())})
    assert (found.status_code, len(found.json())) == (200, 1)
    assert "set-cookie" not in found.headers


def test_the_fields_python_client_works(stack: Stack, token: Tokens) -> None:
    client = DICOMwebClient(f"{stack.url}/pacs", headers=bearer(token("triage")))
    study, series = str(sample.study_uid()), str(sample.uid("series", sample.SLICES))
    assert len(client.search_for_instances(study)) == sample.SLICES
    assert len(client.retrieve_series_metadata(study, series)) == sample.SLICES
    instance = str(sample.uid("instance", sample.SLICES, 0))
    (frame,) = client.retrieve_instance_frames(study, series, instance, [1])
    assert client.retrieve_instance(study, series, instance).PixelData == frame


def test_its_roles_decide(program: httpx.Client, token: Tokens, session: Sessions) -> None:
    made = picture(StudyDescription="Sent by a program")
    statuses = {}
    for name in ("idle", "triage", "router"):
        program.headers["Authorization"] = f"Bearer {token(name)}"
        statuses[name] = (program.get(STUDIES, params={"limit": 1}).status_code, stow(program, made).status_code)
    delete(session("pacsadmin"), "Study", StudyInstanceUID=str(made.StudyInstanceUID))
    assert statuses == {"idle": (403, 403), "triage": (200, 403), "router": (200, 200)}


@pytest.mark.parametrize(
    "path", ["/pacs-admin/system", "/ohif-viewer/", "/app-config.js", "/keycloak/admin/realms/ohif"]
)
def test_a_token_opens_dicomweb_only(program: httpx.Client, token: Tokens, path: str) -> None:
    assert program.get(path, headers=bearer(token("router"))).status_code in (401, 403)


def test_other_tokens_are_refused(
    program: httpx.Client, token: Tokens, outputs: StackOutputs, session: Sessions
) -> None:
    console = {"grant_type": "password", "client_id": "admin-cli", "username": "admin"}
    of_master = program.post(
        "/keycloak/realms/master/protocol/openid-connect/token",
        data={**console, "password": outputs.credentials["admin"]},
    ).json()["access_token"]
    good = token("triage")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    others = {
        "master": of_master,
        "tampered": tampered(good),
        "unsigned": f"{unsigned}.{good.split('.')[1]}.",
        "cut": good[:-1],
        "long": good + "A" * 8000,
        "none": "x",
    }
    statuses = {name: program.get(STUDIES, headers=bearer(it)).status_code for name, it in others.items()}
    assert statuses == dict.fromkeys(others, 401)
    for scheme in ("Basic", "Negotiate", "DPoP"):
        assert program.get(STUDIES, headers={"Authorization": f"{scheme} {good}"}).status_code == 401
    # A session does not help a token that is not valid.
    assert session("viewer").get(STUDIES, headers=bearer(tampered(good))).status_code == 401


def test_a_token_ends(program: httpx.Client, token: Tokens) -> None:
    """With the stack's `accessTokenLife` of 12 seconds."""
    given, started = token("triage"), time.monotonic()
    assert program.get(STUDIES, headers=bearer(given)).status_code == 200
    wait_until(lambda: program.get(STUDIES, headers=bearer(given)).status_code == 401, "end of the token", 60)
    assert time.monotonic() - started > 5


def test_the_log_has_the_program_and_no_token(stack: Stack, program: httpx.Client, token: Tokens) -> None:
    given = token("triage")
    line, _ = line_of(stack, program, "GET", STUDIES, headers=bearer(given))
    logs = {name: log_of(stack, name) for name in ("gateway", "auth-proxy", "keycloak", "orthanc")}
    assert (line["user"], line["status"]) == ("service-account-triage", 200)
    assert not [name for name, text in logs.items() if given in text or given.split(".")[2] in text]


def test_a_program_acts_for_a_user_who_signs_in(
    stack: Stack, program: httpx.Client, page: Page, outputs: StackOutputs
) -> None:
    """RFC 8628: the program shows a code, the user confirms it in a browser."""
    started = program.post(f"{OIDC}/auth/device", data={"client_id": "command-line", "scope": "openid"}).json()
    ask = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "command-line",
        "device_code": started["device_code"],
    }
    assert program.post(f"{OIDC}/token", data=ask).json()["error"] == "authorization_pending"
    page.goto(started["verification_uri_complete"])
    screen.log_in(page, "reporter", outputs.credentials["reporter"])
    page.get_by_text("command-line").first.wait_for()
    screen.keep(page, "program-for-a-user")
    page.get_by_role("button", name="Yes").click()
    page.get_by_text("Device Login Successful").wait_for()
    time.sleep(started["interval"])
    given = program.post(f"{OIDC}/token", data=ask).json()["access_token"]
    line, answer = line_of(stack, program, "GET", STUDIES, headers=bearer(given))
    assert answer.status_code == 200
    assert line["user"] == "reporter"


@pytest.mark.parametrize("grant", ["password", "client_credentials"])
def test_a_program_for_users_gets_no_token_without_one(
    program: httpx.Client, outputs: StackOutputs, grant: str
) -> None:
    answer = program.post(
        f"{OIDC}/token",
        data={
            "grant_type": grant,
            "client_id": "command-line",
            "username": "viewer",
            "password": outputs.credentials["viewer"],
        },
    )
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.text
