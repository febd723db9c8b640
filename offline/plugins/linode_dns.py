"""Zones, records and reverse names of Linode."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.linode_api import Api, Entity, NotFoundError, poll
from offline.plugins.resource import Found, PluginError, Props, Resource

# As officially: how long a new name may take to be found.
_RDNS_TIMEOUT = 300.0


class Domain(Entity):
    resource_type = "linode:index/domain:Domain"
    args = "pulumi_linode:DomainArgs"
    collection = "domains"
    fields = {  # noqa: RUF012
        "description": "description",
        "domain": "domain",
        "expireSec": "expire_sec",
        "refreshSec": "refresh_sec",
        "retrySec": "retry_sec",
        "soaEmail": "soa_email",
        "tags": "tags",
        "ttlSec": "ttl_sec",
        "type": "type",
    }
    extra = {"status": "status"}  # noqa: RUF012
    implemented = frozenset(fields)
    replace = frozenset({"type"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if inputs["type"] not in ("master", UNKNOWN):
            yield "type", "the stand-in knows zones of type master only"
        if "soaEmail" not in inputs:
            yield "soaEmail", "a zone of type master needs it"


class DomainRecord(Entity):
    resource_type = "linode:index/domainRecord:DomainRecord"
    args = "pulumi_linode:DomainRecordArgs"
    fields = {  # noqa: RUF012
        "name": "name",
        "priority": "priority",
        "recordType": "type",
        "tag": "tag",
        "target": "target",
        "ttlSec": "ttl_sec",
    }
    implemented = frozenset(fields) | {"domainId"}
    replace = frozenset({"domainId", "recordType"})
    fixed = frozenset({"recordType"})

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        kind = inputs["recordType"]
        if kind not in ("A", "AAAA", "CAA", "CNAME", "MX", "TXT", UNKNOWN):
            yield "recordType", "must be A, AAAA, CAA, CNAME, MX or TXT (the stand-in knows no SRV and NS)"
        if kind == "CAA" and "tag" not in inputs:
            yield "tag", "a record of type CAA needs it: issue, issuewild or iodef"

    def path(self, inputs: Props, resource_id: str = "") -> str:
        records = f"domains/{inputs['domainId']}/records"
        return f"{records}/{resource_id}" if resource_id else records

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        for name, value in super().drift(real, inputs):
            # The API rounds times up to the values that it knows.
            if not (name == "ttlSec" and value is not None and value > inputs["ttlSec"]):
                yield name, value


class Rdns(Resource[Api]):
    resource_type = "linode:index/rdns:Rdns"
    args = "pulumi_linode:RdnsArgs"
    implemented = frozenset({"address", "rdns", "waitForAvailable"})
    replace = frozenset({"address"})
    defaults = {"waitForAvailable": False}  # noqa: RUF012

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        deadline = time.monotonic() + (_RDNS_TIMEOUT if inputs["waitForAvailable"] else 0)
        while True:
            try:
                client.call("PUT", f"networking/ips/{inputs['address']}", {"rdns": inputs["rdns"]})
                return inputs["address"], {}
            except PluginError as error:
                # The API looks the name up first, and a new record takes a while to be known.
                if "lookup" not in str(error) or time.monotonic() > deadline:
                    raise
                poll()

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        try:
            real = client.call("GET", f"networking/ips/{resource_id}")["rdns"]
        except NotFoundError:
            return None
        return Found(drift={} if real == inputs["rdns"] else {"rdns": real})

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        try:
            client.call("PUT", f"networking/ips/{resource_id}", {"rdns": None})
        except NotFoundError:
            return
