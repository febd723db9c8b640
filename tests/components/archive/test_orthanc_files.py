"""Orthanc's files in a bucket: what its container gets, and that nothing of them is left on the machine."""

import json
from typing import Any

import pytest

from tests.certificates import signed
from tests.program.cases import FACTORS
from tests.program.harness import Deployment, open_texts, run_program

AUTHORITY = signed("a hospital's store").pem
BUCKET: dict[str, Any] = {
    "bucket": "https://s3.example.org:7443/pacs",
    "region": "eu-1",
    "accessKey": "pacs",
    "secretKey": "S3cret.of-the-files",
    "caCertificate": AUTHORITY,
}
DATABASE = FACTORS["archive"]["orthanc-with-its-index-elsewhere"]["database"]


@pytest.fixture(scope="module")
def made() -> Deployment:
    return run_program({"files": BUCKET, "database": DATABASE})


def test_orthanc_gets_the_bucket_and_its_authority(made: Deployment) -> None:
    container = made.container("orthanc")
    configuration = json.loads(container.files["/etc/orthanc/orthanc.json"])
    assert configuration["AwsS3Storage"] == {
        "BucketName": "pacs",
        "Region": "eu-1",
        "AccessKey": "pacs",
        "SecretKey": "S3cret.of-the-files",
        "Endpoint": "https://s3.example.org:7443",
        "VirtualAddressing": False,
        "StorageStructure": "flat",
        "ConnectionTimeout": 10,
        "RequestTimeout": 60,
    }
    assert container.files[configuration["HttpsCACertificates"]] == AUTHORITY
    assert not [it for it in open_texts(container.marked_inputs) if "S3cret" in it]


def test_nothing_of_the_files_stays_on_the_machine(made: Deployment) -> None:
    volumes = {it.inputs["name"]: it for it in made.of_type("docker:index/volume:Volume")}
    assert set(volumes) == {"ohif-dev-sessions", "ohif-dev-orthanc-scratch"}
    assert not volumes["ohif-dev-orthanc-scratch"].protect


def test_the_way_to_the_bucket_is_orthancs_own(made: Deployment) -> None:
    (network,) = [it for it in made.of_type("Network") if it.inputs["name"] == "ohif-dev-bucket"]
    on_it = {
        it.inputs["hostname"]
        for it in made.of_type("Container")
        if network.inputs["name"] in {entry["name"] for entry in it.inputs["networksAdvanced"]}
    }
    assert on_it == {"orthanc"}
    assert network.inputs["internal"] is False


def test_a_public_store_needs_no_authority() -> None:
    bucket = {key: value for key, value in BUCKET.items() if key != "caCertificate"}
    container = run_program({"files": bucket, "database": DATABASE}).container("orthanc")
    assert "HttpsCACertificates" not in json.loads(container.files["/etc/orthanc/orthanc.json"])
