"""Production from nothing to the end, in this order: each test goes on where the last one stopped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from bootstrap import state
from components.public_name.certificate import SCRIPT
from offline.images.build import name_of
from tests.e2e import screen
from tests.e2e.harness import run, state_environment
from tests.rehearsal import duckdns
from tests.rehearsal.machines import GATEWAY4, LABELS, NAME
from tests.rehearsal.production import (
    BUNDLE,
    CONFIG_FILE,
    STACK,
    Production,
    changes,
    resolving,
    seconds_until,
    serial,
    trusting,
    trusting_browser,
    words_of,
)
from tests.rehearsal.vm import key_pair
from tests.rehearsal.world import DUCKDNS, NARROW_TOKEN, World, operators
from tools.dicomweb import GatewayClientError, sign_in
from tools.sample import store_sample, study_link, study_uid

FIRST, SECOND, THIRD = "pacs.hospital.example", "viewer.clinic.example", "third.clinic.example"
AWAY = "pacs.away.test"
"""A name that points to another machine."""
ADDRESS, ADDRESS6 = "198.51.100.10", "2001:db8:5100::a"
MINUTES_TO_LOGIN = 6
PER_SECOND = 50


@pytest.fixture(scope="module")
def production(made: World) -> Iterator[Production]:
    """The stack, not made yet; its two zones are one that the account has and one that the program makes."""
    run("python3", "-m", "bootstrap")
    person = Production(made)
    person.forget()
    person.use_name(FIRST, new_zone=True)
    state.ensure_stack(STACK, state_environment(), CONFIG_FILE)
    with httpx.Client(base_url=f"{made.api_url}/v4/", headers={"Authorization": "Bearer rehearsal-token"}) as api:
        zone = {"domain": "clinic.example", "type": "master", "soa_email": "root@clinic.example"}
        assert api.post("domains", json=zone).status_code == 200
    with resolving(made.names):
        yield person
    person.forget()


@pytest.fixture
def running(production: Production) -> Production:
    """The stack, once it has come up."""
    if not production.came_up:
        pytest.skip("the stack did not come up")
    return production


@pytest.fixture(scope="module")
def browser(production: Production, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with trusting_browser(tmp_path_factory.mktemp("home"), dict.fromkeys((FIRST, SECOND, THIRD), ADDRESS)) as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a fresh profile; a screenshot stays behind when the test fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    failures = request.session.testsfailed
    yield opened
    if request.session.testsfailed > failures:
        screen.keep(opened, f"failed-{request.node.name}")
    context.close()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Lines that the test appends are printed though pytest catches output: they are results."""
    lines: list[str] = []
    yield lines
    with capsys.disabled():
        for line in lines:
            print(f"\n  rehearsal: {line}", end="")


def sees_the_study(production: Production) -> bool:
    """Whether the viewer can sign in and finds the sample."""
    outputs = production.outputs()
    with closing(sign_in(outputs.base_url, "viewer", outputs.credentials["viewer"])) as session:
        answer = session.get("/pacs/studies", params={"StudyInstanceUID": study_uid()})
        return answer.status_code == 200 and len(answer.json()) == 1


def read_in_the_browser(page: Page, production: Production, name: str) -> None:
    """Signs in as the viewer, to a link to the sample, and waits for its picture."""
    outputs = production.outputs()
    page.goto(study_link(outputs.base_url))
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(study_link(outputs.base_url))
    screen.settled_picture(page)
    screen.keep(page, f"rehearsal-{name}")


def probe(world: World, places: list[tuple[str, int]]) -> list[str]:
    """What a stranger on the same network gets: `open`, or the error's name."""
    script = (
        "import socket, sys\n"
        "for pair in sys.argv[1:]:\n"
        "    host, _, port = pair.rpartition('@')\n"
        "    try: socket.create_connection((host, int(port)), 2).close(); print('open')\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )
    pairs = [f"{host}@{port}" for host, port in places]
    run = world.engine.containers.run
    output = run(name_of("vm"), ["python3", "-c", script, *pairs], network=NAME, labels=LABELS, remove=True)
    return output.decode().split()


def strangers_status(world: World, path: str, *options: str) -> str:
    """The status that a stranger on the same network gets from the gateway."""
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}\\n", *options, f"https://{FIRST}{path}"]
    run = world.engine.containers.run
    return run(name_of("vm"), command, network=NAME, labels=LABELS, remove=True, dns=[GATEWAY4]).decode().strip()


