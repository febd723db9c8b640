"""OHIF: its static files, as its image serves them."""

from dataclasses import dataclass

import pulumi

from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks
from components.containers.service import Service, ServiceArgs
from components.containers.stack_context import StackContext

PORT = 8080


@dataclass(frozen=True)
class ViewerArgs:
    """Arguments of the viewer."""

    stack: StackContext
    networks: Networks


class Viewer(pulumi.ComponentResource):
    """A web server with OHIF's files and nothing else; its configuration is served by the gateway."""

    address: str
    """`host:port` on the network `imaging`."""

    def __init__(self, name: str, args: ViewerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Viewer", name, None, opts)
        self.address = f"viewer:{PORT}"
        Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="viewer",
                alias="viewer",
                networks=[args.networks.imaging],
                user="101:101",
                environment={"PORT": str(PORT)},
                healthcheck=Healthcheck(
                    command=["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{PORT}/manifest.json"],
                ),
                memory_mib=128,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
