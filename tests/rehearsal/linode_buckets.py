"""Object storage in the stand-in of the Linode API: buckets, and keys that open some of them.

Source: Linode API v4, "Create an Object Storage bucket", "Create an Object Storage key". The objects themselves are the
hardware's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from tests.rehearsal.linode_api import (
    Account,
    Json,
    RefusedError,
    Request,
    bad,
    known_region,
    not_found,
    now,
    page,
    route,
    shown,
)

SCOPE = "object_storage"
ACLS = ("private", "public-read", "authenticated-read", "public-read-write", "custom")
LABEL = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class ObjectStore(Protocol):
    """What keeps objects: an S3 server of one region."""

    region: str
    endpoint: str
    """`host` or `host:port`, as the API shows it."""

    def make_bucket(self, label: str) -> None:
        """A new empty bucket."""

    def remove_bucket(self, label: str) -> bool:
        """Removes a bucket; whether it was empty, and is gone."""

    def make_key(self, buckets: Sequence[str]) -> tuple[str, str]:
        """Access key and secret key for these buckets, and no others."""

    def remove_key(self, access_key: str) -> None:
        """Ends a key."""


def store_of(account: Account) -> ObjectStore:
    if account.store is None:
        raise RefusedError(403, "Object Storage is not enabled on this account")
    return account.store


@route("POST", "object-storage/buckets", SCOPE)
def make_bucket(account: Account, request: Request) -> Json:
    store, label = store_of(account), request.body.get("label")
    region = known_region(request.body.get("region"))
    if region != store.region:
        raise bad("region", "Object Storage is not available in this region")
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        raise bad("label", "Label must be 3-63 lowercase letters, numbers, periods and dashes")
    if (region, label) in account.buckets:
        raise bad("label", "Bucket label is already in use")
    if (acl := request.body.get("acl", "private")) not in ACLS:
        raise bad("acl", f"Must be one of {', '.join(ACLS)}")
    store.make_bucket(label)
    made: Json = {
        "label": label,
        "region": region,
        "cluster": f"{region}-1",
        "hostname": f"{label}.{store.endpoint}",
        "s3_endpoint": store.endpoint,
        "endpoint_type": "E1",
        "created": now(),
        "objects": 0,
        "size": 0,
        "_access": {"acl": acl, "cors_enabled": True, "acl_xml": "", "cors_xml": ""},
    }
    account.buckets[region, label] = made
    return shown(made)


@route("GET", "object-storage/buckets", SCOPE)
def list_buckets(account: Account, request: Request) -> Json:
    return page([shown(bucket) for bucket in account.buckets.values()])


@route("GET", "object-storage/buckets/{}/{}", SCOPE)
def bucket(account: Account, request: Request, region: str, label: str) -> Json:
    return shown(own_bucket(account, region, label))


@route("DELETE", "object-storage/buckets/{}/{}", SCOPE)
def remove_bucket(account: Account, request: Request, region: str, label: str) -> Json:
    own_bucket(account, region, label)
    if not store_of(account).remove_bucket(label):
        raise RefusedError(400, "Bucket is not empty")
    del account.buckets[region, label]
    return {}


@route("GET", "object-storage/buckets/{}/{}/access", SCOPE)
def access(account: Account, request: Request, region: str, label: str) -> Json:
    found: Json = own_bucket(account, region, label)["_access"]
    return found


@route("PUT", "object-storage/buckets/{}/{}/access", SCOPE)
def change_access(account: Account, request: Request, region: str, label: str) -> Json:
    made = own_bucket(account, region, label)
    for name in ("acl", "cors_enabled"):
        if name in request.body:
            made["_access"][name] = request.body[name]
    if made["_access"]["acl"] not in ACLS:
        raise bad("acl", f"Must be one of {', '.join(ACLS)}")
    return {}


@route("POST", "object-storage/keys", SCOPE)
def make_key(account: Account, request: Request) -> Json:
    label, wanted = request.body.get("label"), request.body.get("bucket_access")
    if not isinstance(label, str) or not 1 <= len(label) <= 50:
        raise bad("label", "Length must be 1-50 characters")
    for at, one in enumerate(wanted or []):
        checked_access(account, one, f"bucket_access[{at}]")
    access_key, secret_key = store_of(account).make_key([one["bucket_name"] for one in wanted or []])
    made: Json = {
        "id": next(account.ids),
        "label": label,
        "access_key": access_key,
        "secret_key": "[REDACTED]",
        "limited": bool(wanted),
        "bucket_access": [{**one, "cluster": f"{one['region']}-1"} for one in wanted] if wanted else None,
        "regions": [],
    }
    account.keys[made["id"]] = made
    # Shown this once.
    return {**made, "secret_key": secret_key}


@route("GET", "object-storage/keys/{}", SCOPE)
def key(account: Account, request: Request, key_id: str) -> Json:
    return account.get(account.keys, key_id)


@route("PUT", "object-storage/keys/{}", SCOPE)
def change_key(account: Account, request: Request, key_id: str) -> Json:
    made = account.get(account.keys, key_id)
    made["label"] = request.body.get("label", made["label"])
    return made


@route("DELETE", "object-storage/keys/{}", SCOPE)
def remove_key(account: Account, request: Request, key_id: str) -> Json:
    store_of(account).remove_key(account.get(account.keys, key_id)["access_key"])
    del account.keys[int(key_id)]
    return {}


def checked_access(account: Account, one: Any, at: str) -> None:
    if one.get("permissions") not in ("read_write", "read_only"):
        raise bad(f"{at}.permissions", "Must be one of read_only, read_write")
    if (one.get("region"), one.get("bucket_name")) not in account.buckets:
        raise bad(f"{at}.bucket_name", "Bucket not found")


def own_bucket(account: Account, region: str, label: str) -> Json:
    if (region, label) not in account.buckets:
        raise not_found()
    return account.buckets[region, label]
