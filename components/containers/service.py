"""One hardened container: what every other component runs its program in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.containers.healthcheck import CHECK_SECONDS, Healthcheck, duration, paused
from components.containers.log_driver import log_options
from components.containers.stack_context import StackContext


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that is put into the container before it starts; a changed file replaces the container."""

    path: str
    content: pulumi.Input[str] | None = None
    content_base64: str | None = None
    mode: str = "0444"


BACKGROUND_SHARES = 51
"""Of processors that others want too, where each of them has 1024 (Docker's documentation, `--cpu-shares`)."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port that the engine's machine listens on."""

    address: str
    external: int
    internal: int
    """Port inside the container; it is published only once (`published`)."""
    protocol: str = "tcp"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume that another service writes."""

    volume: docker.Volume
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """Image, command and limits of a container."""

    stack: StackContext
    image: str
    """Key of the table of images."""
    alias: str
    """Host name on its networks, and the last part of the container's name."""
    networks: Sequence[docker.Network]
    healthcheck: Healthcheck
    memory_mib: int
    """Hard limit; swap is not added to it."""
    background: bool = False
    """Whether others come first where there are too few processors for all."""
    user: str | None
    """`uid` or `uid:gid`. `None` only where the image cannot start without root."""
    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Sequence[File] = ()
    volumes: Mapping[str, docker.Volume | Mount] = field(default_factory=dict)
    """Volumes by their path in the container."""
    temporary: Sequence[str] = ("/tmp",)  # noqa: S108 - paths in the container, in its own memory
    """Paths that are kept in memory."""
    temporary_mib: int | None = None
    """Size of each of them, which counts towards the limit of memory; by default an eighth of it."""
    ports: Sequence[Port] = ()
    capabilities: Sequence[str] = ()
    """Capabilities added after dropping all, with the `CAP_` prefix; without it every refresh shows a replacement."""
    process_memory_mib: int | None = None
    """Memory limit of one process (RLIMIT_DATA). Below `memory_mib`, a request for too much fails in the process, which
    can answer it, instead of the kernel ending the process and all its requests."""
    stop_seconds: int = 30
    """How long the program may take to end by itself before it is killed."""
    wait: bool = True
    """Whether it counts as made only once it is healthy."""
    depends_on: Sequence[pulumi.Resource] = ()


class Service(pulumi.ComponentResource):
    """A container with every privilege dropped that its program does not need.

    It is there when its healthcheck has passed, so what depends on it finds it working (unless it need not
    wait). The root file system is not read-only: the Docker provider cannot put files into such a container. A limit
    on the number of processes is not set: the provider has no property for it.
    """

    container_id: pulumi.Output[str]
    """The container's id, known once it is healthy; it changes when the container is replaced."""

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Service", name, None, opts)
        image = docker.RemoteImage(
            f"{name}-image",
            name=args.stack.images[args.image].name,
            # Without it, a destroy takes the image from the machine, and with it from every other stack.
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        log_driver, log_opts = log_options(args.stack.logs, args.alias)
        container = docker.Container(
            f"{name}-container",
            name=args.stack.docker_name(args.alias),
            image=image.image_id,
            hostname=args.alias,
            user=args.user,
            entrypoints=None if args.entrypoint is None else list(args.entrypoint),
            command=None if args.command is None else list(args.command),
            envs=[pulumi.Output.concat(key, "=", value) for key, value in sorted(args.environment.items())],
            uploads=[
                docker.ContainerUploadArgs(
                    file=file.path,
                    content=file.content,
                    content_base64=file.content_base64,
                    permissions=file.mode,
                )
                for file in args.files
            ],
            volumes=[_mounted(path, volume) for path, volume in args.volumes.items()],
            # Without a size, a full one would take all the memory that the program has.
            tmpfs=dict.fromkeys(args.temporary, f"rw,noexec,nosuid,nodev,mode=1777,size={temporary_mib(args)}m"),
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[args.alias])
                for network in args.networks
            ],
            ports=published(args.ports),
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=list(args.capabilities)),
            security_opts=["no-new-privileges:true"],
            cpu_shares=BACKGROUND_SHARES if args.background else None,
            memory=args.memory_mib,
            # Left out, it differs after each refresh; equal to `memory`, it means no swap.
            memory_swap=args.memory_mib,
            ulimits=None
            if args.process_memory_mib is None
            else [
                docker.ContainerUlimitArgs(
                    name="data", soft=args.process_memory_mib * 1024**2, hard=args.process_memory_mib * 1024**2
                )
            ],
            init=True,
            restart="unless-stopped",
            stop_timeout=args.stop_seconds,
            destroy_grace_seconds=args.stop_seconds,
            log_driver=log_driver,
            log_opts=log_opts,
            labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in args.stack.labels.items()],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", *paused(args.healthcheck, args.temporary[0])],
                interval=duration(args.healthcheck.interval),
                timeout=duration(args.healthcheck.pause + 2 * CHECK_SECONDS),
                start_period=duration(args.healthcheck.start_period),
                retries=6,
            ),
            wait=args.wait,
            wait_timeout=300,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*args.depends_on, *([args.stack.logs.shipper] if args.stack.logs else [])],
                # Its name is fixed, so the old one has to go first.
                delete_before_replace=True,
                # The provider says "updated" for these and changes nothing.
                replace_on_changes=["healthcheck", "tmpfs", "init"],
            ),
        )
        self.container_id = container.id
        self.register_outputs({"container_id": self.container_id})


def published(ports: Sequence[Port]) -> Sequence[docker.ContainerPortArgs]:
    """Ports in the order in which the Docker provider reads them back: by port of the container.

    The provider compares the lists entry by entry and replaces the container where they differ, at every `up`. One port
    that is published twice has no order that holds: engines to 26 list its bindings in the reverse of the requested
    order (seen with 20.10), newer ones by address.

    Raises:
        ValueError: one is published twice.
    """
    if len({port.internal for port in ports}) < len(ports):
        raise ValueError("A port of a container is published twice; let the program listen on another one as well.")
    return [
        docker.ContainerPortArgs(
            ip=port.address,
            external=port.external,
            internal=port.internal,
            protocol=None if port.protocol == "tcp" else port.protocol,
        )
        for port in sorted(ports, key=lambda port: port.internal)
    ]


def temporary_mib(args: ServiceArgs) -> int:
    """Size of each path that is kept in memory."""
    return args.temporary_mib or args.memory_mib // 8


def _mounted(path: str, volume: docker.Volume | Mount) -> docker.ContainerVolumeArgs:
    if isinstance(volume, Mount):
        return docker.ContainerVolumeArgs(
            container_path=path, volume_name=volume.volume.name, read_only=volume.read_only or None
        )
    return docker.ContainerVolumeArgs(container_path=path, volume_name=volume.name)
