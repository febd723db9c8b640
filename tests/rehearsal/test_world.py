"""The world is as real as the rehearsal needs it: machines boot, addresses are guarded, names resolve, a CA issues."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.machine.remote_shell import CommandResult, Shell, ssh_shell
from components.machine.ssh_config import client_options
from components.machine.vm_setup import wait_for
from offline.images.build import name_of
from tests.rehearsal import acme, duckdns
from tests.rehearsal.machines import GATEWAY4, LABELS, NAME
from tests.rehearsal.vm import Machine, key_pair
from tests.rehearsal.world import DIRECTORY, DUCKDNS, World, local_images

HOST = "pacs.world.example"
# A page server and a certbot in the machine: of the images that the program itself uses there.
WEB = "mkdir -p /web && cd /web && echo hello > index.html && exec python3 -m http.server --bind :: 80"
PROBE = """
import socket, sys
for host, port in (pair.rsplit("@", 1) for pair in sys.argv[1:]):
    try:
        socket.create_connection((host, int(port)), 2).close()
        print("open")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def machine(made: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One machine for the tests of this file, with a web server that Docker publishes on 80 and 8080."""
    if not local_images():
        pytest.skip("needs the machine's own images: on an open network the rehearsal itself shows all this")
    virtual = Machine(made, tmp_path_factory.mktemp("machine"))
    zone = virtual.post("domains", {"domain": "world.example", "type": "master", "soa_email": "a@world.example"})
    for kind, target in (("A", virtual.address), ("AAAA", virtual.address6)):
        virtual.post(f"domains/{zone['id']}/records", {"type": kind, "name": "pacs", "target": target})
    caa = {"type": "CAA", "name": "pacs", "tag": "issue", "target": "letsencrypt.org"}
    virtual.post(f"domains/{zone['id']}/records", caa)
    virtual.inside("docker", "network", "create", "--ipv6", "--subnet", "fd00:80::/64", "web")
    published = ["-p", "80:80", "-p", "8080:80", "--network", "web", "--volume", "web:/web"]
    options = ["--restart", "unless-stopped", "--entrypoint", "sh", name_of("certbot"), "-c", WEB]
    virtual.inside("docker", "run", "-d", "--name", "web", *published, *options)
    eventually(lambda: probe(made, [(virtual.address, 80)]) == ["open"])
    yield virtual
    virtual.remove()


def eventually(met: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.2)


def probe(world: World, places: list[tuple[str, int]]) -> list[str]:
    """What a stranger on the same network gets from each address and port: `open`, or the error's name."""
    pairs = [f"{host}@{port}" for host, port in places]
    output = world.engine.containers.run(
        name_of("vm"), ["python3", "-c", PROBE, *pairs], network=NAME, labels=LABELS, remove=True
    )
    return output.decode().split()


def asked(*command: str) -> str:
    """What a command prints on the operator's side."""
    words = ["python3", "-m", "tests.rehearsal", *command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_ssh_answers_with_the_given_host_key_only(machine: Machine) -> None:
    for host in (machine.address, machine.address6):
        done = machine.ssh(host, "docker", "ps", "--format", "{{.Names}}")
        assert (done.returncode, done.stdout) == (0, "web\n"), done.stderr
        refused = machine.ssh(host, "true", host_key=key_pair()[1])
        assert refused.returncode == 255
        assert "Host key verification failed" in refused.stderr


def test_the_machine_is_whole(machine: Machine) -> None:
    assert machine.inside("systemctl", "list-units", "--failed", "--quiet") == ""
    status = json.loads(machine.inside("cloud-init", "status", "--format", "json"))
    assert (status["status"], status["errors"], status["recoverable_errors"]) == ("done", [], {})
    info = json.loads(machine.inside("docker", "info", "--format", "{{json .}}"))
    assert info["Driver"] == "overlay2"
    there = machine.inside("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert set(local_images()) <= set(there)


def test_only_what_the_firewall_lets_in_answers_a_stranger(made: World, machine: Machine) -> None:
    hosts = (machine.address, machine.address6)
    # 8080 is published by Docker, which opens it past any filter of the machine's own input.
    for port, expected in ((80, "open"), (8080, "TimeoutError"), (22, "TimeoutError")):
        assert probe(made, [(host, port) for host in hosts]) == [expected, expected], port


def test_names_resolve_for_the_operator_and_the_machine(machine: Machine) -> None:
    assert asked("getent", "ahostsv4", HOST).split()[0] == machine.address
    assert asked("getent", "ahostsv6", HOST).split()[0] == machine.address6
    assert machine.inside("getent", "ahostsv4", HOST).split()[0] == machine.address
    before = Path("/etc/resolv.conf").read_text()
    assert GATEWAY4 not in before


def test_the_ca_issues_by_http_and_its_root_is_in_the_bundle(machine: Machine, tmp_path: Path) -> None:
    bundle = (DIRECTORY / "ca.pem").read_text()
    machine.inside("sh", "-c", f"cat > /root/ca.pem <<'E'\n{bundle}\nE")
    volumes = ["--volume", "web:/web", "--volume", "/root/ca.pem:/ca.pem", "--volume", "certs:/etc/letsencrypt"]
    where = ["--server", acme.DIRECTORY, "--webroot", "--webroot-path", "/web", "--domain", HOST]
    who = ["--non-interactive", "--agree-tos", "--email", "a@world.example"]
    certbot = ["docker", "run", "--rm", *volumes, "--env", "REQUESTS_CA_BUNDLE=/ca.pem", name_of("certbot")]
    said = machine.inside(*certbot, "certonly", *where, *who)
    assert "Successfully received certificate" in said
    live = f"/etc/letsencrypt/live/{HOST}/fullchain.pem"
    chain = tmp_path / "chain.pem"
    chain.write_text(machine.inside(*certbot[:3], *volumes, "--entrypoint", "cat", name_of("certbot"), live))
    verify = ["openssl", "verify", "-CAfile", str(DIRECTORY / "ca.pem"), "-untrusted", str(chain), str(chain)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_ca_that_is_away_comes_back_the_same(made: World, machine: Machine) -> None:
    reach = ["curl", "-sS", "--cacert", "/dev/stdin", "--connect-timeout", "3", acme.DIRECTORY]
    name = made.machines.container(machine.instance["id"]).name or ""

    def answers() -> bool:
        done = subprocess.run(
            ["docker", "exec", "-i", name, *reach], input=made.acme.bundle, text=True, capture_output=True, check=False
        )
        return done.returncode == 0

    made.acme.disappear()
    try:
        assert not answers()
    finally:
        made.acme.come_back()
    assert answers()


def test_duckdns_takes_the_address_of_the_caller(made: World, machine: Machine) -> None:
    (name, token), *_ = DUCKDNS.items()
    address = f"http://{GATEWAY4}:{duckdns.PORT}/update?domains={name}&ip="
    assert machine.inside("curl", "-s", f"{address}&token=wrong") == "KO"
    assert machine.inside("curl", "-s", f"{address}&token={token}") == "OK"
    assert asked("getent", "ahostsv4", f"{name}.{duckdns.DOMAIN}").split()[0] == machine.address


def test_a_reboot_brings_everything_back(made: World, machine: Machine) -> None:
    machine.reboot()
    eventually(lambda: probe(made, [(machine.address, 80), (machine.address6, 80)]) == ["open", "open"])
    assert probe(made, [(machine.address, 8080), (machine.address6, 22)]) == ["TimeoutError", "TimeoutError"]
    assert (
        machine.inside("findmnt", "--noheadings", "--output", "SOURCE", "/var/lib/docker").strip().startswith("/dev/")
    )
    assert machine.inside("systemctl", "list-units", "--failed", "--quiet") == ""


def test_questions_over_ssh_survive_what_happens_to_the_connection(machine: Machine) -> None:
    shell = shell_of(machine)
    cut = "for process in $(pgrep -f '^sshd[a-z-]*: deploy'); do kill -9 $process; done"

    async def cut_while_asking() -> CommandResult:
        question = asyncio.create_task(shell.run("sleep 4; echo whole; exit 255", timeout=90))
        await asyncio.sleep(2)
        await asyncio.to_thread(machine.inside, "sh", "-c", cut)
        assert not question.done()
        await asyncio.to_thread(machine.inside, "systemctl", "restart", "ssh")
        return await question

    assert asyncio.run(cut_while_asking()) == CommandResult(code=255, output="whole\n", errors="")


def test_machine_may_be_asked_at_each_moment_of_its_boot(machine: Machine) -> None:
    shell = shell_of(machine)

    async def ask_all_the_while() -> None:
        booting = asyncio.create_task(asyncio.to_thread(machine.reboot))
        after = 0
        # The boot itself is still under way when the cloud is done with it.
        while after < 5:
            await wait_for(shell)
            after += booting.done()
        await booting

    asyncio.run(ask_all_the_while())


def shell_of(machine: Machine) -> Shell:
    """The machine as the program asks it."""
    options = client_options(machine.host_key[1], str(machine.key))
    return ssh_shell(user="deploy", address=machine.address, port=22, options=options)


def test_changed_rules_count_at_once(made: World, machine: Machine) -> None:
    path = f"networking/firewalls/{machine.firewall}/rules"
    rules = machine.api.get(path).json()
    machine.api.put(path, json={**rules, "inbound": rules["inbound"][:1]})
    machine.settle()
    assert probe(made, [(machine.address, 80), (machine.address6, 80)]) == ["TimeoutError", "TimeoutError"]
    machine.api.put(path, json=rules)
    machine.settle()
    assert probe(made, [(machine.address, 80), (machine.address6, 80)]) == ["open", "open"]


def test_a_new_machine_has_the_old_ones_address_and_data(made: World, machine: Machine) -> None:
    old = machine.instance["id"]
    machine.replace()
    assert machine.instance["id"] != old
    eventually(lambda: probe(made, [(machine.address, 80)]) == ["open"])
    assert machine.ssh(machine.address, "docker", "exec", "web", "cat", "/web/index.html").stdout == "hello\n"
