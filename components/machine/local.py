"""This machine as the host of the Docker engine."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.machine.remote_shell import Shell, local_shell


@dataclass(frozen=True, kw_only=True)
class LocalHostArgs:
    """Nothing to choose: the engine is the one that this machine's Docker client talks to (`DOCKER_HOST`)."""


class LocalHost(pulumi.ComponentResource):
    """The Docker engine of this machine.

    It does not install or start the engine: `make up` does, as a program that describes a stack should not change
    the machine that it runs on.
    """

    provider: docker.Provider
    address: pulumi.Output[str]
    addresses: pulumi.Output[list[str]]
    shell: pulumi.Output[Shell]
    known_hosts: pulumi.Output[str] | None

    def __init__(self, name: str, args: LocalHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:LocalHost", name, None, opts)
        self.provider = docker.Provider(f"{name}-docker", opts=pulumi.ResourceOptions(parent=self))
        self.address = pulumi.Output.from_input("127.0.0.1")
        self.addresses = pulumi.Output.from_input([])
        self.shell = pulumi.Output.from_input(local_shell())
        self.known_hosts = None
        self.register_outputs({})
