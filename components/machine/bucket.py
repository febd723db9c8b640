"""A bucket at Linode, with a key that opens it alone."""

from dataclasses import dataclass

import pulumi
import pulumi_linode as linode
import pulumi_random as random

from components.containers.stack_context import StackContext

SUFFIX_BYTES = 4
"""Of random bytes in its name: a region has each name once, for all customers of Linode."""


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """What for, and where."""

    stack: StackContext
    purpose: str
    """A word in its name."""
    region: str
    provider: linode.Provider


class Bucket(pulumi.ComponentResource):
    """A private bucket, and a key that reads and writes in no other one.

    The bucket outlives the stack with all that is in it: removing it is its owner's work. It does not keep versions of
    objects, and asks for no lifecycle; what is stored in it decides what may go.
    Source: Linode API v4, "Create an Object Storage bucket" and "Create an Object Storage key".
    """

    url: pulumi.Output[str]
    """`https://host/name`, path-style."""
    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Bucket", name, None, opts)
        chance = random.Provider(f"{name}-random", opts=pulumi.ResourceOptions(parent=self))
        suffix = random.RandomBytes(
            f"{name}-suffix", length=SUFFIX_BYTES, opts=pulumi.ResourceOptions(parent=self, provider=chance)
        ).hex
        start = f"{args.stack.project}-{args.stack.stack}-{args.purpose}".lower().replace("_", "-")
        bucket = linode.ObjectStorageBucket(
            f"{name}-bucket",
            label=pulumi.Output.unsecret(pulumi.Output.concat(start, "-", suffix)),
            region=args.region,
            acl="private",
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider, retain_on_delete=True),
        )
        key = linode.ObjectStorageKey(
            f"{name}-key",
            label=bucket.label,
            bucket_accesses=[
                linode.ObjectStorageKeyBucketAccessArgs(
                    bucket_name=bucket.label, region=args.region, permissions="read_write"
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, provider=args.provider),
        )
        self.url = pulumi.Output.concat("https://", bucket.s3_endpoint, "/", bucket.label)
        self.access_key, self.secret_key = key.access_key, key.secret_key
        self.register_outputs({})
