"""What of a saved state is taken up on a machine that has nothing of the stack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bootstrap.console import UserError
from components.archive.choice import ArchiveChoiceArgs, refusal
from names import ARCHIVE_CHOICE_TYPE, SERVER_PLACE
from settings import ArchiveKind
from tools.recover import Lasting, remaining

STACK = "urn:pulumi:prod::ohif::"
ROOT = {
    "urn": f"{STACK}pulumi:pulumi:Stack::ohif-prod",
    "type": "pulumi:pulumi:Stack",
    "outputs": {"viewerUrl": "https://prod"},
}
VOLUME = {
    "urn": f"{STACK}ohif:index:Database$docker:index/volume:Volume::keycloak-database-volume",
    "type": "docker:index/volume:Volume",
}
MACHINE = {"urn": f"{STACK}linode:index/instance:Instance::host", "type": "linode:index/instance:Instance"}
PROVIDER = {
    "urn": f"{STACK}ohif:index:Cloud$pulumi:providers:linode::host-cloud-linode",
    "type": "pulumi:providers:linode",
}
SECRET = {
    "urn": f"{STACK}random:index/randomPassword:RandomPassword::secrets-cookie",
    "type": "random:index/randomPassword:RandomPassword",
    "outputs": {"result": {"ciphertext": "v1:x:y"}},
}
REALM = {
    "urn": f"{STACK}keycloak:index/realm:Realm::identity-realm",
    "type": "keycloak:index/realm:Realm",
    "deletedWith": VOLUME["urn"],
    "dependencies": [VOLUME["urn"], SECRET["urn"]],
    "propertyDependencies": {"realm": [VOLUME["urn"]], "smtpServer": None},
}


def document(*resources: Any) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources), "secrets_providers": {"type": "passphrase"}}}


def test_secrets_and_realm_stay_and_the_machine_goes() -> None:
    made = remaining(document(ROOT, MACHINE, VOLUME, SECRET, REALM), "prod")
    root, secret, realm = made["deployment"]["resources"]
    assert (root["urn"], root["outputs"], secret["outputs"]) == (ROOT["urn"], {}, SECRET["outputs"])
    assert realm["dependencies"] == [SECRET["urn"]]
    assert realm["propertyDependencies"] == {"realm": [], "smtpServer": []}
    assert "deletedWith" not in realm
    assert made["deployment"]["secrets_providers"] == {"type": "passphrase"}


def test_the_realm_of_the_stack_that_was_saved_is_not_deleted() -> None:
    made = remaining(document(ROOT, SECRET, REALM), "drill")
    _, secret, realm = made["deployment"]["resources"]
    assert (realm["retainOnDelete"], "retainOnDelete" in secret) == (True, False)


def test_the_bucket_of_the_backups_stays_with_its_stack_alone() -> None:
    kind = "linode:index/objectStorageBucket:ObjectStorageBucket"
    bucket = {"urn": f"{STACK}{kind}::backup", "type": kind, "provider": f"{PROVIDER['urn']}::1234"}
    saved = document(ROOT, PROVIDER, MACHINE, bucket)
    _, *kept = remaining(saved, "prod")["deployment"]["resources"]
    assert [it["urn"] for it in kept] == [PROVIDER["urn"], bucket["urn"]]
    assert kept[1]["retainOnDelete"]
    assert len(remaining(saved, "drill")["deployment"]["resources"]) == 1


def test_what_is_left_in_the_account_is_taken_up_where_the_data_were_kept() -> None:
    disk = {
        "urn": f"{STACK}linode:index/volume:Volume::host-volume",
        "type": "linode:index/volume:Volume",
        "provider": f"{PROVIDER['urn']}::1234",
        "dependencies": [MACHINE["urn"]],
    }
    choice = {
        "urn": f"{STACK}{ARCHIVE_CHOICE_TYPE}::archive-choice",
        "type": ARCHIVE_CHOICE_TYPE,
        "inputs": {"archive": "orthanc", "written": {}, "databases": {"postgres": "17"}, "places": {}},
    }
    key = {
        "urn": f"{STACK}linode:index/objectStorageKey:ObjectStorageKey::key",
        "type": "linode:index/objectStorageKey:ObjectStorageKey",
        "provider": disk["provider"],
    }
    saved = document(ROOT, PROVIDER, MACHINE, VOLUME, disk, key, choice)
    _, *kept = remaining(saved, "prod", Lasting.DATA)["deployment"]["resources"]
    assert [it["urn"] for it in kept] == [PROVIDER["urn"], disk["urn"], choice["urn"]]
    assert kept[1]["dependencies"] == []
    assert kept[2]["inputs"] == choice["inputs"], "the data are of these versions, at these places"


def test_where_the_data_were_no_longer_holds() -> None:
    """What is wanted of an archive that wrote into its data still does: those come back."""
    written = {"archive": "dcm4chee", "written": {"aeTitle": "WARD"}}
    choice = {
        "urn": f"{STACK}{ARCHIVE_CHOICE_TYPE}::archive-choice",
        "type": ARCHIVE_CHOICE_TYPE,
        "inputs": {
            **written,
            "databases": {"postgres": "16"},
            "places": {"database": SERVER_PLACE},
            "writers": {"keycloak": "26.7.3"},
        },
    }
    made = remaining(document(ROOT, choice), "drill")["deployment"]["resources"][1]["inputs"]
    settings: dict[str, Any] = {
        "archive": ArchiveKind.DCM4CHEE,
        "confirmed": False,
        "immutable_settings": written["written"],
    }
    for places in ({}, {"database": SERVER_PLACE}):
        older = {"keycloak": "26.7.2"}
        wanted = ArchiveChoiceArgs(**settings, databases={"postgres": "17"}, places=places, writers=older)
        assert refusal(made, wanted) is None
    assert refusal(made, ArchiveChoiceArgs(**{**settings, "immutable_settings": {}}))


def test_another_stack_takes_it_up_under_its_own_name() -> None:
    text = json.dumps(remaining(document(ROOT, SECRET, REALM), "drill"))
    assert "urn:pulumi:drill::ohif::pulumi:pulumi:Stack::ohif-drill" in text
    assert "prod" not in text


@pytest.mark.parametrize("saved", [{}, {"deployment": None}, {"deployment": {"resources": []}}])
def test_what_is_no_state_of_this_project_is_refused(saved: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="not the state of a stack of this project"):
        remaining(saved, "prod")
