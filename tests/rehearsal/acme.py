"""The CA of the rehearsal: Pebble, which checks by real HTTP-01 and forgets everything when it ends."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import docker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.rehearsal.machines import GATEWAY4, LABELS, NAME

HOST, ADDRESS, PORT = "acme.test", "198.51.100.2", 14000
DIRECTORY = f"https://{HOST}:{PORT}/dir"
CONFIG = {
    "listenAddress": f"0.0.0.0:{PORT}",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/pebble/server.pem",
    "privateKey": "/pebble/server-key.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
    "retryAfter": {"authz": 1, "order": 1},
}


def certificate(authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None, host: str) -> tuple[
    x509.Certificate, ec.EllipticCurvePrivateKey
]:  # fmt: skip
    """A certificate and its key: of an authority, or without one an authority itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    issuer, signer = (authority[0].subject, authority[1]) if authority else (subject, key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    if authority is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.DNSName(host), x509.IPAddress(ip_address(ADDRESS))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()), key


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()


class Acme:
    """A running Pebble. `bundle` verifies its own address and what it issues."""

    def __init__(self, engine: docker.DockerClient, *, image: str, directory: Path) -> None:
        self._engine = engine
        directory.mkdir(parents=True, exist_ok=True)
        authority = certificate(None, "Rehearsal's own authority")
        self._authority = authority
        chain, private = self.provide(HOST)
        (directory / "server.pem").write_text(chain)
        (directory / "server-key.pem").write_text(private)
        (directory / "config.json").write_text(json.dumps({"pebble": CONFIG}))
        self.container = engine.containers.run(
            image,
            ["pebble", "-config", "/pebble/config.json", "-dnsserver", f"{GATEWAY4}:53"],
            name=f"{NAME}-acme",
            labels=LABELS,
            # Answers without the pauses and the random refusals that test an ACME client, which is not our aim.
            environment={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
            network=NAME,
            networking_config={NAME: engine.api.create_endpoint_config(ipv4_address=ADDRESS)},
            volumes=[f"{directory}:/pebble:ro"],
            detach=True,
        )
        self.own = pem(authority[0])
        """The authority of what `provide` gives."""
        self.bundle = self.own + self._root(self.own)

    def provide(self, host: str) -> tuple[str, str]:
        """Certificate and key for a name, as PEM: of the authority that a hospital has of its own."""
        made, key = certificate(self._authority, host)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return pem(made), key.private_bytes(*form).decode()

    def _root(self, own: str) -> str:
        trust = ssl.create_default_context(cadata=own)
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"https://{ADDRESS}:15000/roots/0", context=trust, timeout=5) as answer:
                    text: str = answer.read().decode()
                    return text
            except urllib.error.URLError as error:
                if time.monotonic() > deadline:
                    log = self.container.logs(tail=5).decode()
                    raise RuntimeError(f"Pebble does not answer: {error}\n{log}") from error
                time.sleep(0.2)

    def disappear(self) -> None:
        """The CA cannot be reached any more."""
        self._engine.networks.get(NAME).disconnect(self.container)

    def come_back(self) -> None:
        """The CA can be reached again, and is the same."""
        self._engine.networks.get(NAME).connect(self.container, ipv4_address=ADDRESS)
