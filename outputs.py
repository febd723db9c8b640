"""Typed, documented stack outputs."""

from dataclasses import dataclass

import pulumi

from components.machine.host import Host
from components.secrets import Secrets
from public_endpoint import PublicEndpoint
from public_paths import ADMIN_PATH, KEYCLOAK_PATH
from settings import CONSOLE_USER


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """The stack's outputs, by the names that `pulumi stack output` shows."""

    viewerUrl: pulumi.Output[str]  # noqa: N815 - an output's name
    """Address of the viewer."""
    adminUrl: pulumi.Output[str]  # noqa: N815
    """The archive's own pages; role `pacsadmin`."""
    consoleUrl: pulumi.Output[str]  # noqa: N815
    """Keycloak's console; user `admin` of realm master."""
    knownHosts: pulumi.Output[str] | None  # noqa: N815
    """A machine elsewhere: its line for SSH's `known_hosts`. Not there for the engine of this machine."""
    credentials: pulumi.Output[dict[str, str]]
    """Secret: the generated passwords by user name. A later change by the user does not show here."""
    programs: pulumi.Output[dict[str, str]] | None
    """Secret: the generated secrets by program. Not there without programs."""
    backupPassword: pulumi.Output[str] | None  # noqa: N815
    """Secret: opens the repository of backups; to be kept where the stack is not. Not there without backups."""


def export(endpoint: pulumi.Output[PublicEndpoint], secrets: Secrets, host: Host) -> None:
    """Export the outputs of the running stack."""
    outputs = StackOutputs(
        viewerUrl=pulumi.Output.concat(endpoint.origin, "/"),
        adminUrl=pulumi.Output.concat(endpoint.origin, f"{ADMIN_PATH}/"),
        consoleUrl=pulumi.Output.concat(endpoint.origin, KEYCLOAK_PATH, "/admin/master/console/"),
        knownHosts=host.known_hosts,
        credentials=pulumi.Output.secret(
            pulumi.Output.all(**{CONSOLE_USER: secrets.identity.console, **secrets.identity.users}).apply(dict)
        ),
        programs=pulumi.Output.secret(pulumi.Output.all(**secrets.identity.programs).apply(dict))
        if secrets.identity.programs
        else None,
        backupPassword=secrets.backup,
    )
    for name, value in vars(outputs).items():
        if value is not None:
            pulumi.export(name, value)
