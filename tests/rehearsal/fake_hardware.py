"""Hardware that only records its calls, for tests of the API and of its clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.rehearsal.linode_api import Json
from tests.rehearsal.linode_buckets import ObjectStore


class PaperHardware:
    """`calls` is a list of (what, arguments) in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def make(self, instance: Json, user_data: bytes) -> None:
        self.calls.append(("make", (instance["id"], user_data)))

    def remove(self, instance_id: int) -> None:
        self.calls.append(("remove", (instance_id,)))

    def boot(self, instance_id: int) -> None:
        self.calls.append(("boot", (instance_id,)))

    def shut_down(self, instance_id: int) -> None:
        self.calls.append(("shut_down", (instance_id,)))

    def make_volume(self, volume: Json) -> None:
        self.calls.append(("make_volume", (volume["id"],)))

    def resize_volume(self, volume: Json) -> None:
        self.calls.append(("resize_volume", (volume["id"], volume["size"])))

    def remove_volume(self, volume_id: int) -> None:
        self.calls.append(("remove_volume", (volume_id,)))

    def attach(self, volume: Json, instance_id: int) -> None:
        self.calls.append(("attach", (volume["id"], instance_id)))

    def detach(self, volume: Json, instance_id: int) -> None:
        self.calls.append(("detach", (volume["id"], instance_id)))

    def filter(self, instance_id: int, rules: Json | None) -> None:
        self.calls.append(("filter", (instance_id, rules)))


class PaperStore(ObjectStore):
    """Buckets without objects, until `filled` names them."""

    region = "us-east"
    endpoint = "us-east-1.linodeobjects.com"

    def __init__(self) -> None:
        self.keys: dict[str, Sequence[str]] = {}
        self.filled: set[str] = set()

    def make_bucket(self, label: str) -> None:
        """Nothing has to be made."""

    def remove_bucket(self, label: str) -> bool:
        return label not in self.filled

    def make_key(self, buckets: Sequence[str]) -> tuple[str, str]:
        access_key = f"KEY{len(self.keys)}"
        self.keys[access_key] = buckets
        return access_key, f"secret of {access_key}"

    def remove_key(self, access_key: str) -> None:
        del self.keys[access_key]
