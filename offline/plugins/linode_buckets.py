"""Buckets and keys of Linode's object storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from offline.plugins.linode_api import Api, Entity
from offline.plugins.resource import Found, Props

_COLLECTION = "object-storage/buckets"
_ACLS = ("private", "public-read", "authenticated-read", "public-read-write")


class ObjectStorageBucket(Entity):
    resource_type = "linode:index/objectStorageBucket:ObjectStorageBucket"
    args = "pulumi_linode:ObjectStorageBucketArgs"
    collection = _COLLECTION
    fields = {"label": "label", "region": "region"}  # noqa: RUF012
    extra = {"cluster": "cluster", "endpointType": "endpoint_type", "hostname": "hostname"}  # noqa: RUF012
    implemented = frozenset(fields) | {"acl"}
    replace = frozenset({"label", "region"})
    # As in the official provider's schema.
    defaults = {"acl": "private"}  # noqa: RUF012

    def validate(self, inputs: Props) -> Iterable[tuple[str, str]]:
        if "region" not in inputs:
            yield "region", "the stand-in makes no bucket without it"
        if inputs["acl"] not in (*_ACLS, UNKNOWN):
            yield "acl", f"must be {', '.join(_ACLS)}"

    def path(self, inputs: Props, resource_id: str = "") -> str:
        return f"{_COLLECTION}/{resource_id.replace(':', '/')}" if resource_id else _COLLECTION

    def body(self, inputs: Props) -> Props:
        return {**super().body(inputs), "acl": inputs["acl"]}

    def outputs(self, client: Api, real: Props) -> Props:
        endpoint = real.get("s3_endpoint") or real["hostname"].removeprefix(f"{real['label']}.")
        return {**super().outputs(client, real), "endpoint": endpoint, "s3Endpoint": endpoint}

    def create(self, client: Api, inputs: Props) -> tuple[str, Props]:
        real = client.call("POST", _COLLECTION, self.body(inputs))
        made = f"{real['region']}:{real['label']}"
        # The official provider sets it again after the bucket is made.
        client.call("PUT", f"{self.path(inputs, made)}/access", {"acl": inputs["acl"]})
        return made, self.outputs(client, real)

    def read(self, client: Api, resource_id: str, inputs: Props, state: Props) -> Found | None:
        found = super().read(client, resource_id, inputs, state)
        if found is not None:
            access = client.call("GET", f"{self.path(inputs, resource_id)}/access")
            if access["acl"] != inputs["acl"]:
                found.drift["acl"] = access["acl"]
        return found

    def delete(self, client: Api, resource_id: str, state: Props) -> None:
        # Officially too, one that is gone already is an error, as is one that holds something.
        client.call("DELETE", self.path(state, resource_id))

    def update(self, client: Api, resource_id: str, state: Props, inputs: Props) -> Props:
        client.call("PUT", f"{self.path(inputs, resource_id)}/access", {"acl": inputs["acl"]})
        return {}


class ObjectStorageKey(Entity):
    resource_type = "linode:index/objectStorageKey:ObjectStorageKey"
    args = "pulumi_linode:ObjectStorageKeyArgs"
    collection = "object-storage/keys"
    fields = {"label": "label"}  # noqa: RUF012
    extra = {"accessKey": "access_key", "limited": "limited"}  # noqa: RUF012
    implemented = frozenset(fields) | {"bucketAccesses"}
    refused = frozenset({"bucketAccesses.cluster"})
    replace = frozenset({"bucketAccesses"})
    secret_outputs = frozenset({"secretKey"})

    def body(self, inputs: Props) -> Props:
        accesses = [
            {"bucket_name": it["bucketName"], "region": it["region"], "permissions": it["permissions"]}
            for it in inputs.get("bucketAccesses", [])
        ]
        return {**super().body(inputs), **({"bucket_access": accesses} if accesses else {})}

    def outputs(self, client: Api, real: Props) -> Props:
        shown = super().outputs(client, real)
        # The API shows it once, and "[REDACTED]" from then on.
        return shown if real["secret_key"] == "[REDACTED]" else {**shown, "secretKey": real["secret_key"]}  # noqa: S105

    def drift(self, real: Props, inputs: Props) -> Iterable[tuple[str, Any]]:
        yield from super().drift(real, inputs)
        allowed = [
            {"bucketName": it["bucket_name"], "region": it["region"], "permissions": it["permissions"]}
            for it in real.get("bucket_access") or []
        ]
        if allowed != inputs.get("bucketAccesses", []):
            yield "bucketAccesses", allowed
