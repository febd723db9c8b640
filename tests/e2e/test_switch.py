"""Another archive in the place of one that holds data: refused before anything changes, or confirmed and undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from settings import ArchiveKind
from tests.e2e import harness
from tests.e2e.harness import ARCHIVE, CONFIG, NAME, ROOT, Stack, sample_is_listed, state_environment, wait_until
from tools.dicomweb import StackOutputs, sign_in
from tools.pulumi_run import Pulumi
from tools.readiness.console import Problem

OTHER = next(kind for kind in ArchiveKind if kind is not ARCHIVE)
FOLDER = ROOT / ".state" / "config"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """A copy of the stack's configuration that the stack's commands use meanwhile: written by `use`."""
    file = FOLDER / f"Pulumi.{NAME}-switch.yaml"
    monkeypatch.setattr(harness, "CONFIG_FILE", file)
    yield dict(CONFIG)
    file.unlink(missing_ok=True)


def use(config: dict[str, object], **changes: object) -> Path:
    """Writes the copy."""
    file = FOLDER / f"Pulumi.{NAME}-switch.yaml"
    FOLDER.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"config": config | {f"ohif:{key}": value for key, value in changes.items()}}))
    return file


def running(stack: Stack) -> dict[str, str]:
    return {str(it.name): str(it.id) for it in stack.containers()}


def volumes(stack: Stack) -> set[str]:
    return {str(it.name) for it in stack.engine.volumes.list(filters={"label": harness.LABEL})}


def test_another_archive_is_refused_before_anything_changes(stack: Stack, configured: dict[str, object]) -> None:
    before = running(stack), volumes(stack)
    file = use(configured, archive=OTHER.value)
    with pytest.raises(AssertionError, match=f"studies of this stack are in {ARCHIVE}"):
        stack.up()
    # And by hand, where nothing but the program itself can refuse.
    by_hand = Pulumi(NAME, file, state_environment())
    with pytest.raises(Problem, match=f"studies of this stack are in {ARCHIVE}"):
        by_hand.ask("preview", config=True)
    with pytest.raises(Problem, match="ohif:confirmArchiveSwitch"):
        by_hand.update("up")
    assert (running(stack), volumes(stack)) == before


def test_a_confirmed_switch_leaves_the_old_data_and_can_be_undone(
    stack: Stack, outputs: StackOutputs, configured: dict[str, object]
) -> None:
    kept = {name for name in volumes(stack) if f"-{ARCHIVE}" in name}
    assert len(kept) >= 2
    use(configured, archive=OTHER.value, confirmArchiveSwitch=True)
    said = stack.up()
    for name in kept:
        assert f"volume {name} stays" in said
    assert kept < volumes(stack)
    password = outputs.credentials["viewer"]
    with closing(sign_in(stack.url, "viewer", password)) as viewer:
        assert viewer.get("/pacs/studies").status_code in (200, 204)
        assert not sample_is_listed(viewer)
    use(configured, confirmArchiveSwitch=True)
    stack.up()

    def is_back() -> bool:
        with closing(sign_in(stack.url, "viewer", password)) as viewer:
            return sample_is_listed(viewer)

    wait_until(is_back, "sample in the first archive", 30)
    # The other archive's are not wanted any more, and nothing but this removes them.
    for name in volumes(stack):
        if f"-{OTHER}" in name:
            stack.engine.volumes.get(name).remove()
