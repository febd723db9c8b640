"""One real stack for all end-to-end tests, and ways into it: HTTP sessions and a browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import docker
import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from bootstrap import engine as machine_engine
from bootstrap.console import UserError
from tests.chromium import launch
from tests.e2e import harness
from tests.e2e.harness import CONFIG, NAME, Stack, run, state_environment
from tests.e2e.screen import keep
from tools.dicomweb import StackOutputs, sign_in

HERE = Path(__file__).parent
# Lifecycle tests stop and kill things and destruction ends it all, so they come after those that only look.
ORDER = (
    "test_contract.py",
    "test_access.py",
    "test_journey.py",
    "test_headers.py",
    "test_roles.py",
    "test_dicom.py",
    "test_uploads.py",
    "test_one_identity.py",
    "test_odd_studies.py",
    "test_small_screens.py",
    "test_links.py",
    "test_download.py",
    "test_clients.py",
    "test_programs.py",
    "test_other_viewers.py",
    "test_upload_page.py",
    "test_status_and_smoke.py",
    "test_shared_state.py",
    "test_administrators.py",
    "test_corpus.py",
    "test_broken_objects.py",
    "test_memory.py",
    "test_logout.py",
    "test_attacks.py",
    "test_hardening.py",
    "test_floods.py",
    "test_audit.py",
    "test_sessions.py",
    "test_lifecycle.py",
    "test_databases.py",
    "test_archive_isolation.py",
    "test_dicom_tls.py",
    "test_switch.py",
    # Each of these gives the stack settings of its own, which the next one replaces.
    "test_backup.py",
    "test_backup_of_dcm4chee.py",
    "test_second_factor.py",
    "test_directory.py",
    "test_login_providers.py",
    "test_mail.py",
    "test_load_balancer.py",
    "test_attacks_behind_load_balancer.py",
    "test_viewer_settings.py",
    "test_passkeys.py",
    "test_rights.py",
    "test_share_links.py",
    "test_logs.py",
    # Passwords that other tests have asked for are old after it.
    "test_rotation.py",
    "test_destroy.py",
    # A stack of its own, when the others are gone.
    "test_upgrade.py",
    "test_bucket.py",
    "test_old_keycloak.py",
)
KEEP = os.environ.get("KEEP") == "1"

Reconfigured = Callable[..., Path]
UpWith = Callable[..., str]
Sessions = Callable[[str], httpx.Client]


def place(item: pytest.Item) -> int:
    """Where a test comes; a file that nobody ordered comes before the stack is shaken."""
    name = item.path.name if item.path.name in ORDER else "test_lifecycle.py"
    return 2 * ORDER.index(name) + (name == item.path.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.parent == HERE]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
    ours.sort(key=place)
    items[:] = [item for item in items if item.path.parent != HERE] + ours


def cannot(reason: str) -> NoReturn:
    """A machine that lacks something skips; on CI that would be a hole nobody sees, so it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The machine's Docker engine."""
    try:
        machine_engine.ensure()
    except UserError as error:
        cannot(f"no Docker engine: {error.problem}")
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def stack(engine: docker.DockerClient) -> Iterator[Stack]:
    """The stack `e2e`, up, with the sample stored. KEEP=1 keeps it, and uses one that was kept."""
    run("python3", "-m", "bootstrap")
    made = Stack(engine)
    if not KEEP:
        made.remove_leftovers()
    try:
        made.up()
        run("python3", "-m", "tools.sample", "--stack", NAME, env=state_environment())
    except AssertionError as failed:
        # Each of a thousand tests would say the same.
        pytest.exit(f"the stack {NAME} does not come up:\n{failed}", returncode=pytest.ExitCode.TESTS_FAILED)
    yield made
    if not KEEP:
        if made.leftovers():
            made.destroy()
        made.remove_leftovers()


@pytest.fixture(scope="session")
def outputs(stack: Stack) -> StackOutputs:
    """The stack's outputs, secrets readable."""
    return stack.outputs()


@pytest.fixture(scope="session")
def origin(stack: Stack) -> str:
    """Where browsers reach the stack."""
    return stack.url


@pytest.fixture(scope="session")
def session(stack: Stack, outputs: StackOutputs) -> Iterator[Sessions]:
    """`session(user)`: a client with the user's session, signed in once for all tests that only look."""
    with sessions_at(stack.url, outputs) as made:
        yield made


@contextmanager
def sessions_at(origin: str, outputs: StackOutputs) -> Iterator[Sessions]:
    """Clients with sessions, by user; each is signed in when it is first asked for."""
    signed_in: dict[str, httpx.Client] = {}

    def of(user: str) -> httpx.Client:
        if user not in signed_in:
            signed_in[user] = sign_in(origin, user, outputs.credentials[user])
        return signed_in[user]

    yield of
    for client in signed_in.values():
        client.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        try:
            launched = launch(playwright.chromium)
        except UserError as error:
            cannot(f"no browser: {error.problem}")
        yield launched
        launched.close()


@pytest.fixture
def page(stack: Stack, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a fresh profile; a screenshot stays behind when the test fails."""
    context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    failures = request.session.testsfailed
    yield opened
    if request.session.testsfailed > failures:
        keep(opened, f"failed-{request.node.name}")
    context.close()


@pytest.fixture(scope="module")
def up_with(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpWith]:
    """`up_with(key=value)`: the stack with these settings besides its own; what `up` printed.

    The next file finds the stack's own settings, or replaces them itself (`own_settings`).
    """
    file = tmp_path_factory.mktemp("config") / f"Pulumi.{NAME}-up-with.yaml"

    def up(**values: object) -> str:
        file.write_text(
            yaml.safe_dump({"config": {**CONFIG, **{f"ohif:{key}": value for key, value in values.items()}}})
        )
        return stack.up()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "CONFIG_FILE", file)
        stack.has_own_settings = False
        yield up


@pytest.fixture(scope="module", autouse=True)
def own_settings(request: pytest.FixtureRequest) -> None:
    """A file that leaves the stack's settings as they are finds its own ones, whatever the file before it has left."""
    items = [item for item in request.session.items if item.path == request.path]
    fixtures = {name for item in items if isinstance(item, pytest.Function) for name in item.fixturenames}
    if "stack" not in fixtures or "up_with" in fixtures:
        return
    stack: Stack = request.getfixturevalue("stack")
    if not stack.has_own_settings:
        stack.up()
        stack.has_own_settings = True


@pytest.fixture
def reconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Reconfigured:
    """`reconfigured(key=value)`: the stack's commands use a copy of its configuration with these values.

    It runs no `up`. A test that changes the stack with it restores the stack.
    """
    file = tmp_path / f"Pulumi.{NAME}-reconfigured.yaml"

    def changed(**values: object) -> Path:
        config = {**CONFIG, **{f"ohif:{key}": value for key, value in values.items()}}
        file.write_text(yaml.safe_dump({"config": config}))
        monkeypatch.setattr(harness, "CONFIG_FILE", file)
        return file

    return changed
