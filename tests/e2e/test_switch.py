"""Another archive in the place of one that holds data: refused before anything changes, or confirmed and undone."""

from __future__ import annotations

from contextlib import closing

import pytest

from bootstrap.console import UserError
from settings import ArchiveKind
from tests.e2e.conftest import Reconfigured
from tests.e2e.harness import ARCHIVE, LABEL, NAME, Stack, sample_is_listed, state_environment, wait_until
from tools.dicomweb import StackOutputs, sign_in
from tools.pulumi_run import Pulumi

OTHER = next(kind for kind in ArchiveKind if kind is not ARCHIVE)
TO_THE_OTHER = {"archive": OTHER.value, "defaultCharacterSet": ""}
"""Settings of the stack that has the other archive; a character set is Orthanc's only."""


def running(stack: Stack) -> dict[str, str]:
    return {str(it.name): str(it.id) for it in stack.containers()}


def volumes(stack: Stack) -> set[str]:
    return {str(it.name) for it in stack.engine.volumes.list(filters={"label": LABEL})}


def test_another_archive_is_refused_before_anything_changes(stack: Stack, reconfigured: Reconfigured) -> None:
    before = running(stack), volumes(stack)
    file = reconfigured(**TO_THE_OTHER)
    with pytest.raises(AssertionError, match=f"studies of this stack are in {ARCHIVE}"):
        stack.up()
    # And by hand, where nothing but the program itself can refuse.
    by_hand = Pulumi(NAME, file, state_environment())
    with pytest.raises(UserError, match=f"studies of this stack are in {ARCHIVE}"):
        by_hand.output_of("preview", config=True)
    with pytest.raises(UserError, match="ohif:confirmArchiveSwitch"):
        by_hand.update("up")
    assert (running(stack), volumes(stack)) == before


def test_a_confirmed_switch_leaves_the_old_data_and_can_be_undone(
    stack: Stack, outputs: StackOutputs, reconfigured: Reconfigured
) -> None:
    kept = {name for name in volumes(stack) if f"-{ARCHIVE}" in name}
    assert len(kept) >= 2
    reconfigured(**TO_THE_OTHER, confirmArchiveSwitch=True)
    said = stack.up()
    for name in kept:
        assert f"volume {name} is kept on the engine" in said
    assert kept < volumes(stack)
    password = outputs.credentials["viewer"]
    with closing(sign_in(stack.url, "viewer", password)) as viewer:
        assert viewer.get("/pacs/studies").status_code in (200, 204)
        assert not sample_is_listed(viewer)
    reconfigured(confirmArchiveSwitch=True)
    stack.up()

    def is_back() -> bool:
        with closing(sign_in(stack.url, "viewer", password)) as viewer:
            return sample_is_listed(viewer)

    wait_until(is_back, "sample in the first archive", 30)
    # The other archive's are not wanted any more, and nothing but this removes them.
    for name in volumes(stack):
        if f"-{OTHER}" in name:
            stack.engine.volumes.get(name).remove()
