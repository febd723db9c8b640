"""Generated secrets: their strength, and that the state keeps them encrypted."""

import pytest

from components.secrets import LENGTH, TYPED_LENGTH, Secrets, SecretsArgs
from tests.program.harness import Deployment, Resource, record


@pytest.fixture(scope="module")
def made() -> Deployment:
    def program() -> None:
        Secrets(
            "secrets",
            SecretsArgs(
                users=["viewer"],
                programs=["triage"],
                archive=["archive-database", "archive"],
                backup=True,
                own_databases=True,
            ),
        )

    return record(program)


def passwords(made: Deployment) -> dict[str, Resource]:
    return {it.name.removeprefix("secrets-"): it for it in made.of_type("RandomPassword")}


def test_one_for_each_purpose_and_person(made: Deployment) -> None:
    machines = {
        "keycloak-database",
        "archive-database",
        "session-store",
        "archive",
        "client",
        "cookie",
        "program-triage",
        "backup",
    }
    assert set(passwords(made)) == machines | {"user-admin", "user-viewer"}


def test_length_is_safe_against_guessing(made: Deployment) -> None:
    for name, it in passwords(made).items():
        assert it.inputs["length"] == (TYPED_LENGTH if name.startswith("user-") else LENGTH)
        assert it.inputs["length"] >= 20


def test_known_problem_23_cookie_secret_is_generated_at_a_length_that_aes_takes(made: Deployment) -> None:
    assert passwords(made)["cookie"].inputs["length"] in (16, 24, 32)


def test_no_character_that_a_shell_or_url_reads_in_its_own_way(made: Deployment) -> None:
    for it in passwords(made).values():
        assert it.inputs["special"] is False


def test_kept_encrypted_in_the_state(made: Deployment) -> None:
    for it in passwords(made).values():
        assert {"result", "bcryptHash"} <= set(it.additional_secret_outputs)
