"""A service whose data cannot be copied as files while it runs, and the container that writes a dump of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.containers.healthcheck import Healthcheck
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext

ASSETS = Path(__file__).parents[2] / "assets" / "backup"
DUMPS = "/dumps"
"""Where the dumps are, in the containers that write and that read them."""
DUMP_SCRIPT = "/dump.sh"
RESTORE_SCRIPT = "/restore.sh"
PASSWORD_FILE = "/run/dump-password"  # noqa: S105 - a path, not a password


@dataclass(frozen=True, kw_only=True)
class DumpSource:
    """How a service's data are written to a dump, and read from one."""

    host: str
    """Host name of the service; it names the dump too."""
    image: str
    """Key of the table of images: one with the service's own client programs."""
    network: docker.Network
    scripts: str
    """First part of the scripts' names in assets/backup: `<scripts>-dump.sh` writes the dump to standard output,
    `<scripts>-restore.sh` puts back the one in `DUMP`."""
    password_file: pulumi.Input[str]
    """Content of `PASSWORD_FILE`, which the scripts read."""
    healthy: Sequence[str]
    """Command that succeeds when the service answers."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[File] = ()
    after: pulumi.Resource | None = None


class Dump(pulumi.ComponentResource):
    """A container that writes a dump of one service whenever the backup asks for it.

    It shares the service's own network and nothing else, so that a backup joins no two services. How it is asked:
    assets/backup/on-request.sh.
    """

    name: str
    """What the dump is called."""

    def __init__(
        self,
        name: str,
        stack: StackContext,
        source: DumpSource,
        volume: docker.Volume,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ohif:index:Dump", name, None, opts)
        self.name = source.host
        Service(
            f"{name}-writer",
            ServiceArgs(
                stack=stack,
                image=source.image,
                alias=f"{source.host}-dump",
                networks=[source.network],
                # Root of an empty volume, and without any privilege of root.
                user="0:0",
                entrypoint=["/bin/sh", "/on-request.sh"],
                command=[],
                environment={**source.environment, "DUMP": f"{DUMPS}/{self.name}"},
                files=[
                    File(path="/on-request.sh", content=(ASSETS / "on-request.sh").read_text()),
                    File(path=DUMP_SCRIPT, content=(ASSETS / f"{source.scripts}-dump.sh").read_text()),
                    File(path=RESTORE_SCRIPT, content=(ASSETS / f"{source.scripts}-restore.sh").read_text()),
                    File(path=PASSWORD_FILE, content=source.password_file, mode="0400"),
                    *source.files,
                ],
                volumes={DUMPS: volume},
                # The first check comes after one interval, and each update and restore waits for it.
                healthcheck=Healthcheck(command=source.healthy),
                memory_mib=96,
                background=True,
                depends_on=[] if source.after is None else [source.after],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
