"""The host of the Docker engine, whichever target the settings select."""

from typing import Protocol

import pulumi
import pulumi_docker as docker

from components.machine.remote_shell import Shell

SSH_PORT = 22


class Host(Protocol):
    """Interface of a host for the rest of the program."""

    @property
    def provider(self) -> docker.Provider:
        """The engine's provider, to be given to every component that makes Docker objects."""
        ...

    @property
    def address(self) -> pulumi.Output[str]:
        """Address of the host for browsers."""
        ...

    @property
    def addresses(self) -> pulumi.Output[list[str]]:
        """IP addresses to which the host's name has to resolve; empty: not known."""
        ...

    @property
    def shell(self) -> pulumi.Output[Shell]:
        """Runs commands there."""
        ...

    @property
    def known_hosts(self) -> pulumi.Output[str] | None:
        """Address and SSH host key, as in `known_hosts`; `None` for this machine."""
        ...
