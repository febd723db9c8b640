"""The attacks once more, byte by byte through a load balancer that ends TLS and passes on what is inside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from settings import ArchiveKind
from tests.e2e.conftest import Sessions, UpWith, sessions_at
from tests.e2e.harness import ARCHIVE
from tests.e2e.load_balancer import ORIGIN, behind_load_balancer
from tests.e2e.test_attacks import *  # noqa: F403 - the same tests, which find the fixtures below
from tools.dicomweb import StackOutputs

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="the gateway does not ask which archive it is")


@pytest.fixture(scope="module")
def origin(up_with: UpWith, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with behind_load_balancer(tmp_path_factory.mktemp("load-balancer"), "proxyProtocol", up_with):
        yield ORIGIN


@pytest.fixture(scope="module")
def session(origin: str, outputs: StackOutputs) -> Iterator[Sessions]:
    with sessions_at(origin, outputs) as made:
        yield made
