"""Where the stack's log lines go."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LogServer:
    """A syslog server that takes lines over TLS (RFC 5425)."""

    host: str
    """A name or an address that its certificate covers."""
    port: int
    ca_certificate: str
    """PEM of the authority that signed its certificate."""
    local_port: int
    """UDP port of the engine's machine, on its loopback address, by which Docker hands lines over."""
