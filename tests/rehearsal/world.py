"""The world that the rehearsal takes place in: network, names, CA, cloud. Made whole, and removed whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import docker
from docker.types import IPAMConfig, IPAMPool

from bootstrap.console import exclusive_lock
from bootstrap.paths import STATE, cache
from offline.images import build as stand_ins
from offline.images import recipes
from tests.e2e.s3_server import S3Server, s3_server
from tests.rehearsal import acme, duckdns, linode_api, resolver
from tests.rehearsal.linode_api import NETWORK4, NETWORK6, Account
from tests.rehearsal.machines import GATEWAY4, GATEWAY6, LABEL, LABELS, NAME, Machines, release, template
from tests.rehearsal.object_store import S3Store

DIRECTORY = STATE / "rehearsal"
IMAGES = DIRECTORY / "images.json"
TOKEN = "rehearsal-token"
"""Of the account, with every right."""
NARROW_TOKEN = "rehearsal-token-without-domains"
TOKENS = {
    TOKEN: "*",
    NARROW_TOKEN: "account:read_only linodes:read_write volumes:read_write firewall:read_write ips:read_write "
    "events:read_only",
}
DUCKDNS = {"ohif-rehearsal": "11111111-2222-3333-4444-555555555555"}
"""Domains at DuckDNS and their tokens."""
BUCKET_REGION = "us-east"
"""The one region with object storage: another one than the stack's."""
CONTAINERS_FROM = "198.51.100.128/25"
"""Where containers without a place of their own get an address: above the account's."""


@dataclass(frozen=True)
class World:
    """What is there, and how to reach it from the operator's side."""

    engine: docker.DockerClient
    account: Account
    machines: Machines
    names: resolver.Names
    acme: acme.Acme
    api_url: str
    s3: S3Server
    """What keeps the objects of the account's buckets."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the program and for people."""
        return {
            "LINODE_TOKEN": TOKEN,
            "LINODE_URL": self.api_url,
            "REHEARSAL_ACME_SERVER": acme.DIRECTORY,
            "REHEARSAL_CA_BUNDLE": str(DIRECTORY / "ca.pem"),
            "REHEARSAL_DUCKDNS": f"http://{GATEWAY4}:{duckdns.PORT}/update",
            **({"OHIF_IMAGES": str(IMAGES)} if IMAGES.exists() else {}),
        }

    def operators(self, *command: str) -> list[str]:
        """The command as somebody runs it who resolves names as the world does, and only there."""
        return operators(*command)


def operators(*command: str) -> list[str]:
    """A command in a mount namespace of its own, in which the world's name server is the machine's."""
    bind = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", bind, str(DIRECTORY / "resolv.conf"), *command]


def remove_leftovers(engine: docker.DockerClient) -> None:
    """Removes everything that a world, also a killed one, has left on this machine."""
    for container in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
    for network in engine.networks.list(filters={"label": LABEL}):
        network.remove()
    for disk in DIRECTORY.glob("volume-*.ext4"):
        release(disk)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def local_images() -> list[str]:
    """The program's images where they are this machine's own; none where an engine can pull them."""
    if not os.environ.get("OHIF_IMAGES"):
        return []
    # Of this clone: another one's, with other recipes, may have written the machine's list since.
    found = stand_ins.build_missing(recipes.PROGRAM)
    return [found[key, recipes.inputs_hash(key)] for key in recipes.PROGRAM]


@contextlib.contextmanager
def world(port: int = 0) -> Iterator[World]:
    """Makes the world; one at a time on a machine. Images that are missing are built first."""
    engine = docker.from_env()
    with exclusive_lock(cache() / "rehearsal.lock", "another rehearsal is running"), contextlib.closing(engine):
        own = stand_ins.ensure_for_tests("rehearsal")
        remove_leftovers(engine)
        try:
            disk = template(engine, vm=own["vm"], images=local_images(), directory=cache() / "rehearsal")
            with contextlib.ExitStack() as stack:
                yield _made(engine, stack, own, disk=disk, port=port)
        finally:
            remove_leftovers(engine)


def _made(
    engine: docker.DockerClient, stack: contextlib.ExitStack, images: dict[str, str], *, disk: Path, port: int
) -> World:
    pools = [
        IPAMPool(subnet=str(NETWORK4), gateway=GATEWAY4, iprange=CONTAINERS_FROM),
        IPAMPool(subnet=str(NETWORK6), gateway=GATEWAY6),
    ]
    engine.networks.create(NAME, ipam=IPAMConfig(pool_configs=pools), enable_ipv6=True, labels=LABELS)
    machines = Machines(engine, image=images["vm"], template=disk, directory=DIRECTORY)
    (storage := DIRECTORY / "object-storage").mkdir(parents=True)
    s3 = stack.enter_context(s3_server(storage, GATEWAY4, BUCKET_REGION))
    account = Account(hardware=machines, tokens=TOKENS, store=S3Store(s3, BUCKET_REGION))
    names = resolver.Names(account)
    names.own[acme.HOST] = {"A": acme.ADDRESS}
    for server in resolver.serve(names, GATEWAY4):
        stack.callback(server.stop)
    stack.callback(duckdns.serve(names, DUCKDNS, GATEWAY4).shutdown)
    api = linode_api.serve(account, port)
    # No work may be under way while the leftovers are removed.
    stack.callback(account.settle)
    stack.callback(api.shutdown)
    authority = acme.Acme(engine, image=images["pebble"], directory=DIRECTORY / "acme")
    (DIRECTORY / "ca.pem").write_text(authority.bundle)
    if local_images():
        IMAGES.write_text(recipes.table(stand_ins.present()))
    (DIRECTORY / "resolv.conf").write_text(f"nameserver {GATEWAY4}\n")
    return World(engine, account, machines, names, authority, f"http://127.0.0.1:{api.server_address[1]}", s3)


def run_as_operator(command: Sequence[str]) -> NoReturn:
    """Replaces this process by the command, on the operator's side of a world that runs."""
    os.execvp("unshare", operators(*command))  # a list, no shell line
