"""The change of archive: what the program says when the state knows another one."""

import asyncio
import runpy
import time
from typing import Any

import pulumi
import pytest
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from components.archive.choice import ArchiveChoiceArgs, refusal
from names import NO_PLACE, SERVER_PLACE
from settings import ArchiveKind
from tests.program.harness import PROJECT, ROOT, Deployment, RecordingMonitor, isolated, run_program

WRITTEN = {"aeTitle": "DCM4CHEE", "dcm4chee.deviceName": "dcm4chee-arc"}


def now(
    *,
    confirmed: bool = False,
    ae_title: str = "DCM4CHEE",
    device: str = "dcm4chee-arc",
    databases: dict[str, str] | None = None,
    places: dict[str, str] | None = None,
    writers: dict[str, str] | None = None,
) -> ArchiveChoiceArgs:
    written = {"aeTitle": ae_title, "dcm4chee.deviceName": device}
    return ArchiveChoiceArgs(
        archive=ArchiveKind.DCM4CHEE,
        confirmed=confirmed,
        immutable_settings=written,
        databases=databases or {},
        places=places or {},
        writers=writers or {},
    )


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({}, now(), None),
        ({"archive": "dcm4chee", "written": WRITTEN}, now(), None),
        ({"archive": "dcm4chee"}, now(), None),
        ({"archive": "orthanc", "written": {}}, now(), "are in orthanc"),
        ({"archive": "orthanc", "written": {}}, now(confirmed=True), None),
        ({"archive": "dcm4chee", "written": WRITTEN}, now(ae_title="WARD"), "ohif:aeTitle"),
        ({"archive": "dcm4chee", "written": WRITTEN}, now(ae_title="WARD", confirmed=True), "back to 'DCM4CHEE'"),
        ({"archive": "dcm4chee", "written": WRITTEN}, now(device="ward"), "dcm4chee.deviceName"),
        ({"archive": "dcm4chee", "databases": {"postgres": "16"}}, now(databases={"postgres": "16"}), None),
        ({"archive": "dcm4chee", "databases": {"postgres": "16"}}, now(databases={"postgres": "17"}), "make upgrade"),
        ({"archive": "dcm4chee", "databases": {"postgres": "17"}}, now(databases={"postgres": "16"}), "make upgrade"),
        ({"archive": "dcm4chee"}, now(places={"database": SERVER_PLACE}), "make upgrade"),
        ({"archive": "dcm4chee", "places": {"database": SERVER_PLACE}}, now(places={"database": SERVER_PLACE}), None),
        ({"archive": "dcm4chee", "places": {"database": SERVER_PLACE}}, now(), "Set it back"),
        # Nothing is left of them where a saved state was taken up.
        ({"archive": "dcm4chee", "places": {"database": NO_PLACE}}, now(places={"database": SERVER_PLACE}), None),
        ({"archive": "dcm4chee", "places": {"database": NO_PLACE}}, now(), None),
        ({"archive": "dcm4chee", "writers": {"keycloak": "26.7.3"}}, now(writers={"keycloak": "26.7.2"}), "SNAPSHOT"),
        ({"archive": "dcm4chee", "writers": {"keycloak": "26.7.3"}}, now(writers={"keycloak": "26.10.0"}), None),
        ({"archive": "dcm4chee", "writers": {"keycloak": "26.7.3"}}, now(writers={"keycloak": "26.7"}), None),
        ({"archive": "dcm4chee", "writers": {"keycloak": "26.7.3"}}, now(), None),
        # A name without a tag says nothing, nor does a state from before.
        ({"archive": "dcm4chee", "databases": {"postgres": "16"}}, now(), None),
        ({"archive": "dcm4chee"}, now(databases={"postgres": "17"}), None),
    ],
)
def test_refusal(before: dict[str, Any], after: ArchiveChoiceArgs, says: str | None) -> None:
    said = refusal(before, after)
    assert (said is None) is (says is None)
    assert says is None or says in str(said)


def asked(deployment: Deployment, before: dict[str, Any]) -> str | None:
    """What the program's hook says to the engine about a state from before."""
    (hook,) = deployment.hooks
    assert hook.opts is not None
    assert hook.opts.on_dry_run, "a preview would not tell"
    change = pulumi.ResourceHookArgs(urn="", id="", name="", type="", old_inputs=before)
    try:
        answer = hook(change)
        if answer is not None:
            asyncio.run(answer)  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)
    return None


def test_program_refuses_by_its_hook() -> None:
    assert "are in dcm4chee" in str(asked(run_program(), {"archive": "dcm4chee", "written": WRITTEN}))
    assert asked(run_program({"confirmArchiveSwitch": True}), {"archive": "dcm4chee", "written": WRITTEN}) is None
    assert "ohif:images.postgres" in str(asked(run_program(), {"archive": "orthanc", "databases": {"postgres": "16"}}))
    # Orthanc may be renamed: the name is in its configuration only.
    assert asked(run_program({"aeTitle": "WARD"}), {"archive": "orthanc", "written": {}}) is None


class Refusing(RecordingMonitor):
    """An engine whose hook has refused."""

    def RegisterResource(  # noqa: N802 - a name of the protocol
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        if request.type.endswith(":ArchiveChoice"):
            # Late, so that whatever does not wait has come before.
            time.sleep(1)
            raise RuntimeError("refused")
        return super().RegisterResource(request)


@pytest.mark.parametrize("preview", [False, True])
def test_nothing_is_touched_before_the_archive_is_agreed_on(preview: bool) -> None:
    monitor = Refusing(project=PROJECT, stack="dev", preview=preview)

    def program() -> None:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    with pytest.raises(Exception, match="refused"):
        isolated(lambda: asyncio.run(run_in_stack(program)), {}, monitor=monitor, preview=preview)
    touched = [it.urn for it in monitor.deployment.resources if it.custom and "pulumi:providers:" not in it.type]
    assert touched == []
