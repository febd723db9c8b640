"""Whether Keycloak reaches the mail server. Otherwise users would find out when they wait for a mail."""

from __future__ import annotations

from collections.abc import Mapping

import docker

from bootstrap.console import UserError, print_error
from tools import preflight
from tools.container_exec import Result, run

GREETING = "220"
"""First part of what a mail server says (RFC 5321, 4.3.1)."""
SECONDS = 15
PROBE = 'exec 3<>"/dev/tcp/$0/$1" && read -r -t 10 line <&3 && echo "$line"'
TIMED_OUT = 124
"""Exit code of timeout(1)."""
BLOCKED = "Cloud providers often block ports 25, 465 and 587 on new accounts; their support opens them."


def check(engine: docker.DockerClient | None, stack: str, config: Mapping[str, object]) -> None:
    """Say what is wrong with the mail server, if the stack has one. All but mails works without it."""
    smtp = config.get("smtp")
    if not isinstance(smtp, dict) or not smtp:
        return
    keycloak = preflight.by_alias(engine, stack).get("keycloak") if engine else None
    if keycloak is None:
        return
    host, port = str(smtp["host"]), str(smtp.get("port", 587))
    command = ["timeout", str(SECONDS), "/bin/bash", "-c", PROBE, host, port]
    if reason := problem(run(keycloak, command)):
        print_error(UserError(f"mail server {host}:{port} {reason}", f"No mail is sent until it is reached. {BLOCKED}"))


def problem(result: Result) -> str | None:
    """What is wrong with a mail server of which `PROBE` says this; `None` if it answers as one."""
    if result.code == 0 and result.output.startswith(GREETING):
        return None
    if result.code == TIMED_OUT:
        return "does not answer"
    if "refused" in result.output:
        return "refuses the connection: nothing listens at that port"
    if "not known" in result.output or "resolution" in result.output:
        return "is not known to the DNS server that Keycloak asks"
    if "unreachable" in result.output or "No route" in result.output:
        return "cannot be reached: no route leads to it"
    return "does not answer as a mail server does"
