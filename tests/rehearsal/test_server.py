"""A server that exists, reached by SSH: refused where it cannot do the work, else as good as any other machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from bootstrap import state
from offline.images.build import name_of
from tests.e2e.harness import run, state_environment
from tests.rehearsal.production import CONFIG_FILE, STACK, Production, changes, resolving, serial
from tests.rehearsal.vm import Machine, key_pair
from tests.rehearsal.world import World, local_images
from tools.dicomweb import sign_in
from tools.sample import store_sample

HOST = "pacs.server.test"


@pytest.fixture(scope="module")
def machine(made: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A hospital's own server."""
    if not local_images():
        pytest.skip("needs the machine's own images on the server")
    virtual = Machine(made, tmp_path_factory.mktemp("server"))
    made.names.own[HOST] = {"A": virtual.address}
    yield virtual
    virtual.remove()


@pytest.fixture(scope="module")
def production(made: World, machine: Machine) -> Iterator[Production]:
    """A stack for that server, by HTTPS with a certificate of the hospital's own authority."""
    run("python3", "-m", "bootstrap")
    person = Production(made)
    person.forget()
    chain, key = made.acme.provide(HOST)
    person.configure(
        target="server",
        server={"address": f"ssh://deploy@{machine.address}", "hostKey": machine.host_key[1]},
        ssh={"privateKeyFile": str(machine.key)},
        host=HOST,
        tls="provided",
        tlsCertificate=chain,
        tlsKey=key,
        tlsCa=made.acme.own,
        protectData="false",
        **dict.fromkeys(("vm", "dns", "linodeDns", "acme", "backup")),
    )
    state.ensure_stack(STACK, state_environment(), CONFIG_FILE)
    with resolving(made.names):
        yield person
    person.forget()


def test_another_host_key_is_refused(production: Production, machine: Machine) -> None:
    true = production.config["ohif:server"]
    production.configure(server={**true, "hostKey": key_pair()[1]})
    try:
        assert "another SSH host key" in production.refused_up()
    finally:
        production.configure(server=true)


def test_a_taken_port_is_named_with_its_holder(production: Production, machine: Machine) -> None:
    holder = ["docker", "run", "-d", "--name", "old-web", "-p", "80:80", "--entrypoint", "sleep"]
    machine.inside(*holder, name_of("certbot"), "600")
    try:
        assert "port 80 is taken by old-web" in production.refused_up()
    finally:
        machine.inside("docker", "rm", "--force", "old-web")


def test_comes_up_with_the_hospitals_own_certificate(production: Production, machine: Machine) -> None:
    production.up()
    outputs = production.outputs()
    assert outputs.base_url == f"https://{HOST}"
    assert serial(HOST, machine.address)
    store_sample(outputs.base_url, "pacsadmin", outputs.credentials["pacsadmin"])
    with closing(sign_in(outputs.base_url, "viewer", outputs.credentials["viewer"])) as session:
        assert len(session.get("/pacs/studies").json()) == 1
    assert set(changes(production.up())) == {"unchanged"}


def test_destroy_leaves_the_server_as_it_was(production: Production, machine: Machine) -> None:
    done = production.pulumi("destroy", "--yes", "--skip-preview", "--config-file", str(CONFIG_FILE))
    assert done.returncode == 0, done.stdout[-4000:]
    for things in (("ps", "--all"), ("volume", "ls"), ("network", "ls", "--filter", "type=custom")):
        assert machine.inside("docker", *things, "--quiet") == "", things
