"""The syslog server of somebody else, to which the stack's log lines are sent."""

import pulumi

from settings import addresses, parsing
from settings.model.logs import LogServer
from settings.parsing import ConfigurationError
from settings.tls import certificates

KEY = "logs"


def log_server(config: pulumi.Config, audit_days: int) -> LogServer | None:
    """The server; `None`: lines stay with Docker."""
    entry = parsing.fields(config, KEY, frozenset({"host", "port", "caCertificate", "localPort"}))
    if not entry:
        return None
    host, authority = (parsing.text(KEY, entry, name) for name in ("host", "caCertificate"))
    if host is None or authority is None:
        raise ConfigurationError(KEY, "needs host and caCertificate.")
    addresses.require_elsewhere(f"{KEY}.host", host)
    certificates(f"{KEY}.caCertificate", authority)
    if not audit_days:
        raise ConfigurationError(
            KEY, "needs auditDays of 1 or more: users' requests wait in those files while the server is away."
        )
    port, local_port = (
        parsing.whole_number(f"{KEY}.{name}", entry.get(name, usual), at_least=1, at_most=65535)
        for name, usual in {"port": 6514, "localPort": 5514}.items()
    )
    return LogServer(host=host, port=port, ca_certificate=authority, local_port=local_port)
