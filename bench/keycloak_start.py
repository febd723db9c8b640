"""Measure what Keycloak's start takes with different options of Java: `python -m bench.keycloak_start`.

For this machine's engine, with the images that the program uses by default. It makes a database and one Keycloak after
the other, next to any stack, and removes them again.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import docker
import httpx

from bootstrap.console import UserError, print_line
from components.keycloak.server import JAVA_OPTIONS
from tools import command_line
from tools.restore_drill import free_port
from tools.stack_state import image_names

NAME = "ohif-bench-keycloak"
SIGN_INS = 60
VARIANTS: Mapping[str, Sequence[str]] = {
    "Keycloak's own": (),
    "the program's": JAVA_OPTIONS,
    "no best compiler at all": ("-XX:TieredStopAtLevel=1",),
}
HEAP = "-XX:InitialRAMPercentage=15 -XX:MaxRAMPercentage=55"


class Bench:
    """A database, and what is measured on it."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine
        self.images = image_names({"archive": "orthanc"})
        self.password = secrets.token_urlsafe(16)
        self._run("db", "postgres", [], {"POSTGRES_USER": "keycloak", "POSTGRES_PASSWORD": self.password})

    def _run(self, thing: str, image: str, command: list[str], environment: Mapping[str, str], **more: Any) -> Any:
        return self.engine.containers.run(
            self.images[image],
            command,
            name=f"{NAME}-{thing}",
            network=NAME,
            environment=dict(environment),
            labels={NAME: ""},
            detach=True,
            **more,
        )

    def start(self, options: Sequence[str]) -> tuple[float, float, float, float]:
        """Seconds until it answers, seconds of the processor until then, milliseconds of a sign-in, MiB."""
        port = free_port()
        started = time.monotonic()
        container = self._run(
            "server",
            "keycloak",
            ["start", "--optimized"],
            {
                "KC_DB_URL_HOST": f"{NAME}-db",
                "KC_DB_USERNAME": "keycloak",
                "KC_DB_PASSWORD": self.password,
                "KC_HTTP_ENABLED": "true",
                "KC_HOSTNAME_STRICT": "false",
                "KC_CACHE": "local",
                "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
                "KC_BOOTSTRAP_ADMIN_PASSWORD": self.password,
                "JAVA_OPTS_KC_HEAP": HEAP,
                "JAVA_OPTS_APPEND": " ".join(options),
            },
            ports={"8080/tcp": ("127.0.0.1", port)},
            mem_limit="1g",
        )
        try:
            realm = f"http://127.0.0.1:{port}/keycloak/realms/master"
            while not _answers(realm):
                if time.monotonic() - started > 180:
                    raise UserError("Keycloak does not answer", f"docker logs {NAME}-server")
                time.sleep(0.1)
            ready = time.monotonic() - started
            used = container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
            for _ in range(SIGN_INS // 2):
                self._sign_in(realm)
            began = time.monotonic()
            for _ in range(SIGN_INS):
                self._sign_in(realm)
            milliseconds = (time.monotonic() - began) / SIGN_INS * 1000
            memory = container.stats(stream=False, one_shot=True)["memory_stats"]
            cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
            return ready, used, milliseconds, (memory["usage"] - cache) / 2**20
        finally:
            container.remove(force=True)

    def _sign_in(self, realm: str) -> None:
        form = {"client_id": "admin-cli", "grant_type": "password", "username": "admin", "password": self.password}
        httpx.post(f"{realm}/protocol/openid-connect/token", data=form, timeout=30).raise_for_status()


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def bench() -> Iterator[Bench]:
    """A network with a database, removed in the end."""
    engine = docker.from_env()
    engine.networks.create(NAME)
    try:
        yield Bench(engine)
    finally:
        for container in engine.containers.list(all=True, filters={"label": NAME}):
            container.remove(force=True, v=True)
        engine.networks.get(NAME).remove()


def run(rounds: int) -> None:
    """Measure and print."""
    with bench() as made:
        # The first start makes the tables.
        made.start(())
        print_line("| options | answers after | processor until then | a sign-in | memory |")
        print_line("|---|---|---|---|---|")
        for _ in range(rounds):
            for name, options in VARIANTS.items():
                ready, used, sign_in, memory = made.start(options)
                print_line(f"| {name} | {ready:.1f} s | {used:.1f} s | {sign_in:.0f} ms | {memory:.0f} MiB |")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    return command_line.ended(lambda: run(arguments.rounds))


if __name__ == "__main__":
    sys.exit(main())
