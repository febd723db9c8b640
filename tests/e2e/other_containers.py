"""Containers next to the stack, for as long as a test: a neighbour on one of its networks, another gateway."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx

from tests.e2e.harness import NAME, THINGS, Stack, wait_until
from tools.dicomweb import client

NOBODY = "65534:65534"
PORTS = (22, 80, 443, 4180, 4242, 5432, 6379, 8042, 8080, 8081, 8443, 9000, 11112)
"""What any of the images listens on, or would by default."""


def neighbour(stack: Stack, network: str, script: str) -> str:
    """What a bash script says in a container of the database's image, alone on `network`."""
    said = stack.engine.containers.run(
        image_of(stack, "keycloak-db"),
        entrypoint=["bash", "-c"],
        command=[script],
        network=network,
        user=NOBODY,
        cap_drop=["ALL"],
        remove=True,
    )
    return bytes(said).decode()


def image_of(stack: Stack, thing: str) -> str:
    """The image that a container of the stack runs, by its id."""
    return str(stack.container(thing).attrs["Image"])


def network_name(thing: str) -> str:
    """The engine's name of one of the stack's networks."""
    return f"ohif-{NAME}-{thing}"


def reached_from(stack: Stack, network: str) -> set[tuple[str, int]]:
    """Containers and ports of the stack that a neighbour on `network` can connect to, by whatever address."""
    addresses = {
        joined["IPAddress"]: thing
        for thing in THINGS
        for joined in stack.container(thing).attrs["NetworkSettings"]["Networks"].values()
    }
    tries = "\n".join(
        f"(timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null && echo {thing} {port})&"
        for address, thing in addresses.items()
        for port in PORTS
    )
    said = neighbour(stack, network, f"{tries}\nwait; true")
    return {(thing, int(port)) for thing, port in (line.split() for line in said.splitlines())}


@contextmanager
def another_gateway(
    stack: Stack, *, admin_networks: Sequence[str], networks: Sequence[str]
) -> Iterator[tuple[httpx.Client, Callable[[], str]]]:
    """A gateway like the stack's, with other admin networks, on its edge and these networks: a client, and its log."""
    original = stack.container("gateway")
    (published,) = original.attrs["NetworkSettings"]["Ports"]["8080/tcp"]
    files = b"".join(original.get_archive("/etc/ohif")[0])
    geo = "".join(f"{network} 1; " for network in admin_networks)
    copy = stack.engine.containers.create(
        image_of(stack, "gateway"),
        entrypoint=original.attrs["Config"]["Entrypoint"],
        command=original.attrs["Config"]["Cmd"],
        user=original.attrs["Config"]["User"],
        tmpfs=original.attrs["HostConfig"]["Tmpfs"],
        cap_drop=["ALL"],
        network=network_name("edge"),
        ports={"8080/tcp": ("127.0.0.1", 0)},
    )
    try:
        copy.put_archive("/etc", _with_admin_networks(files, geo))
        for network in networks:
            stack.engine.networks.get(network_name(network)).connect(copy)
        copy.start()
        copy.reload()
        (own,) = copy.attrs["NetworkSettings"]["Ports"]["8080/tcp"]
        with client(f"http://127.0.0.1:{own['HostPort']}") as made:
            made.headers["Host"] = f"127.0.0.1:{published['HostPort']}"
            wait_until(lambda: made.get("/healthz").status_code == 200, "answer of the other gateway", 20)
            yield made, lambda: copy.logs().decode()
    finally:
        copy.remove(force=True, v=True)


def _with_admin_networks(files: bytes, geo: str) -> bytes:
    changed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(files)) as before, tarfile.open(fileobj=changed, mode="w") as after:
        for member in before.getmembers():
            content = before.extractfile(member)
            data = content.read() if content else b""
            if member.name.endswith("nginx.conf"):
                text, found = re.subn(
                    r"(geo \$remote_addr \$in_admin_network \{)[^}]*\}", rf"\1 {geo}}}", data.decode()
                )
                assert found == 1
                data = text.encode()
                member.size = len(data)
            after.addfile(member, io.BytesIO(data))
    return changed.getvalue()
