"""Known vulnerabilities: which versions have them, and what the configuration says of it."""

import pytest

from advisories import ADVISORIES, Advisory
from images import DEFAULT_IMAGES
from settings.parsing import ConfigurationError
from tests.settings.test_settings import load

OF_LINES = Advisory(image="keycloak", identifier="X", fixed=("26.4.15", "26.6.6", "26.7.2"), harm="", source="")
OF_MAJORS = Advisory(image="postgres", identifier="X", fixed=("16.15", "17.11"), harm="", source="")


@pytest.mark.parametrize(
    ("tag", "concerned"),
    [
        (":26.4.14", True),
        (":26.4.15", False),
        (":26.5.9", True),  # a line that got no fixed version
        (":26.7.1-debian", True),
        (":26.7.2", False),
        (":26.10.0", False),
        (":27.0.0", False),
        (":v25.0.6", True),
        (":26.7.1@sha256:" + 64 * "0", True),
        # No whole version: a moving tag, a digest alone, a registry's port.
        (":26.7", False),
        (":latest", False),
        ("@sha256:" + 64 * "1", False),
        ("", False),
    ],
)
def test_versions_of_releases_in_lines(tag: str, concerned: bool) -> None:
    assert OF_LINES.concerns(f"registry.example.org:5000/keycloak{tag}") is concerned


@pytest.mark.parametrize(
    ("tag", "concerned"), [("16.14", True), ("16.15", False), ("17.9-trixie", True), ("17", False), ("18.0", False)]
)
def test_versions_whose_line_is_the_first_number(tag: str, concerned: bool) -> None:
    assert OF_MAJORS.concerns(f"postgres:{tag}") is concerned


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda it: it.identifier)
def test_images_of_the_program_have_none(advisory: Advisory) -> None:
    assert not advisory.concerns(DEFAULT_IMAGES[advisory.image].name)
    lines = [it.split(".")[:-1] for it in advisory.fixed]
    assert advisory.source.startswith("https://") and len({len(it) for it in lines}) == 1


def test_a_known_vulnerability_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError, match=r"images.keycloak: .*CVE-2026-18963.*26\.7\.2.*accept") as refused:
        load(images={"keycloak": "mirror.example.org/keycloak:26.6.5"})
    assert "take over an account" in str(refused.value)


def test_one_that_is_accepted_is_used() -> None:
    entry = {"name": "keycloak:26.6.5", "accept": ["CVE-2026-18963"]}
    assert load(images={"keycloak": entry}).images["keycloak"].name == "keycloak:26.6.5"


@pytest.mark.parametrize("accept", ["CVE-2026-18963", ["CVE-2020-1"]])
def test_what_is_accepted_must_be_known(accept: object) -> None:
    with pytest.raises(ConfigurationError, match="list of CVE-2026-18963"):
        load(images={"keycloak": {"name": "keycloak:26.7.3", "accept": accept}})


@pytest.mark.parametrize(
    "reference", ["postgres:15.19", "postgres:18", "registry.example.org:5000/postgres:18.6-alpine"]
)
def test_another_major_version_of_postgresql_is_refused(reference: str) -> None:
    with pytest.raises(ConfigurationError, match=r"images.postgres: .*PostgreSQL 16 or 17"):
        load(images={"postgres": reference})
