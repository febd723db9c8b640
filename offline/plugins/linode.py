"""Stand-in for the resource plugin `linode`."""

from __future__ import annotations

from offline.plugins.linode_api import Api
from offline.plugins.linode_buckets import ObjectStorageBucket, ObjectStorageKey
from offline.plugins.linode_dns import Domain, DomainRecord, Rdns
from offline.plugins.linode_machine import Instance, Volume
from offline.plugins.linode_network import Firewall, NetworkingIp
from offline.plugins.provider import StandIn
from offline.plugins.wire import serve


def plugin() -> StandIn[Api]:
    machine = (NetworkingIp(), Firewall(), Instance(), Volume())
    resources = (*machine, Domain(), DomainRecord(), Rdns(), ObjectStorageBucket(), ObjectStorageKey())
    return StandIn("linode", resources, Api, config=frozenset({"apiVersion", "token", "url"}))


if __name__ == "__main__":
    serve(plugin())
