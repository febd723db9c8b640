"""The end of a stack. KEEP=1 leaves it up to be looked at."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import KEEP
from tests.e2e.harness import Stack, by_hand

pytestmark = pytest.mark.skipif(KEEP, reason="KEEP=1: the stack stays up")


def test_destroy_by_hand_with_a_dead_keycloak_leaves_nothing(stack: Stack) -> None:
    stack.container("keycloak").kill()
    by_hand("pulumi destroy --yes")
    assert stack.leftovers() == []


@pytest.mark.slow
def test_up_after_destroy_works_and_destroy_leaves_nothing(stack: Stack) -> None:
    stack.up()
    assert stack.outputs().base_url == stack.url
    stack.destroy()
    assert stack.leftovers() == []
