"""The archives behind their one interface, as the whole program makes them."""

import pytest

from tests.program.harness import Deployment, is_secret, run_program

WELL_KNOWN = ("changeit", "secret", "pacs", "admin")
"""Passwords that the images of dcm4che have where nobody gives them others."""


@pytest.fixture(scope="module")
def dcm4chee() -> Deployment:
    return run_program(
        {
            "archive": "dcm4chee",
            "aeTitle": "WARD",
            "archiveMemory": 3000,
            "dcm4chee": {"deviceName": "ward-arc"},
            "dicom": {"enabled": True, "callers": ["CT1", "MR_2"], "networks": ["10.1.0.0/16"]},
        }
    )


def test_each_archive_has_its_own_secrets_only() -> None:
    made = {
        archive: {
            name.removeprefix("secrets-")
            for name in run_program({"archive": archive}).secrets
            if name.startswith("secrets-archive")
        }
        for archive in ("orthanc", "dcm4chee")
    }
    assert made == {
        "orthanc": {"archive", "archive-database"},
        "dcm4chee": {
            "archive-database",
            "archive-ldap",
            "archive-ldap-config",
            "archive-console",
            "archive-keystore",
            "archive-truststore",
        },
    }


def test_no_well_known_password_is_left_in_place(dcm4chee: Deployment) -> None:
    """For each that the images know there is a file, with a generated value, that only root reads."""
    archive, directory = dcm4chee.container("dcm4chee"), dcm4chee.container("dcm4chee-ldap")
    actual = {key: value for key, value in archive.environment.items() if "PASS" in key}
    assert set(actual) == {
        "LDAP_ROOTPASS_FILE",
        "POSTGRES_PASSWORD_FILE",
        "WILDFLY_ADMIN_PASSWORD_FILE",
        "KEYSTORE_PASSWORD_FILE",
        "TRUSTSTORE_PASSWORD_FILE",
    }
    for path in actual.values():
        assert archive.files[path] == dcm4chee.secrets[f"secrets-{path.rpartition('/')[2]}"]
    for container in (archive, directory):
        for upload in container.marked_inputs["uploads"]:
            if "/archive-secrets/" in upload["file"]:
                assert is_secret(upload["content"])
                assert upload["permissions"] == "0400"
        assert not set(WELL_KNOWN) & set(container.files.values())
    assert archive.files[actual["LDAP_ROOTPASS_FILE"]] == directory.files["/run/archive-secrets/archive-ldap"]


def test_archive_waits_for_what_it_needs(dcm4chee: Deployment) -> None:
    archive = dcm4chee.container("dcm4chee")
    assert {dcm4chee.container(f"dcm4chee-{it}").urn for it in ("db", "ldap")} <= archive.dependencies
    # After a reboot the engine starts all at once.
    assert archive.environment["WILDFLY_WAIT_FOR"] == "dcm4chee-ldap:389 dcm4chee-db:5432"


def test_directory_and_archive_agree(dcm4chee: Deployment) -> None:
    archive, directory = dcm4chee.container("dcm4chee").environment, dcm4chee.container("dcm4chee-ldap").environment
    for key in ("LDAP_BASE_DN", "ARCHIVE_DEVICE_NAME"):
        assert archive[key] == directory[key], key
    assert (directory["ARCHIVE_DEVICE_NAME"], directory["AE_TITLE"]) == ("ward-arc", "WARD")
    database = dcm4chee.container("dcm4chee-db").environment
    assert (archive["POSTGRES_USER"], archive["POSTGRES_DB"]) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
    (storage,) = dcm4chee.container("dcm4chee").inputs["volumes"]
    assert directory["STORAGE_DIR"].startswith(f"{storage['containerPath']}/")


def test_gateway_finds_the_archive_by_its_ae_title(dcm4chee: Deployment) -> None:
    file = dcm4chee.container("gateway").files["/etc/ohif/nginx.conf"]
    assert "default /dcm4chee-arc/aets/WARD/rs;" in file
    assert "server dcm4chee:8080 resolve" in file
    assert "server dcm4chee:11112 resolve" in file


def test_callers_are_written_to_the_directory(dcm4chee: Deployment) -> None:
    assert dcm4chee.container("dcm4chee-ldap").files["/callers"] == "CT1\nMR_2\n"
    closed = run_program({"archive": "dcm4chee"}).container("dcm4chee-ldap")
    assert closed.files["/callers"] == "\n", "the provider takes no empty file"


def test_java_fits_its_container(dcm4chee: Deployment) -> None:
    archive = dcm4chee.container("dcm4chee")
    assert archive.inputs["memory"] == 3000
    assert "-Xmx1500m" in archive.environment["JBOSS_JAVA_SIZING"].split()


def test_console_of_the_application_server_answers_in_the_container_only(dcm4chee: Deployment) -> None:
    command = dcm4chee.container("dcm4chee").inputs["command"]
    assert command[command.index("-bmanagement") + 1] == "127.0.0.1"


@pytest.mark.parametrize("archive", ["orthanc", "dcm4chee"])
def test_viewer_is_configured_for_what_the_archive_can_do(archive: str) -> None:
    actual = run_program({"archive": archive}).container("gateway").files["/etc/ohif/www/app-config.store.js"]
    fuzzy = {"orthanc": "false", "dcm4chee": "true"}[archive]
    assert f'"supportsFuzzyMatching": {fuzzy}' in actual
    assert '"supportsReject": false' in actual


TLS = {
    "certificate": "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
    "key": "-----BEGIN PRIVATE KEY-----\nB\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("client_ca", [None, "-----BEGIN CERTIFICATE-----\nC\n-----END CERTIFICATE-----\n"])
def test_gateway_ends_the_tls_of_modalities(client_ca: str | None) -> None:
    tls = {**TLS, **({"clientCa": client_ca} if client_ca else {})}
    dicom = {"enabled": True, "callers": ["CT1"], "networks": ["10.1.0.0/16"], "tls": tls}
    gateway = run_program({"dicom": dicom}).container("gateway")
    found = {path.rpartition("/")[2]: text for path, text in gateway.files.items() if "/etc/ohif/dicom/" in path}
    assert found == {
        "certificate.pem": tls["certificate"],
        "key.pem": tls["key"],
        **({"client-ca.pem": client_ca} if client_ca else {}),
    }
    (key,) = (upload for upload in gateway.marked_inputs["uploads"] if upload["file"].endswith("/key.pem"))
    assert is_secret(key["content"])
    assert ("ssl_verify_client on;" in gateway.files["/etc/ohif/nginx.conf"]) is (client_ca is not None)
