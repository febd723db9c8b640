"""Each generated secret can be replaced by one command, and the stack works with the new one only."""

import json

import httpx
import pytest

from tests.e2e.harness import CONFIG_FILE, NAME, Stack, run, state_environment
from tools.dicomweb import sign_in


def rotate(secret: str) -> None:
    run(
        "python3", "-m", "tools.rotate", secret, "--stack", NAME, "--config-file", str(CONFIG_FILE),
        env=state_environment(),
    )  # fmt: skip


def secret_value(name: str) -> str:
    """The generated secret in the stack's state."""
    exported = json.loads(
        run("pulumi", "stack", "export", "--show-secrets", "--stack", NAME, env=state_environment()).stdout
    )
    (resource,) = (
        resource
        for resource in exported["deployment"]["resources"]
        if resource["urn"].endswith(f"RandomPassword::secrets-{name}")
    )
    return str(json.loads(resource["outputs"]["result"]["plaintext"]))


def console_token(stack: Stack, password: str) -> httpx.Response:
    """Keycloak's answer to a sign-in of the console's user."""
    return httpx.post(
        f"{stack.url}/keycloak/realms/master/protocol/openid-connect/token",
        data={"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": password},
        timeout=30,
    )


def test_the_client_secret_is_new_and_people_sign_in(stack: Stack) -> None:
    before = secret_value("client")
    rotate("client")
    assert secret_value("client") != before
    stack.wait_for_login(stack.outputs().credentials)


def test_an_old_session_does_not_outlive_the_cookie_secret(stack: Stack) -> None:
    credentials = stack.outputs().credentials
    session = sign_in(stack.url, "viewer", credentials["viewer"])
    assert session.get("/pacs/studies").status_code == 200
    rotate("cookie")
    assert session.get("/pacs/studies").status_code == 401
    stack.wait_for_login(credentials)


def test_a_database_refuses_the_password_it_had_before(stack: Stack) -> None:
    before = secret_value("archive-database")
    rotate("archive-database")
    asks = "PGPASSWORD={} psql -h orthanc-db -U orthanc -d orthanc -tAc 'select 1'"
    database = stack.container("orthanc-db")
    assert database.exec_run(["sh", "-c", asks.format(before)]).exit_code != 0
    assert database.exec_run(["sh", "-c", asks.format(secret_value("archive-database"))]).exit_code == 0
    stack.wait_for_login(stack.outputs().credentials)


@pytest.mark.parametrize("person", ["admin", "viewer"])
def test_a_rotated_password_is_the_users(stack: Stack, person: str) -> None:
    before = stack.outputs().credentials
    rotate(f"user-{person}")
    now = stack.outputs().credentials
    assert now[person] != before[person]
    assert {name for name in now if now[name] == before[name]} == set(now) - {person}
    stack.wait_for_login(now)
    if person == "admin":
        assert console_token(stack, before[person]).json()["error"] == "invalid_grant"
        assert console_token(stack, now[person]).status_code == 200


def test_a_secret_that_does_not_exist_is_named_with_those_that_do(stack: Stack) -> None:
    with pytest.raises(AssertionError, match=r"has no secret 'cooky'(.|\n)*cookie"):
        rotate("cooky")
