"""Fixtures that several layers of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import images
from tests.program.cases import CASES, Case, deploy
from tests.program.harness import Deployment


@pytest.fixture(scope="session", autouse=True)
def _unpinned() -> Iterator[None]:
    """Images by their tags, whatever `make pin` has written in this clone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "LOCK", Path("/nowhere/images.lock.json"))
        yield


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Each combination of settings in turn."""
    chosen: Case = request.param
    return chosen


@pytest.fixture
def deployment(case: Case) -> Deployment:
    """What the program asks for, in each combination of settings."""
    return deploy(case)