def at_the_console(world: World, *command: str) -> str:
    """Runs a command in the stack's machine, as root."""
    instance = max(world.account.instances)
    name = world.machines.container(instance).name or ""
    done = subprocess.run(["docker", "exec", name, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def nothing_made(world: World) -> bool:
    return not (world.account.instances or world.account.volumes or world.account.addresses)


# Before anything is made


def test_a_preview_needs_no_token_and_no_server(production: Production, made: World) -> None:
    asked = len(made.account.requests)
    nowhere = {"LINODE_TOKEN": "", "LINODE_URL": "http://127.0.0.1:9"}
    done = production.pulumi("preview", "--config-file", str(CONFIG_FILE), **nowhere)
    assert done.returncode == 0, done.stdout[-4000:]
    plan = changes(done.stdout)
    assert plan.get("to", 0) > 80, done.stdout[-2000:]
    assert len(made.account.requests) == asked


def test_a_token_without_rights_is_refused_before_anything_is_made(production: Production, made: World) -> None:
    said = production.refused_up(LINODE_TOKEN=NARROW_TOKEN)
    assert "has no right to write domains, object_storage" in said
    assert "Invalid Token" in production.refused_up(LINODE_TOKEN="nobody's")
    assert "is missing" in production.refused_up(LINODE_TOKEN="")
    assert nothing_made(made)


def test_a_zone_of_somebody_else_is_refused_before_anything_is_made(production: Production, made: World) -> None:
    production.use_name("pacs.somebody-else.example")
    try:
        said = production.refused_up()
    finally:
        production.use_name(FIRST, new_zone=True)
    assert "no zone somebody-else.example" in said
    assert nothing_made(made)


# From nothing


def test_from_nothing_to_a_login_over_https(production: Production, page: Page, tell: list[str]) -> None:
    started = time.monotonic()
    said = production.up()
    up = time.monotonic() - started
    outputs = production.outputs()
    assert outputs.base_url == f"https://{FIRST}"
    page.goto(outputs.viewer_url)
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    page.wait_for_url(re.compile(r"/ohif-viewer/"))
    whole = time.monotonic() - started
    tell.append(f"nothing → HTTPS login {whole:.0f} s (pulumi up {up:.0f} s, {changes(said).get('created')} resources)")
    assert whole < MINUTES_TO_LOGIN * 60


def test_a_study_is_stored_and_read(running: Production, page: Page) -> None:
    outputs = running.outputs()
    store_sample(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])
    read_in_the_browser(page, running, "https")


def test_pacsadmin_reaches_the_archive(running: Production, page: Page) -> None:
    outputs = running.outputs()
    page.goto(outputs.admin_url)
    screen.log_in(page, "pacsadmin", outputs.credentials["pacsadmin"])
    page.wait_for_url(re.compile(r"/pacs-admin/"))
    studies = page.evaluate("fetch('/pacs-admin/studies').then(answer => answer.json())")
    assert len(studies) == 1


def test_transport_is_modern(running: Production, made: World) -> None:
    def head(url: str, *options: str) -> str:
        return running.operators_output("curl", "-sSI", "--cacert", str(BUNDLE), *options, url).lower()

    assert f"location: https://{FIRST}/" in head(f"http://{FIRST}/")
    secure = head(f"https://{FIRST}/healthz")
    assert secure.startswith("http/2 200")
    assert "strict-transport-security: max-age=" in secure
    assert head(f"https://{FIRST}/healthz", "-6").startswith("http/2 200")
    for old in ("1.0", "1.1"):
        command = ["curl", "-sS", "--cacert", str(BUNDLE), "--tls-max", old, f"https://{FIRST}/healthz"]
        assert subprocess.run(operators(*command), capture_output=True, check=False).returncode != 0, old


def test_from_outside_only_the_web_answers(running: Production, made: World) -> None:
    for host in (ADDRESS, ADDRESS6):
        expected = {80: "open", 443: "open", 22: "TimeoutError", 2375: "TimeoutError", 8080: "TimeoutError"}
        assert dict(zip(expected, probe(made, [(host, port) for port in expected]), strict=True)) == expected, host


def test_administration_is_for_its_networks_on_both_families(running: Production, made: World) -> None:
    console = "/keycloak/admin/master/console/"
    for family in ("-4", "-6"):
        ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", family, "--cacert", str(BUNDLE)]
        assert running.operators_output(*ask, f"https://{FIRST}{console}") == "200", family
        assert strangers_status(made, console, family) in ("403", "404"), family
        assert strangers_status(made, "/healthz", family) == "200", family


def test_make_up_again_changes_nothing_and_ends_with_a_smoke_test(running: Production, tell: list[str]) -> None:
    started = time.monotonic()
    said = running.make_up()
    tell.append(f"no-op make up {time.monotonic() - started:.0f} s")
    assert "nothing changed" in said
    assert "smoke test: 6 checks passed" in said
    done = running.pulumi("preview", "--refresh", "--expect-no-changes", "--config-file", str(CONFIG_FILE))
    assert done.returncode == 0, done.stdout[-4000:]


# Day by day


def test_renewal_drops_no_request(running: Production, made: World, tell: list[str]) -> None:
    before = serial(FIRST, ADDRESS)
    seconds = 30
    load = ["python", "-m", "tests.rehearsal.load", f"https://{FIRST}/healthz", str(seconds), str(PER_SECOND)]
    with subprocess.Popen(
        operators(*load), stdout=subprocess.PIPE, text=True, env={**os.environ, **trusting()}
    ) as load_running:
        time.sleep(3)
        at_the_console(made, "docker", "exec", f"ohif-{STACK}-certificate", "python3", SCRIPT, "renew")
        took = seconds_until(lambda: serial(FIRST, ADDRESS) != before, "new certificate", 25)
        output, _ = load_running.communicate(timeout=seconds + 30)
    result = json.loads(output)
    tell.append(
        f"renewal: served after {took:.0f} s, {len(result['failures'])} of {result['sent']} requests dropped "
        f"at {result['per_second']} a second"
    )
    assert result["failures"] == []
    assert result["per_second"] > 0.9 * PER_SECOND


def test_a_reboot_brings_everything_back(running: Production, made: World, tell: list[str]) -> None:
    started = time.monotonic()
    with httpx.Client(base_url=made.api_url, headers={"Authorization": "Bearer rehearsal-token"}, timeout=120) as api:
        assert api.post(f"/v4/linode/instances/{max(made.account.instances)}/reboot", json={}).status_code == 200
    made.account.settle()
    seconds_until(lambda: sees_the_study(running), "login after the reboot", 300)
    tell.append(f"reboot: login and study after {time.monotonic() - started:.0f} s")
    assert set(changes(running.up())) == {"unchanged"}


def test_backups_go_to_a_bucket_of_the_account(running: Production, made: World) -> None:
    assert "is complete" in running.backup("now")
    (bucket,), (key,) = made.account.buckets.values(), made.account.keys.values()
    assert bucket["label"].startswith(f"ohif-{STACK}-backup-")
    assert bucket["_access"]["acl"] == "private"
    assert [it["bucket_name"] for it in key["bucket_access"]] == [bucket["label"]]
    assert len(list((made.s3.folder / bucket["label"] / "snapshots").iterdir())) >= 2, "the data, and the state"
    assert key["access_key"] in at_the_console(made, "docker", "inspect", f"ohif-{STACK}-backup")


# Changes


def test_another_domain_is_one_up(running: Production, made: World, page: Page, tell: list[str]) -> None:
    passwords = running.outputs().credentials
    running.use_name(SECOND)
    started = time.monotonic()
    running.up()
    tell.append(f"another domain: {time.monotonic() - started:.0f} s")
    outputs = running.outputs()
    assert outputs.base_url == f"https://{SECOND}"
    assert outputs.credentials == passwords
    read_in_the_browser(page, running, "second-domain")
    assert made.names.addresses(FIRST) == []
    # The old name is nobody's any more, also for those who still remember its address.
    with pytest.raises(OSError, match=r"(?i)unrecognized.name"):
        serial(FIRST, ADDRESS)


def test_step_two_is_http_by_the_address(running: Production, page: Page, tell: list[str]) -> None:
    passwords = running.outputs().credentials
    running.use_address()
    started = time.monotonic()
    said = words_of(running.up())
    tell.append(f"step 2, HTTP by address: {time.monotonic() - started:.0f} s")
    assert "warning" in said
    assert "unencrypted" in said
    outputs = running.outputs()
    assert outputs.base_url == f"http://{ADDRESS}"
    assert outputs.credentials == passwords
    read_in_the_browser(page, running, "by-address")


def test_step_two_lets_the_administrator_into_the_console(running: Production, page: Page) -> None:
    outputs = running.outputs()
    page.goto(outputs.console_url)
    screen.log_in(page, "admin", outputs.credentials["admin"])
    expect(page.get_by_text(re.compile("Manage realms|ohif")).first).to_be_visible(timeout=30_000)


def test_tls_turned_on_later_takes_the_kept_certificate(running: Production, made: World, page: Page) -> None:
    running.use_name(SECOND)
    running.up()
    issued = at_the_console(made, "docker", "logs", f"ohif-{STACK}-certificate").count("certificate served")
    assert issued <= 1
    read_in_the_browser(page, running, "tls-again")


def test_a_new_machine_loses_nothing(running: Production, made: World, page: Page, tell: list[str]) -> None:
    before, passwords = serial(SECOND, ADDRESS), running.outputs().credentials
    old = max(made.account.instances)
    running.configure(vm={**running.config["ohif:vm"], "image": "private/15"})
    started = time.monotonic()
    running.up()
    assert max(made.account.instances) != old
    seconds_until(lambda: sees_the_study(running), "login after the replacement", 120)
    tell.append(f"machine replaced: {time.monotonic() - started:.0f} s until login and study")
    assert serial(SECOND, ADDRESS) == before
    assert running.outputs().credentials == passwords
    read_in_the_browser(page, running, "new-machine")
    assert set(changes(running.up())) == {"unchanged"}


def test_a_name_at_duckdns_is_kept_by_the_machine_itself(running: Production, made: World) -> None:
    (label,) = DUCKDNS
    name = f"{label}.{duckdns.DOMAIN}"
    account = {"token": DUCKDNS[label], "server": f"http://{GATEWAY4}:{duckdns.PORT}"}
    running.use_name(name)
    running.configure(dns="duckdns", linodeDns=None, duckDns=account)
    try:
        running.up()
        assert made.names.addresses(name)
        assert serial(name, ADDRESS)
        assert sees_the_study(running)
    finally:
        running.configure(duckDns=None)
        running.use_name(SECOND)
    running.up()


# When things go wrong


def test_another_ssh_host_key_is_refused(running: Production, made: World) -> None:
    private, _ = key_pair()
    path = "/etc/ssh/ssh_host_ed25519_key"
    at_the_console(made, "cp", path, "/root/true_key")
    at_the_console(made, "sh", "-c", f"cat > {path} <<'E'\n{private}E\nsystemctl restart ssh")
    try:
        said = running.refused_up()
    finally:
        at_the_console(made, "sh", "-c", f"cp /root/true_key {path}; systemctl restart ssh")
    assert "another SSH host key" in said
    assert set(changes(running.up())) == {"unchanged"}


def test_an_authority_that_is_away_is_said_and_the_next_up_heals(running: Production, made: World) -> None:
    running.use_name(THIRD)
    made.acme.disappear()
    try:
        said = running.refused_up()
    finally:
        made.acme.come_back()
    assert f"No certificate for {THIRD}" in said
    assert "acme.test:14000/dir does not answer" in said
    running.up()
    assert serial(THIRD, ADDRESS)
    assert sees_the_study(running)


def test_a_name_that_points_elsewhere_is_said_before_the_authority_counts(running: Production, made: World) -> None:
    asked = len(made.acme.container.logs().splitlines())
    made.names.own[AWAY] = {"A": "192.0.2.99"}
    running.use_name(AWAY)
    running.configure(dns=None, linodeDns=None)
    try:
        said = running.refused_up()
    finally:
        running.use_name(THIRD)
    assert f"{AWAY} resolves to 192.0.2.99" in said
    orders = b"\n".join(made.acme.container.logs().splitlines()[asked:])
    assert b"order-plz" not in orders
    running.up()


# The end


def test_destroy_leaves_what_is_protected_and_nothing_else(running: Production, made: World) -> None:
    refused = running.make("destroy")
    assert refused.returncode != 0
    assert "are protected" in refused.stdout
    assert sees_the_study(running), "a refused destroy must not break anything"
    assert running.pulumi("state", "unprotect", "--all", "--yes").returncode == 0
    done = running.make("destroy")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"make adopt STACK={STACK}" in done.stdout
    account = made.account
    assert (account.instances, account.firewalls, account.addresses) == ({}, {}, {})
    assert [(disk["label"], disk["linode_id"]) for disk in account.volumes.values()] == [(f"ohif-{STACK}-data", None)]
    left = [record for records in account.records.values() for record in records.values()]
    assert left == []
    (bucket,) = account.buckets.values()
    assert list((made.s3.folder / bucket["label"] / "snapshots").iterdir()), "the backups outlive the stack"
    assert account.keys == {}
    with pytest.raises(GatewayClientError):
        sign_in(f"https://{THIRD}", "viewer", "whatever")


def test_a_destroyed_stack_is_taken_up_again_with_studies_and_users(
    running: Production, made: World, page: Page, tell: list[str]
) -> None:
    (disk,), (bucket,) = made.account.volumes.values(), made.account.buckets.values()
    started = time.monotonic()
    running.adopt()
    tell.append(f"adopt: {time.monotonic() - started:.0f} s")
    assert list(made.account.volumes.values()) == [disk]
    assert list(made.account.buckets.values()) == [bucket]
    assert disk["linode_id"] in made.account.instances
    read_in_the_browser(page, running, "adopted")
    assert "is complete" in running.backup("now")
    assert set(changes(running.up())) == {"unchanged"}
    assert running.make("destroy").returncode != 0, "the data are protected as before"
