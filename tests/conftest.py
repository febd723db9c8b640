"""Fixtures that several layers of tests share."""

import pytest

from tests.program.cases import CASES, Case, deploy
from tests.program.harness import Deployment


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Each combination of settings in turn."""
    chosen: Case = request.param
    return chosen


@pytest.fixture
def deployment(case: Case) -> Deployment:
    """What the program asks for, in each combination of settings."""
    return deploy(case)
