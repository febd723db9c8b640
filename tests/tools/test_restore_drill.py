"""The configuration of a drill: whatever the stack's own is, the throw-away one comes up on this machine."""

from typing import Any

import pytest

from tests.certificates import signed
from tests.program.cases import FACTORS
from tests.program.harness import run_program
from tools.restore_drill import drill_config

NAMED = {"host": "pacs.example.org", "adminNetworks": ["10.1.0.0/16"]}
BEHIND_A_PROXY = {**NAMED, "proxy": {"trusted": ["10.0.0.0/29"]}}
SERVER = FACTORS["archive"]["orthanc-with-its-index-elsewhere"]["database"]
PROVIDED = signed("a hospital", covers=("pacs.example.org",))


def test_the_drill_reads_the_bucket_that_the_stack_has_made() -> None:
    saved = {"config": {"ohif:target": "linode", "ohif:backup": {"repository": "linode", "region": "nl-ams"}}}
    bucket = {"repository": "s3:https://nl-ams-1.linodeobjects.com/ohif-prod", "region": "nl-ams"}
    made = drill_config(saved, 8123, {**bucket, "accessKey": "KEY", "secretKey": "S3cret.of-the-key"})["config"]
    deployment = run_program({key.removeprefix("ohif:"): value for key, value in made.items()})
    environment = deployment.container("backup").environment
    assert environment["RESTIC_REPOSITORY"] == bucket["repository"]
    assert environment["AWS_DEFAULT_REGION"] == bucket["region"]
    assert not deployment.of_type("ObjectStorageBucket")


@pytest.mark.parametrize(
    "settings",
    [
        {**BEHIND_A_PROXY, "mfa": "required", "passkeys": True},
        {**BEHIND_A_PROXY, "rights": {"shares": {}}, "users": [{"name": "curie", "roles": ["viewer", "sharer"]}]},
        {**NAMED, "tls": "provided", "tlsCertificate": PROVIDED.pem, "tlsKey": PROVIDED.key_pem},
        {"smtp": {"host": "mail.example.org", "from": "a@example.org"}, "backup": {"mailTo": ["b@example.org"]}},
        {"database": SERVER},
    ],
    ids=["passkeys", "share links", "certificate", "mails", "database"],
)
def test_the_drills_own_stack_comes_up(settings: dict[str, Any]) -> None:
    backup = {"repository": "/srv/backup", **settings.get("backup", {})}
    run_program({**settings, "backup": backup})
    saved = {"config": {f"ohif:{key}": value for key, value in {**settings, "backup": backup}.items()}}
    made = drill_config(saved, 8123)["config"]
    deployment = run_program({key.removeprefix("ohif:"): value for key, value in made.items()})
    assert deployment.stack_outputs["viewerUrl"] == "http://127.0.0.1:8123/"
    containers = {it.inputs["hostname"] for it in deployment.of_type("Container")}
    assert "backup-mails" not in containers
    assert {"keycloak-db", "orthanc-db"} <= containers, "the drill would use, and replace, the data of the stack"
