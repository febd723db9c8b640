"""A Linode of the program's own: VM, firewall, address that stays, data volume."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_linode as linode
import pulumi_random as random

from components.containers.stack_context import StackContext
from components.machine import cloud_init
from components.machine.firewall import IngressRule
from components.machine.host import SSH_PORT
from components.machine.linode_provider import Cloud, CloudArgs
from components.machine.remote_shell import Shell, run_when_ready, ssh_shell
from components.machine.ssh_config import SEED_BYTES, client_options, host_key
from components.machine.vm_setup import wait_for
from settings import Network, Vm

SWAP_MB = 1024


@dataclass(frozen=True, kw_only=True)
class VmHostArgs:
    """Which VM, and what it lets in."""

    stack: StackContext
    vm: Vm
    scopes: frozenset[str]
    """What the account's token has to allow next to the machine."""
    ingress_rules: Sequence[IngressRule]


class VmHost(pulumi.ComponentResource):
    """A Debian with Docker, its firewall shut except for the ingress rules, all of the engine's data on a volume.

    Replaced (another image, say), it comes back with the same address, host key, containers and data. SSH is by key
    only and with a host key that the program made, so nothing is trusted on first use. It makes no backups of the
    volume: Linode's backups hold the VM's own disk alone (docs/how-to/back-up-and-restore.md).
    """

    provider: docker.Provider
    address: pulumi.Output[str]
    addresses: pulumi.Output[list[str]]
    shell: pulumi.Output[Shell]
    known_hosts: pulumi.Output[str] | None
    cloud: Cloud
    """The account, for what else lies in it."""

    def __init__(self, name: str, args: VmHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:VmHost", name, None, opts)
        self.cloud = Cloud(
            f"{name}-cloud",
            CloudArgs(token=args.vm.token, api_url=args.vm.api_url, scopes=args.scopes),
            pulumi.ResourceOptions(parent=self),
        )
        cloud = self.cloud.provider
        child = pulumi.ResourceOptions(parent=self, provider=cloud)
        chance = random.Provider(f"{name}-random", opts=pulumi.ResourceOptions(parent=self))
        by_chance = pulumi.ResourceOptions(parent=self, provider=chance)
        label = f"{args.stack.project}-{args.stack.stack}"
        tags = [args.stack.project, args.stack.stack]

        seed = random.RandomBytes(f"{name}-ssh-host-key", length=SEED_BYTES, opts=by_chance).base64
        key = seed.apply(lambda text: host_key(base64.b64decode(text)))
        # The API wants one; nobody logs in with it but on the provider's own console.
        password = random.RandomPassword(
            f"{name}-console-password",
            length=48,
            special=True,
            opts=pulumi.ResourceOptions(parent=self, provider=chance, additional_secret_outputs=["result"]),
        ).result

        firewall = linode.Firewall(
            f"{name}-firewall",
            label=label,
            inbound_policy="DROP",
            outbound_policy="ACCEPT",
            inbounds=[_rule(opening) for opening in args.ingress_rules],
            tags=tags,
            opts=child,
        )
        reserved = (
            linode.NetworkingIp(
                f"{name}-address",
                type="ipv4",
                public=True,
                reserved=True,
                region=args.vm.region,
                # The provider says "updated" and changes nothing.
                opts=pulumi.ResourceOptions(parent=self, provider=cloud, replace_on_changes=["region"]),
            )
            if args.vm.reserved_address
            else None
        )
        volume_label = f"{label}-data"
        user_data = key.apply(
            lambda key: cloud_init.render(
                cloud_init.MachineConfig(
                    host_key=key,
                    public_key=args.vm.public_key,
                    # Where the volume shows (Linode, "Configure and mount a volume").
                    volume_device=f"/dev/disk/by-id/scsi-0Linode_Volume_{volume_label}",
                )
            )
        )
        instance = linode.Instance(
            f"{name}-vm",
            label=label,
            region=args.vm.region,
            type=args.vm.type,
            image=args.vm.image,
            root_pass=password,
            ipv4s=[reserved.address] if reserved else None,
            # There from the first moment; made later, the firewall would leave one open.
            firewall_id=firewall.id.apply(int),
            metadatas=[
                linode.InstanceMetadataArgs(
                    user_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode())
                )
            ],
            disk_encryption="enabled",
            backups_enabled=args.vm.backups,
            swap_size=SWAP_MB,
            tags=tags,
            # Label and address can be had once, so the old one has to go first.
            opts=pulumi.ResourceOptions(parent=self, provider=cloud, delete_before_replace=True),
        )
        volume = linode.Volume(
            f"{name}-volume",
            label=volume_label,
            region=args.vm.region,
            size=args.vm.volume_gb,
            encryption="enabled",
            linode_id=instance.id.apply(int),
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=cloud,
                protect=args.stack.protect_data,
                retain_on_delete=args.stack.protect_data,
            ),
        )
        self.address = reserved.address if reserved else instance.ipv4s.apply(lambda all_of_them: all_of_them[0])
        self.addresses = pulumi.Output.all(self.address, instance.ipv6).apply(
            lambda both: [both[0], both[1].partition("/")[0]]
        )
        # The public half of the host key is no secret, though made of one; nor is what waits for the machine.
        public = pulumi.Output.unsecret(key.apply(lambda key: key.public))
        options = public.apply(lambda host_key: list(client_options(host_key, args.vm.private_key_file)))
        self.known_hosts = pulumi.Output.concat(self.address, " ", public)
        self.shell = pulumi.Output.all(self.address, options).apply(
            lambda known: ssh_shell(user=cloud_init.USER, address=known[0], port=SSH_PORT, options=known[1])
        )

        async def ready(shell: Shell) -> bool:
            if not pulumi.runtime.is_dry_run():
                await wait_for(shell)
            return True

        engine = pulumi.Output.all(self.address, run_when_ready(volume.linode_id, self.shell, ready))

        self.provider = docker.Provider(
            f"{name}-docker",
            host=engine.apply(lambda known: f"ssh://{cloud_init.USER}@{known[0]}"),
            ssh_opts=options,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _by_address(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


def _rule(opening: IngressRule) -> linode.FirewallInboundArgs:
    # The provider compares these lists entry by entry; the order in which the settings name networks means nothing.
    networks = sorted(set(opening.networks), key=_by_address)
    return linode.FirewallInboundArgs(
        label=opening.label,
        action="ACCEPT",
        protocol="TCP",
        ports=str(opening.port),
        ipv4s=[str(network) for network in networks if network.version == 4] or None,
        ipv6s=[str(network) for network in networks if network.version == 6] or None,
    )
