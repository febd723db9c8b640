"""SSH as the program speaks it: a host key made from a seed, and the client's options that take no other key."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED_BYTES = 32
"""An Ed25519 private key is 32 random bytes (RFC 8032, 5.1.5)."""


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """A server's key pair."""

    private: str
    """PKCS #8 in PEM, which OpenSSH reads from 9.6 on. Its own format holds random bytes, so that the same key
    would be another text at every run."""
    public: str
    """Type and key, as in `known_hosts`."""


def host_key(seed: bytes) -> HostKey:
    """The key pair of a seed, always the same."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return HostKey(
        private=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        public=key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode(),
    )


def client_options(host_public_key: str, private_key_file: str | None) -> Sequence[str]:
    """Options of `ssh` (ssh_config(5), OpenSSH 8.5 or newer): this host key and no other, and never a question.

    No file is read or written for it, so nothing that was ever trusted on this machine counts.
    """
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        f"KnownHostsCommand=/bin/echo %H {host_public_key}",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "LogLevel=ERROR",
    ]
    if private_key_file:
        # In quotes, for a path with a space.
        options += [f'IdentityFile="{private_key_file}"', "IdentitiesOnly=yes"]
    return [part for option in options for part in ("-o", option)]
