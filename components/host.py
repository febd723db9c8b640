"""Where the containers run."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True, kw_only=True)
class LocalHostArgs:
    """Nothing to choose: the engine is the one that this machine's Docker client talks to (`DOCKER_HOST`)."""


class LocalHost(pulumi.ComponentResource):
    """The Docker engine of this machine.

    It does not install or start the engine: `make up` does, as a program that describes a stack should not change
    the machine that it runs on.
    """

    provider: docker.Provider
    """The engine's provider, to be given to every component that makes Docker objects."""

    def __init__(self, name: str, args: LocalHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:LocalHost", name, None, opts)
        self.provider = docker.Provider(f"{name}-docker", opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
