"""`make up` with another archive in the configuration than in the state."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, cast

import pytest

from bootstrap.console import UserError
from tools import archive_change
from tools.preflight import MIB, NEEDED_BYTES
from tools.pulumi_run import Pulumi
from tools.stack_state import needed_memory

URN = "urn:pulumi:dev::ohif::"
VOLUME = "docker:index/volume:Volume"


def volume(parents: str, name: str, *, protect: bool) -> dict[str, Any]:
    urn = f"{URN}{parents}${VOLUME}::{name}"
    return {
        "urn": urn,
        "type": VOLUME,
        "outputs": {"name": f"ohif-dev-{name}"},
        **({"protect": True} if protect else {}),
    }


def state(*, protect: bool = True) -> dict[str, Any]:
    """The state of a stack with Orthanc."""
    return {
        "resources": [
            {
                "urn": f"{URN}ohif:index:ArchiveChoice::archive-choice",
                "type": "ohif:index:ArchiveChoice",
                "inputs": {"archive": "orthanc", "written": {}},
            },
            {"urn": f"{URN}ohif:index:Orthanc::archive", "type": "ohif:index:Orthanc"},
            volume("ohif:index:Orthanc", "archive-volume", protect=protect),
            volume("ohif:index:Orthanc$ohif:index:Database", "archive-database-volume", protect=protect),
            volume("ohif:index:Keycloak$ohif:index:Database", "keycloak-database-volume", protect=protect),
        ]
    }


class FakePulumi:
    """A replacement for the CLI with a state and a configuration; it records imports."""

    def __init__(self, deployment: dict[str, Any], **config: object) -> None:
        self.document: dict[str, Any] = {"version": 3, "deployment": copy.deepcopy(deployment)}
        self.config = {f"ohif:{key}": {"value": value} for key, value in config.items()}
        self.imported: dict[str, Any] | None = None

    def output_of(self, *words: str, config: bool = False) -> str:
        match words:
            case ("config", "--json"):
                return json.dumps(self.config)
            case ("stack", "export"):
                return json.dumps(self.document)
            case ("stack", "import", file):
                self.imported = json.loads(Path(file.removeprefix("--file=")).read_text())
                return ""
        raise AssertionError(words)


def keep(pulumi: FakePulumi) -> None:
    archive = str(pulumi.config["ohif:archive"]["value"])
    archive_change.keep_former_volumes(cast("Pulumi", pulumi), pulumi.document["deployment"], archive)


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"archive": "orthanc"}, False),
        ({"archive": "dcm4chee"}, True),
        ({"archive": "dcm4chee", "confirmArchiveSwitch": "false"}, True),
        ({"archive": "dcm4chee", "confirmArchiveSwitch": "true"}, False),
        ({"archive": "dcm4chee", "confirmArchiveSwitch": True}, False),
    ],
)
def test_another_archive_is_refused_unless_confirmed(config: dict[str, Any], refused: bool) -> None:
    if not refused:
        archive_change.refuse_unconfirmed(state(), config)
        return
    with pytest.raises(UserError, match="studies of this stack are in orthanc") as problem:
        archive_change.refuse_unconfirmed(state(), config)
    assert "confirmArchiveSwitch" in problem.value.fix


def test_a_new_stack_may_have_any_archive() -> None:
    archive_change.refuse_unconfirmed({}, {"archive": "dcm4chee"})


@pytest.mark.parametrize("protect", [True, False])
def test_volumes_of_the_former_archive_are_kept_by_the_engine(protect: bool) -> None:
    pulumi = FakePulumi(state(protect=protect), archive="dcm4chee")
    keep(pulumi)
    assert pulumi.imported is not None
    after = {it["urn"].rpartition("::")[2]: it for it in pulumi.imported["deployment"]["resources"]}
    for name in ("archive-volume", "archive-database-volume"):
        assert after[name]["retainOnDelete"] is True
        assert "protect" not in after[name]
    # Nothing else is touched.
    before = {it["urn"].rpartition("::")[2]: it for it in state(protect=protect)["resources"]}
    others = set(before) - {"archive-volume", "archive-database-volume"}
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


def test_an_interrupted_change_of_archive_continues() -> None:
    """`pulumi up` stops at protected volumes, after the new archive is already in the state."""
    half = state()
    half["resources"][0]["inputs"]["archive"] = "dcm4chee"
    half["resources"].append({"urn": f"{URN}ohif:index:Dcm4chee::archive", "type": "ohif:index:Dcm4chee"})
    half["resources"].append(volume("ohif:index:Dcm4chee", "archive-volume", protect=True))
    archive_change.refuse_unconfirmed(half, {"archive": "dcm4chee"})
    pulumi = FakePulumi(half, archive="dcm4chee")
    keep(pulumi)
    assert pulumi.imported is not None
    protected = [it["urn"] for it in pulumi.imported["deployment"]["resources"] if it.get("protect")]
    assert [urn.split("::")[2].split("$")[0] for urn in protected] == ["ohif:index:Keycloak", "ohif:index:Dcm4chee"]


def test_a_new_stack_has_no_volumes_to_keep() -> None:
    pulumi = FakePulumi({}, archive="dcm4chee")
    keep(pulumi)
    assert pulumi.imported is None


def test_the_state_is_unchanged_if_the_archive_is_the_same() -> None:
    pulumi = FakePulumi(state(), archive="orthanc")
    keep(pulumi)
    assert pulumi.imported is None


@pytest.mark.parametrize(
    ("config", "mib"),
    [
        ({"archive": "orthanc", "archiveMemory": "0"}, 0),
        ({"archive": "orthanc", "archiveMemory": 512}, 0),
        ({"archive": "orthanc", "archiveMemory": 3072}, 1024),
        ({"archive": "dcm4chee", "archiveMemory": "0"}, 1024),
        ({"archive": "dcm4chee", "archiveMemory": "4096"}, 3072),
    ],
)
def test_a_larger_archive_needs_more_memory_to_start(config: dict[str, Any], mib: int) -> None:
    assert needed_memory(config) == NEEDED_BYTES + mib * MIB
