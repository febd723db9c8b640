"""The stack `rehearsal`: Pulumi.prod.yaml with the world's values, driven by the commands that a person types."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from cryptography import x509
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import launch
from tests.e2e.harness import ROOT, state_environment
from tests.rehearsal import acme
from tests.rehearsal.machines import GATEWAY4, GATEWAY6
from tests.rehearsal.resolver import Names
from tests.rehearsal.world import BUCKET_REGION, DIRECTORY, World, operators
from tools.dicomweb import StackOutputs, stack_outputs

STACK = "rehearsal"
CONFIG_FILE = DIRECTORY / f"Pulumi.{STACK}.yaml"
BUNDLE = DIRECTORY / "ca.pem"
UP_SECONDS = 900


class Production:
    """A person with a configuration file, a key and a token."""

    def __init__(self, world: World) -> None:
        self.world = world
        key = DIRECTORY / "operator_key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        whole: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
        self._config = whole["config"]
        self._config |= {
            "ohif:ssh": {"publicKey": key.with_suffix(".pub").read_text().strip(), "privateKeyFile": str(key)},
            "ohif:adminNetworks": [f"{GATEWAY4}/32", f"{GATEWAY6}/128"],
            "ohif:backup": {
                "repository": "linode",
                "region": BUCKET_REGION,
                "caCertificate": world.s3.authority,
            },
        }
        self.came_up = False

    def configure(self, **changed: Any) -> None:
        """Writes the configuration file again; a value of None takes the key away."""
        for name, value in changed.items():
            self._config[f"ohif:{name}"] = value
        self._config = {name: value for name, value in self._config.items() if value is not None}
        # Pulumi has added the salt of the stack's secrets.
        kept = yaml.safe_load(CONFIG_FILE.read_text()) if CONFIG_FILE.exists() else {}
        CONFIG_FILE.write_text(yaml.safe_dump({**kept, "config": self._config}))

    def use_name(self, host: str, *, new_zone: bool = False) -> None:
        """HTTPS under a name in a zone of the account."""
        zone = host.partition(".")[2]
        dns = {"zone": zone, **({"new": True, "email": f"root@{zone}"} if new_zone else {})}
        authority = {"email": f"root@{zone}", "server": acme.DIRECTORY, "caCertificate": BUNDLE.read_text()}
        self.configure(host=host, dns="linode", linodeDns=dns, tls="letsencrypt", acme=authority)

    def use_address(self) -> None:
        """HTTP by the machine's address: the guide's second step."""
        self.configure(host=None, dns=None, linodeDns=None, tls=None, acme=None)

    @property
    def config(self) -> dict[str, Any]:
        """What the configuration file says."""
        return copy.deepcopy(self._config)

    def pulumi(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A Pulumi command of this stack, as a person types it; output and errors together."""
        return self._run("pulumi", *words, "--stack", STACK, "--non-interactive", "--color=never", **variables)

    def make(self, verb: str) -> subprocess.CompletedProcess[str]:
        """What `make <verb>` does for this stack."""
        where = ("--stack", STACK, "--config-file", str(CONFIG_FILE))
        return self._run("python", "-m", "tools.stack", verb, *where, YES="1")

    def adopt(self) -> str:
        """What `make adopt` does, which must succeed; returns what was printed."""
        done = self._run("python", "-m", "tools.adopt", "--stack", STACK, "--config-file", str(CONFIG_FILE))
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def backup(self, verb: str) -> str:
        """What `make backup` (`now`) or `make backups` (`list`) does, which must succeed; returns what was printed."""
        where = ("--stack", STACK, "--config-file", str(CONFIG_FILE))
        done = self._run("python", "-m", "tools.backup", verb, *where)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def _run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**state_environment(), **self.world.environment, **variables}
        return subprocess.run(
            operators(*command), cwd=ROOT, env={name: value for name, value in environment.items() if value},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=UP_SECONDS,
        )  # fmt: skip

    def try_up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """`pulumi up`, whatever comes of it."""
        return self.pulumi("up", "--yes", "--skip-preview", "--config-file", str(CONFIG_FILE), **variables)

    def up(self) -> str:
        """`pulumi up`, which must succeed; returns what was printed."""
        done = self.try_up()
        assert done.returncode == 0, done.stdout[-6000:]
        self.came_up = True
        return done.stdout

    def make_up(self) -> str:
        """What `make up` does, which must succeed; returns what was printed."""
        where = ("--stack", STACK, "--config-file", str(CONFIG_FILE))
        done = self._run("python3", "-m", "tools.stack", "up", *where)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def refused_up(self, **variables: str) -> str:
        """`pulumi up`, which must fail; returns what it says went wrong."""
        done = self.try_up(**variables)
        assert done.returncode != 0, "it should have been refused"
        assert "Traceback" not in done.stdout, done.stdout[-6000:]
        said = done.stdout.partition("Diagnostics:")[2] or done.stdout
        return " ".join(said.split())

    def outputs(self) -> StackOutputs:
        """The stack's outputs, secrets readable."""
        return stack_outputs(STACK, state_environment())

    def forget(self) -> None:
        """Takes the stack out of Pulumi's state, whatever it still knows."""
        # A run that was killed has left its lock.
        for words in (["cancel", STACK, "--yes"], ["stack", "rm", STACK, "--yes", "--force", "--preserve-config"]):
            subprocess.run(["pulumi", *words], cwd=ROOT, env=state_environment(), capture_output=True, check=False)

    def operators_output(self, *command: str) -> str:
        """What a command prints on the operator's side, where the world's CA is trusted."""
        environment = {**os.environ, **trusting()}
        return subprocess.run(
            operators(*command), cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout


def trusting() -> dict[str, str]:
    """Variables by which Python's TLS clients trust the world's CA."""
    return {"SSL_CERT_FILE": str(BUNDLE)}


def words_of(said: str) -> str:
    """Output without its line ends, for phrases that Pulumi breaks."""
    return " ".join(said.split())


def changes(said: str) -> dict[str, int]:
    """The numbers that `pulumi up` sums up with: {"created": 3, "unchanged": 88}."""
    summary = said.partition("Resources:")[2]
    return {what: int(count) for count, what in re.findall(r"[+\-~]*\s*(\d+) (\w+)", summary)}


def serial(host: str, address: str) -> int:
    """Serial number of the certificate that is served for a name, checked against the world's CA."""
    context = ssl.create_default_context(cafile=BUNDLE)
    with (
        socket.create_connection((address, 443), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


@contextlib.contextmanager
def resolving(names: Names) -> Iterator[None]:
    """In this process too, the world's names resolve as its name server says, and its CA is trusted."""
    real, before = socket.getaddrinfo, dict(os.environ)

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        addresses = names.addresses(name) if isinstance(name, str) else []
        return real(addresses[0] if addresses else host, *arguments, **named)

    os.environ.update(trusting())
    setattr(socket, "getaddrinfo", getaddrinfo)  # noqa: B010 # mypy would not let a plain assignment be
    try:
        yield
    finally:
        setattr(socket, "getaddrinfo", real)  # noqa: B010
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def trusting_browser(home: Path, names: dict[str, str]) -> Iterator[Browser]:
    """A Chromium whose user trusts the world's CA; `names` are those that it resolves, with their addresses."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    where = f"sql:{store}"
    subprocess.run(["certutil", "-N", "-d", where, "--empty-password"], check=True)
    for number, certificate in enumerate(re.findall(r"-----BEGIN.+?END[^-]+-----\n?", BUNDLE.read_text(), re.DOTALL)):
        add = ["certutil", "-A", "-d", where, "-n", f"rehearsal {number}", "-t", "C,,"]
        subprocess.run(add, input=certificate, text=True, check=True)
    rules = ",".join(f"MAP {name} {address}" for name, address in names.items())
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, f"--host-resolver-rules={rules}", env={"HOME": str(home)})
        yield browser
        browser.close()


def seconds_until(met: Any, what: str, timeout: float) -> float:
    """Polls until `met()` is true and returns the seconds that it took; errors count as not yet."""
    started = time.monotonic()
    last: Exception | None = None
    while time.monotonic() - started < timeout:
        try:
            if met():
                return time.monotonic() - started
        except Exception as error:
            last = error
        time.sleep(0.5)
    raise AssertionError(f"no {what} within {timeout:.0f} s: {last}")
