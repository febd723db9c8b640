"""Measure what Keycloak's start takes with different options of Java: `python -m bench.keycloak_start`.

For this machine's engine, with the images that the program uses by default. It makes a database and one Keycloak after
the other, next to any stack, and removes them again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from bench.keycloak_server import KeycloakServer, keycloak_server
from bootstrap.console import print_line
from components.keycloak.server import JAVA_OPTIONS
from tools import command_line
from tools.stack_state import image_names

NAME = "ohif-bench-keycloak"
SIGN_INS = 60
VARIANTS: Mapping[str, Sequence[str]] = {
    "Keycloak's own": (),
    "the program's": JAVA_OPTIONS,
    "no best compiler at all": ("-XX:TieredStopAtLevel=1",),
}
HEAP = "-XX:InitialRAMPercentage=15 -XX:MaxRAMPercentage=55"


def measure(server: KeycloakServer, image: str, options: Sequence[str]) -> tuple[float, float, float, float]:
    """Seconds until it answers, seconds of the processor until then, milliseconds of a sign-in, MiB."""
    started = time.monotonic()
    with server.running(
        image,
        KC_CACHE="local",
        KC_BOOTSTRAP_ADMIN_USERNAME="admin",
        KC_BOOTSTRAP_ADMIN_PASSWORD=server.password,
        JAVA_OPTS_KC_HEAP=HEAP,
        JAVA_OPTS_APPEND=" ".join(options),
    ) as container:
        ready = time.monotonic() - started
        used = statistics(container)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        sign_in(server, SIGN_INS // 2)
        began = time.monotonic()
        sign_in(server, SIGN_INS)
        milliseconds = (time.monotonic() - began) / SIGN_INS * 1000
        memory = statistics(container)["memory_stats"]
    cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return ready, used, milliseconds, (memory["usage"] - cache) / 2**20


def statistics(container: Container) -> Any:
    """What the engine has counted for a container by now."""
    return container.stats(stream=False, one_shot=True)


def sign_in(server: KeycloakServer, times: int) -> None:
    """Sign the administrator in, one time after the other."""
    form = {"client_id": "admin-cli", "grant_type": "password", "username": "admin", "password": server.password}
    for _ in range(times):
        address = f"{server.origin}/keycloak/realms/master/protocol/openid-connect/token"
        httpx.post(address, data=form, timeout=30).raise_for_status()


def run(rounds: int) -> None:
    """Measure and print. Raises UserError."""
    images = image_names({"archive": "orthanc"})
    with keycloak_server(docker.from_env(), NAME, images["postgres"]) as server:
        # The first start makes the tables.
        measure(server, images["keycloak"], ())
        print_line("| options | answers after | processor until then | a sign-in | memory |")
        print_line("|---|---|---|---|---|")
        for _ in range(rounds):
            for name, options in VARIANTS.items():
                ready, used, milliseconds, memory = measure(server, images["keycloak"], options)
                print_line(f"| {name} | {ready:.1f} s | {used:.1f} s | {milliseconds:.0f} ms | {memory:.0f} MiB |")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 1 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    return command_line.ended(lambda: run(arguments.rounds))


if __name__ == "__main__":
    sys.exit(main())
