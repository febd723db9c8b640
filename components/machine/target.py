"""Creates the host that the setting `target` selects."""

from components.containers.stack_context import StackContext
from components.machine.firewall import ingress_rules
from components.machine.host import SSH_PORT, Host
from components.machine.linode_account import BUCKET_SCOPE, DNS_SCOPE
from components.machine.local import LocalHost, LocalHostArgs
from components.machine.server import RemoteHost, RemoteHostArgs
from components.machine.vm import VmHost, VmHostArgs
from settings import LinodeBucket, LinodeZone, LocalMachine, Server, Settings, Vm


def make_host(name: str, stack: StackContext, settings: Settings) -> Host:
    """This machine, a server, or a VM of the program's own."""
    rules = ingress_rules(settings)
    match settings.machine:
        case LocalMachine():
            return LocalHost(name, LocalHostArgs())
        case Server() as server:
            ports = [rule.port for rule in rules if rule.port != SSH_PORT]
            return RemoteHost(name, RemoteHostArgs(stack=stack, server=server, ports=ports))
        case Vm() as vm:
            return VmHost(name, VmHostArgs(stack=stack, vm=vm, scopes=_further_scopes(settings), ingress_rules=rules))


def _further_scopes(settings: Settings) -> frozenset[str]:
    """What the token of the account has to allow next to the machine."""
    dns = {DNS_SCOPE} if isinstance(settings.dns, LinodeZone) else set()
    in_bucket = settings.backup is not None and isinstance(settings.backup.access, LinodeBucket)
    return frozenset(dns | ({BUCKET_SCOPE} if in_bucket else set()))
