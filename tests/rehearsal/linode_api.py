"""A stand-in of the part of the Linode API (v4) that the program and the Linode plugins use, for one account.

It answers and refuses as the real API does, as far as its reference says (techdocs.akamai.com/linode-api); what the
objects do in the world is a `Hardware`'s business. As with the real one, a request is answered at once and the work
follows: an instance is `provisioning`, then `booting`, then `running`, a volume `creating`, then `active`, and has its
`linode_id` once it is attached. Nothing is kept when the process ends.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import json
import queue
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.rehearsal.linode_buckets import ObjectStore

Json = dict[str, Any]

NETWORK4 = ipaddress.ip_network("198.51.100.0/24")
NETWORK6 = ipaddress.ip_network("2001:db8:5100::/64")
FIRST_HOST = 10
"""The last byte of the first address that the account gets; those below are the world's own."""
LAST_HOST = 120

REGIONS = ("eu-central", "de-fra-2", "us-east")
TYPES: dict[str, Json] = {
    name: {"id": name, "label": label, "memory": memory, "disk": disk, "vcpus": vcpus, "class": "standard"}
    for name, label, memory, disk, vcpus in (
        ("g6-nanode-1", "Nanode 1GB", 1024, 25600, 1),
        ("g6-standard-1", "Linode 2GB", 2048, 51200, 1),
        ("g6-standard-2", "Linode 4GB", 4096, 81920, 2),
        ("g6-standard-4", "Linode 8GB", 8192, 163840, 4),
        ("g6-standard-6", "Linode 16GB", 16384, 327680, 6),
    )
}
IMAGES = ("linode/debian13", "linode/debian12", "linode/ubuntu24.04", "private/15")
TTLS = (0, 30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200)
USER_DATA_BYTES = 65535


class Hardware(Protocol):
    """What really happens to instances, volumes and firewalls. Objects are as the API shows them."""

    def make(self, instance: Json, user_data: bytes) -> None:
        """A new instance that will be booted."""

    def remove(self, instance_id: int) -> None:
        """Ends an instance for good."""

    def boot(self, instance_id: int) -> None:
        """Starts an instance."""

    def shut_down(self, instance_id: int) -> None:
        """Stops an instance; its own disk is kept."""

    def make_volume(self, volume: Json) -> None:
        """A new empty volume."""

    def resize_volume(self, volume: Json) -> None:
        """Makes a volume larger."""

    def remove_volume(self, volume_id: int) -> None:
        """Ends a volume and its data for good."""

    def attach(self, volume: Json, instance_id: int) -> None:
        """Gives an instance a volume as a device."""

    def detach(self, volume: Json, instance_id: int) -> None:
        """Takes it away again."""

    def filter(self, instance_id: int, rules: Json | None) -> None:
        """Puts these firewall rules, or none, before an instance."""


class RefusedError(Exception):
    """An answer with errors, as the API words them."""

    def __init__(self, status: int, reason: str, field_name: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.errors = [{"reason": reason, **({"field": field_name} if field_name else {})}]


def bad(field_name: str, reason: str) -> RefusedError:
    """A request with a bad value."""
    return RefusedError(400, reason, field_name)


def not_found() -> RefusedError:
    """No such object in this account."""
    return RefusedError(404, "Not found")


Route = TypeVar("Route", bound=Callable[..., Json])
_routes: list[tuple[str, re.Pattern[str], str | None, Callable[..., Json]]] = []


def route(method: str, path: str, scope: str | None) -> Callable[[Route], Route]:
    """Binds a call of the API to a method of `Account`; `{}` in the path is an argument.

    `scope` is the one that the token must have (to write, for anything but GET), None if none is needed.
    """

    def bind(call: Route) -> Route:
        pattern = re.compile("/v4/" + path.replace("{}", "([^/]+)"))
        _routes.append((method, pattern, scope, call))
        return call

    return bind


def allowed(scopes: str, scope: str, method: str) -> bool:
    """Whether a token with these scopes (`*`, or `linodes:read_write domains:read_only …`) may do that."""
    granted = dict(part.partition(":")[::2] for part in scopes.replace(",", " ").split())
    return scopes == "*" or granted.get(scope) in (("read_only", "read_write") if method == "GET" else ("read_write",))


@dataclass
class Request:
    """One call."""

    method: str
    path: str
    token: str
    body: Json
    filters: Json


@dataclass
class Account:
    """Everything of one account. `tokens` are its access tokens, each with its scopes."""

    hardware: Hardware
    tokens: Mapping[str, str]
    instances: dict[int, Json] = field(default_factory=dict)
    volumes: dict[int, Json] = field(default_factory=dict)
    firewalls: dict[int, Json] = field(default_factory=dict)
    domains: dict[int, Json] = field(default_factory=dict)
    records: dict[int, dict[int, Json]] = field(default_factory=dict)
    addresses: dict[str, Json] = field(default_factory=dict)
    buckets: dict[tuple[str, str], Json] = field(default_factory=dict)
    """By region and label."""
    keys: dict[int, Json] = field(default_factory=dict)
    store: ObjectStore | None = None
    """What keeps the buckets' objects; None: there is no object storage."""
    events: list[Json] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    """All calls, for tests that count them."""
    failures: list[str] = field(default_factory=list)
    """What the hardware could not do."""
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _work: queue.Queue[Callable[[], None]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._labour, name="linode-hardware", daemon=True).start()

    def _labour(self) -> None:
        """Does the hardware's work in the order of the requests, without keeping other requests waiting."""
        while True:
            task = self._work.get()
            try:
                task()
            except Exception:  # a failure of one thing is that thing's event, and the rest goes on
                self.failures.append(traceback.format_exc())
                traceback.print_exc()
            finally:
                self._work.task_done()

    def _later(
        self, event: Json | None, work: Callable[[], None], then: Callable[[], None] = lambda: None, **status: Any
    ) -> None:
        """Puts work of the hardware off; `then` changes what the API shows once it is done.

        `status` is `thing=` and the statuses `during=` and `after=` the work, where the object shows them.
        """

        def task() -> None:
            with self._lock:
                if "during" in status:
                    status["thing"]["status"] = status["during"]
                if event:
                    event.update(status="started", percent_complete=1)
            try:
                work()
            except Exception:
                if event:
                    event.update(status="failed")
                raise
            with self._lock:
                then()
                if "after" in status:
                    status["thing"]["status"] = status["after"]
                if event:
                    event.update(status="finished", percent_complete=100)

        self._work.put(task)

    def settle(self) -> None:
        """Waits until all work of the hardware is done, for tests that look at the world."""
        self._work.join()

    def answer(self, request: Request) -> tuple[Any, str]:
        """The answer's JSON, and the token's scopes. Raises RefusedError."""
        scopes = self.tokens.get(request.token)
        known = [entry for entry in _routes if entry[1].fullmatch(request.path)]
        if not known:
            raise not_found()
        for method, pattern, scope, call in known:
            if method != request.method:
                continue
            if scope is not None and scopes is None:
                raise RefusedError(401, "Invalid Token")
            if scope is not None and not allowed(scopes or "", scope, method):
                raise RefusedError(401, "Your OAuth token is not authorized to use this endpoint.")
            found = pattern.fullmatch(request.path)
            arguments = found.groups() if found else ()
            with self._lock:
                self.requests.append(request)
                return call(self, request, *arguments), scopes or ""
        raise RefusedError(405, "Method Not Allowed")

    # Who, what and where

    @route("GET", "profile", "account")
    def profile(self, request: Request) -> Json:
        return {"username": "rehearsal", "email": "rehearsal@example.org", "restricted": False, "uid": 1}

    @route("GET", "regions", None)
    def list_regions(self, request: Request) -> Json:
        return page([self.region(request, name) for name in REGIONS])

    @route("GET", "regions/{}", None)
    def region(self, request: Request, name: str) -> Json:
        if name not in REGIONS:
            raise not_found()
        able = ["Linodes", "Backups", "Block Storage", "Cloud Firewall", "Metadata", "Disk Encryption", "Vlans"]
        return {"id": name, "label": name, "country": "de", "capabilities": able, "status": "ok", "site_type": "core"}

    @route("GET", "linode/types", None)
    def list_types(self, request: Request) -> Json:
        return page([self.type(request, name) for name in TYPES])

    @route("GET", "linode/types/{}", None)
    def type(self, request: Request, name: str) -> Json:
        if name not in TYPES:
            raise not_found()
        price = {"hourly": 0.0, "monthly": 0.0}
        rest = {"network_out": 2000, "transfer": 2000, "gpus": 0, "accelerated_devices": 0, "successor": None}
        addons = {"backups": {"price": price, "region_prices": []}}
        return {**TYPES[name], **rest, "price": price, "region_prices": [], "addons": addons}

    @route("GET", "images/{}/{}", None)
    def image(self, request: Request, owner: str, name: str) -> Json:
        if f"{owner}/{name}" not in IMAGES:
            raise not_found()
        return {"id": f"{owner}/{name}", "label": name, "capabilities": ["cloud-init"], "status": "available"}

    @route("GET", "account/events", "events")
    def list_events(self, request: Request) -> Json:
        wanted = {name: value for name, value in request.filters.items() if not name.startswith("+")}
        shown = [event for event in reversed(self.events) if matches(event, wanted)]
        return page(shown)

    @route("GET", "account/events/{}", "events")
    def event(self, request: Request, event_id: str) -> Json:
        return self.get({event["id"]: event for event in self.events}, event_id)

    def _happened(self, action: str, kind: str, thing: Json, status: str = "finished") -> Json:
        entity = {"id": thing["id"], "type": kind, "label": thing.get("label") or thing.get("domain"), "url": ""}
        done = 100 if status == "finished" else 0
        base = {"percent_complete": done, "status": status, "username": "rehearsal", "read": False, "seen": False}
        rest = {"rate": None, "time_remaining": None, "secondary_entity": None, "message": "", "duration": 1.0}
        event = {"id": next(self.ids), "action": action, "created": now(), "entity": entity, **base, **rest}
        self.events.append(event)
        return event

    def _scheduled(self, action: str, kind: str, thing: Json) -> Json:
        return self._happened(action, kind, thing, "scheduled")

    # Addresses

    def _allocate(self, region: str, reserved: bool) -> Json:
        used = set(self.addresses)
        for number in range(FIRST_HOST, LAST_HOST):
            address = str(NETWORK4[number])
            if address not in used:
                entry = {
                    "address": address,
                    "gateway": str(NETWORK4[1]),
                    "subnet_mask": str(NETWORK4.netmask),
                    "prefix": NETWORK4.prefixlen,
                    "type": "ipv4",
                    "public": True,
                    "rdns": default_rdns(address),
                    "linode_id": None,
                    "interface_id": None,
                    "region": region,
                    "reserved": reserved,
                    "vpc_nat_1_1": None,
                    "tags": [],
                }
                self.addresses[address] = entry
                return entry
        raise RefusedError(400, "No addresses are left in this region")

    @route("POST", "networking/ips", "ips")
    def allocate(self, request: Request) -> Json:
        body = request.body
        if body.get("type") != "ipv4":
            raise bad("type", "Must be one of ipv4")
        if not isinstance(body.get("public"), bool):
            raise bad("public", "public is required")
        if body.get("linode_id") is not None or not body.get("reserved"):
            raise bad("linode_id", "Additional addresses of an instance need a support ticket")
        return self._allocate(known_region(body.get("region")), reserved=True)

    @route("GET", "networking/ips", "ips")
    def list_addresses(self, request: Request) -> Json:
        return page(list(self.addresses.values()))

    @route("GET", "networking/ips/{}", "ips")
    def address(self, request: Request, address: str) -> Json:
        if address not in self.addresses:
            raise not_found()
        return self.addresses[address]

    @route("PUT", "networking/ips/{}", "ips")
    def change_address(self, request: Request, address: str) -> Json:
        entry = self.address(request, address)
        if "rdns" in request.body:
            name = request.body["rdns"]
            if name is not None and address not in self.look_up(name, "A"):
                raise bad("rdns", f"We were unable to perform a lookup for '{name}' at this time.")
            entry["rdns"] = name or default_rdns(address)
        if "reserved" in request.body:
            entry["reserved"] = bool(request.body["reserved"])
        return entry

    @route("DELETE", "networking/ips/{}", "ips")
    @route("DELETE", "networking/reserved/ips/{}", "ips")
    def release(self, request: Request, address: str) -> Json:
        entry = self.address(request, address)
        entry["reserved"] = False
        if entry["linode_id"] is None:
            del self.addresses[address]
        return {}

    # Firewalls

    @route("POST", "networking/firewalls", "firewall")
    def make_firewall(self, request: Request) -> Json:
        body = request.body
        label = checked_label(body.get("label"), 3, 32, self.firewalls)
        made = {"id": next(self.ids), "label": label, "status": "enabled", "tags": tags(body), **stamps()}
        made["rules"] = checked_rules(body.get("rules") or {})
        linodes = (body.get("devices") or {}).get("linodes") or []
        for linode in linodes:
            self._own(self.instances, linode, "devices.linodes")
        made["entities"] = []
        self.firewalls[made["id"]] = made
        for linode in linodes:
            self._guard(made, linode)
        self._happened("firewall_create", "firewall", made)
        return made

    @route("GET", "networking/firewalls/{}", "firewall")
    def firewall(self, request: Request, firewall_id: str) -> Json:
        return self.get(self.firewalls, firewall_id)

    @route("PUT", "networking/firewalls/{}", "firewall")
    def change_firewall(self, request: Request, firewall_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        body = request.body
        if "label" in body:
            made["label"] = checked_label(body["label"], 3, 32, self.firewalls, made["id"])
        if "tags" in body:
            made["tags"] = tags(body)
        if "status" in body:
            if body["status"] not in ("enabled", "disabled"):
                raise bad("status", "Must be one of enabled, disabled")
            made["status"] = body["status"]
        made["updated"] = now()
        self._enforce(made)
        return made

    @route("DELETE", "networking/firewalls/{}", "firewall")
    def remove_firewall(self, request: Request, firewall_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        del self.firewalls[made["id"]]
        for device in made["entities"]:
            self._filter(device["id"], None)
        self._happened("firewall_delete", "firewall", made)
        return {}

    @route("GET", "networking/firewalls/{}/rules", "firewall")
    def rules(self, request: Request, firewall_id: str) -> Json:
        rules: Json = self.get(self.firewalls, firewall_id)["rules"]
        return rules

    @route("PUT", "networking/firewalls/{}/rules", "firewall")
    def change_rules(self, request: Request, firewall_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        made["rules"] = checked_rules(request.body)
        self._enforce(made)
        self._happened("firewall_update", "firewall", made)
        return self.rules(request, firewall_id)

    @route("GET", "networking/firewalls/{}/devices", "firewall")
    def devices(self, request: Request, firewall_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        return page([{"id": e["device_id"], "entity": e, **stamps()} for e in made["entities"]])

    @route("POST", "networking/firewalls/{}/devices", "firewall")
    def add_device(self, request: Request, firewall_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        if request.body.get("type") != "linode":
            raise bad("type", "Must be one of linode")
        self._own(self.instances, request.body.get("id"), "id")
        entity = self._guard(made, request.body["id"])
        return {"id": entity["device_id"], "entity": entity, **stamps()}

    @route("DELETE", "networking/firewalls/{}/devices/{}", "firewall")
    def remove_device(self, request: Request, firewall_id: str, device_id: str) -> Json:
        made = self.get(self.firewalls, firewall_id)
        for entity in made["entities"]:
            if entity["device_id"] == int(device_id):
                made["entities"].remove(entity)
                self._filter(entity["id"], None)
                return {}
        raise not_found()

    def _guard(self, firewall: Json, instance_id: int) -> Json:
        for other in self.firewalls.values():
            if any(entity["id"] == instance_id for entity in other["entities"]):
                raise bad("id", "This Linode already has an enabled firewall assigned")
        label = self.instances[instance_id]["label"]
        entity = {"id": instance_id, "type": "linode", "label": label, "url": "", "device_id": next(self.ids)}
        firewall["entities"].append(entity)
        self._enforce(firewall)
        return entity

    def _enforce(self, firewall: Json) -> None:
        rules = firewall["rules"] if firewall["status"] == "enabled" else None
        for entity in firewall["entities"]:
            self._filter(entity["id"], rules)

    def _filter(self, instance_id: int, rules: Json | None) -> None:
        self._later(None, lambda: self.hardware.filter(instance_id, rules))

    # Instances

    @route("POST", "linode/instances", "linodes")
    def make_instance(self, request: Request) -> Json:
        body = request.body
        region = known_region(body.get("region"))
        kind = known_type(body.get("type"))
        label = checked_label(body.get("label") or f"linode{next(self.ids)}", 3, 64, self.instances)
        image = body.get("image")
        if image is not None:
            if image not in IMAGES:
                raise bad("image", "image is not valid")
            check_password(body.get("root_pass"))
        if body.get("disk_encryption", "enabled") not in ("enabled", "disabled"):
            raise bad("disk_encryption", "Must be one of enabled, disabled")
        swap = body.get("swap_size", 512)
        if not isinstance(swap, int) or not 0 <= swap <= kind["disk"]:
            raise bad("swap_size", f"Must be between 0 and {kind['disk']}")
        user_data = decoded((body.get("metadata") or {}).get("user_data"))
        firewall = self._own(self.firewalls, body["firewall_id"], "firewall_id") if body.get("firewall_id") else None
        address = self._address_for(body.get("ipv4") or [], region)
        made = {
            "id": next(self.ids),
            "label": label,
            "group": "",
            "status": "provisioning",
            "hypervisor": "kvm",
            "type": kind["id"],
            "region": region,
            "image": image,
            "ipv4": [address["address"]],
            "ipv6": f"{address6(address['address'])}/128",
            "specs": {**{k: kind[k] for k in ("disk", "memory", "vcpus")}, "transfer": 2000, "gpus": 0},
            "alerts": {"cpu": 180, "io": 10000, "network_in": 10, "network_out": 10, "transfer_quota": 80},
            "backups": {
                "enabled": bool(body.get("backups_enabled")),
                "available": False,
                "schedule": {"day": None, "window": None},
                "last_successful": None,
            },
            "watchdog_enabled": True,
            "tags": tags(body),
            "host_uuid": "0000000000000000000000000000000000000000",
            "has_user_data": bool(user_data),
            "placement_group": None,
            "disk_encryption": body.get("disk_encryption", "enabled"),
            "lke_cluster_id": None,
            "capabilities": ["Block Storage Encryption"],
            "interface_generation": "legacy_config",
            "maintenance_policy": "linode/migrate",
            "locks": [],
            **stamps(),
        }
        made["specs"]["accelerated_devices"] = 0
        address["linode_id"] = made["id"]
        self.instances[made["id"]] = made
        made["_swap"] = swap
        order = shown(made)
        boots = image is not None and body.get("booted", True)
        created = self._scheduled("linode_create", "linode", made)
        after = "provisioning" if boots else "offline"
        self._later(created, lambda: self.hardware.make(order, user_data), thing=made, after=after)
        if firewall:
            self._guard(firewall, made["id"])
        if boots:
            self._boot(made)
        return order

    def _address_for(self, wanted: list[Any], region: str) -> Json:
        if not wanted:
            return self._allocate(region, reserved=False)
        entry = self.addresses.get(wanted[0])
        if len(wanted) > 1 or entry is None or not entry["reserved"]:
            raise bad("ipv4", f"{wanted[0]} is not a reserved address of this account")
        if entry["region"] != region:
            raise bad("ipv4", f"The reserved address {wanted[0]} is not in region {region}")
        if entry["linode_id"] is not None:
            raise bad("ipv4", f"The reserved address {wanted[0]} is assigned already")
        return entry

    def _boot(self, instance: Json) -> None:
        event = self._scheduled("linode_boot", "linode", instance)
        boot = self.hardware.boot
        self._later(event, lambda: boot(instance["id"]), thing=instance, during="booting", after="running")

    def _existing(self, instance_id: str) -> Json:
        """An instance that can be given orders."""
        made = self.get(self.instances, instance_id)
        if made["status"] == "deleting":
            raise RefusedError(400, "Linode busy.")
        return made

    @route("GET", "linode/instances", "linodes")
    def list_instances(self, request: Request) -> Json:
        return page([shown(thing) for thing in self.instances.values() if matches(thing, request.filters)])

    @route("GET", "linode/instances/{}", "linodes")
    def instance(self, request: Request, instance_id: str) -> Json:
        return shown(self.get(self.instances, instance_id))

    @route("PUT", "linode/instances/{}", "linodes")
    def change_instance(self, request: Request, instance_id: str) -> Json:
        made = self.get(self.instances, instance_id)
        body = request.body
        if "label" in body:
            made["label"] = checked_label(body["label"], 3, 64, self.instances, made["id"])
        if "tags" in body:
            made["tags"] = tags(body)
        made.update({name: body[name] for name in ("alerts", "watchdog_enabled", "maintenance_policy") if name in body})
        made["updated"] = now()
        self._happened("linode_update", "linode", made)
        return shown(made)

    @route("DELETE", "linode/instances/{}", "linodes")
    def remove_instance(self, request: Request, instance_id: str) -> Json:
        made = self.get(self.instances, instance_id)
        if made["status"] == "deleting":
            return {}
        made["status"] = "deleting"
        event = self._scheduled("linode_delete", "linode", made)

        def gone() -> None:
            del self.instances[made["id"]]
            for volume in self.volumes.values():
                if volume["linode_id"] == made["id"]:
                    self._detached(volume)
            for firewall in self.firewalls.values():
                firewall["entities"] = [entity for entity in firewall["entities"] if entity["id"] != made["id"]]
            for address in list(self.addresses.values()):
                if address["linode_id"] == made["id"]:
                    address["linode_id"] = None
                    if not address["reserved"]:
                        del self.addresses[address["address"]]

        self._later(event, lambda: self.hardware.remove(made["id"]), gone, thing=made, during="deleting")
        return {}

    @route("POST", "linode/instances/{}/boot", "linodes")
    def boot(self, request: Request, instance_id: str) -> Json:
        made = self._existing(instance_id)
        made["status"] = "booting"
        self._boot(made)
        return {}

    @route("POST", "linode/instances/{}/shutdown", "linodes")
    def shut_down(self, request: Request, instance_id: str) -> Json:
        made = self._existing(instance_id)
        made["status"] = "shutting_down"
        event = self._scheduled("linode_shutdown", "linode", made)
        off = self.hardware.shut_down
        self._later(event, lambda: off(made["id"]), thing=made, during="shutting_down", after="offline")
        return {}

    @route("POST", "linode/instances/{}/reboot", "linodes")
    def reboot(self, request: Request, instance_id: str) -> Json:
        made = self._existing(instance_id)
        made["status"] = "rebooting"
        event = self._scheduled("linode_reboot", "linode", made)

        def again() -> None:
            self.hardware.shut_down(made["id"])
            self.hardware.boot(made["id"])

        self._later(event, again, thing=made, during="rebooting", after="running")
        return {}

    @route("POST", "linode/instances/{}/resize", "linodes")
    def resize(self, request: Request, instance_id: str) -> Json:
        made = self._existing(instance_id)
        kind = known_type(request.body.get("type"))
        made["type"] = kind["id"]
        made["specs"].update({name: kind[name] for name in ("disk", "memory", "vcpus")})
        self._happened("linode_resize", "linode", made)
        return self.reboot(request, instance_id)

    @route("POST", "linode/instances/{}/backups/enable", "linodes")
    def enable_backups(self, request: Request, instance_id: str) -> Json:
        self.get(self.instances, instance_id)["backups"]["enabled"] = True
        return {}

    @route("POST", "linode/instances/{}/backups/cancel", "linodes")
    def cancel_backups(self, request: Request, instance_id: str) -> Json:
        self.get(self.instances, instance_id)["backups"]["enabled"] = False
        return {}

    @route("GET", "linode/instances/{}/ips", "linodes")
    def ips(self, request: Request, instance_id: str) -> Json:
        made = self.get(self.instances, instance_id)
        public = [self.addresses[address] for address in made["ipv4"]]
        reserved = [entry for entry in public if entry["reserved"]]
        six = {
            "address": made["ipv6"].partition("/")[0],
            "gateway": "fe80::1",
            "subnet_mask": "ffff:ffff:ffff:ffff::",
            "prefix": NETWORK6.prefixlen,
            "type": "ipv6",
            "public": True,
            "rdns": None,
            "linode_id": made["id"],
            "region": made["region"],
        }
        four = {"public": public, "private": [], "shared": [], "reserved": reserved, "vpc": []}
        return {"ipv4": four, "ipv6": {"link_local": {**six, "address": "fe80::1"}, "slaac": six, "global": []}}

    @route("GET", "linode/instances/{}/disks", "linodes")
    def disks(self, request: Request, instance_id: str) -> Json:
        made = self.get(self.instances, instance_id)
        swap = made["_swap"]
        root = {
            "id": made["id"] * 10,
            "label": "Debian Disk",
            "size": made["specs"]["disk"] - swap,
            "filesystem": "ext4",
        }
        swapped = {"id": made["id"] * 10 + 1, "label": f"{swap} MB Swap Image", "size": swap, "filesystem": "swap"}
        both = [root, swapped] if swap else [root]
        return page([{**disk, "status": "ready", "disk_encryption": "enabled", **stamps()} for disk in both])

    @route("GET", "linode/instances/{}/configs", "linodes")
    def configs(self, request: Request, instance_id: str) -> Json:
        made = self.get(self.instances, instance_id)
        devices: Json = {f"sd{letter}": None for letter in "abcdefgh"}
        devices |= {"sda": {"disk_id": made["id"] * 10, "volume_id": None}}
        helpers = {"updatedb_disabled": True, "distro": True, "modules_dep": True, "network": True}
        config = {"id": made["id"] * 10, "label": "My Debian Disk Profile", "kernel": "linode/grub2", "comments": ""}
        run = {"run_level": "default", "virt_mode": "paravirt", "root_device": "/dev/sda", "memory_limit": 0}
        helpers["devtmpfs_automount"] = True
        return page([{**config, **run, "devices": devices, "helpers": helpers, "interfaces": [], **stamps()}])

    # Volumes

    @route("POST", "volumes", "volumes")
    def make_volume(self, request: Request) -> Json:
        body = request.body
        label = checked_label(body.get("label"), 1, 32, self.volumes, pattern="[A-Za-z0-9_-]+")
        instance = self._own(self.instances, body["linode_id"], "linode_id") if body.get("linode_id") else None
        if instance is None and body.get("region") is None:
            raise bad("region", "Must provide a region or a Linode ID")
        region = known_region(body.get("region") or (instance or {}).get("region"))
        if instance is not None and instance["region"] != region:
            raise bad("linode_id", "The Linode is not in the region of the Volume")
        if body.get("encryption", "disabled") not in ("enabled", "disabled"):
            raise bad("encryption", "Must be one of enabled, disabled")
        made = {
            "id": next(self.ids),
            "label": label,
            "status": "creating",
            "size": checked_size(body.get("size", 20)),
            "region": region,
            "linode_id": None,
            "linode_label": None,
            "filesystem_path": f"/dev/disk/by-id/scsi-0Linode_Volume_{label}",
            "tags": tags(body),
            "hardware_type": "nvme",
            "encryption": body.get("encryption", "disabled"),
            "io_ready": False,
            **stamps(),
        }
        self.volumes[made["id"]] = made
        event = self._scheduled("volume_create", "volume", made)
        self._later(event, lambda: self.hardware.make_volume(made), thing=made, after="active")
        if instance is not None:
            self._attach(made, instance)
        return shown(made)

    def _attach(self, volume: Json, instance: Json) -> None:
        if instance["status"] == "deleting":
            raise RefusedError(400, "Linode busy.")
        volume["_promised"] = instance["id"]
        event = self._scheduled("volume_attach", "volume", volume)

        def attached() -> None:
            # An instance that was deleted meanwhile has none.
            if instance["id"] in self.instances:
                volume.update(linode_id=instance["id"], linode_label=instance["label"])

        self._later(event, lambda: self.hardware.attach(volume, instance["id"]), attached)

    def _detached(self, volume: Json) -> None:
        volume.update(linode_id=None, linode_label=None, _promised=None)
        self._happened("volume_detach", "volume", volume)

    @route("GET", "volumes", "volumes")
    def list_volumes(self, request: Request) -> Json:
        return page([shown(thing) for thing in self.volumes.values() if matches(thing, request.filters)])

    @route("GET", "volumes/{}", "volumes")
    def volume(self, request: Request, volume_id: str) -> Json:
        return shown(self.get(self.volumes, volume_id))

    @route("PUT", "volumes/{}", "volumes")
    def change_volume(self, request: Request, volume_id: str) -> Json:
        made = self.get(self.volumes, volume_id)
        if "label" in request.body:
            label = request.body["label"]
            made["label"] = checked_label(label, 1, 32, self.volumes, made["id"], pattern="[A-Za-z0-9_-]+")
        if "tags" in request.body:
            made["tags"] = tags(request.body)
        return shown(made)

    @route("DELETE", "volumes/{}", "volumes")
    def remove_volume(self, request: Request, volume_id: str) -> Json:
        made = self.get(self.volumes, volume_id)
        if made.get("_promised") is not None:
            raise RefusedError(400, "This volume is currently attached to a Linode. Please detach it first.")
        self._later(None, lambda: self.hardware.remove_volume(made["id"]))
        del self.volumes[made["id"]]
        self._happened("volume_delete", "volume", made)
        return {}

    @route("POST", "volumes/{}/attach", "volumes")
    def attach(self, request: Request, volume_id: str) -> Json:
        made = self.get(self.volumes, volume_id)
        instance = self._own(self.instances, request.body.get("linode_id"), "linode_id")
        if made.get("_promised") is not None:
            raise RefusedError(400, "Volume is already attached")
        if instance["region"] != made["region"]:
            raise bad("linode_id", "The Linode is not in the region of the Volume")
        self._attach(made, instance)
        return shown(made)

    @route("POST", "volumes/{}/detach", "volumes")
    def detach(self, request: Request, volume_id: str) -> Json:
        made = self.get(self.volumes, volume_id)
        # The official plugin detaches also when the instance is gone and has left the volume alone.
        if (instance_id := made.get("_promised")) is not None:
            made["_promised"] = None
            event = self._scheduled("volume_detach", "volume", made)

            def detached() -> None:
                made.update(linode_id=None, linode_label=None)

            self._later(event, lambda: self.hardware.detach(made, instance_id), detached)
        return {}

    @route("POST", "volumes/{}/resize", "volumes")
    def resize_volume(self, request: Request, volume_id: str) -> Json:
        made = self.get(self.volumes, volume_id)
        size = checked_size(request.body.get("size"))
        if size < made["size"]:
            raise bad("size", "Volumes can only be resized up")
        made.update(size=size, status="resizing")
        event = self._scheduled("volume_resize", "volume", made)
        self._later(event, lambda: self.hardware.resize_volume(made), thing=made, after="active")
        return shown(made)

    # Domains

    def look_up(self, name: str, kind: str) -> list[str]:
        """What the account's zones say: the targets of this name's records of this type (`A`, `AAAA`)."""
        return [record["target"] for record in self.find(name) if record["type"] == kind]

    def find(self, name: str) -> list[Json]:
        """All records of this name, of whatever type."""
        name = name.rstrip(".").lower()
        found = []
        for zone_id, zone in self.domains.items():
            for record in self.records[zone_id].values():
                full = f"{record['name']}.{zone['domain']}" if record["name"] else zone["domain"]
                if full.lower() == name:
                    found.append(record)
        return found

    def zone_of(self, name: str) -> str | None:
        """The zone of this account that a name is in."""
        name = name.rstrip(".").lower()
        zones = [zone["domain"] for zone in self.domains.values()]
        return next((zone for zone in zones if name == zone or name.endswith(f".{zone}")), None)

    @route("POST", "domains", "domains")
    def make_domain(self, request: Request) -> Json:
        body = request.body
        name = body.get("domain")
        label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
        if not isinstance(name, str) or not re.fullmatch(rf"({label}\.)+[a-z]{{2,63}}", name.lower()):
            raise bad("domain", "Domain is not valid.")
        if any(zone["domain"] == name.lower() for zone in self.domains.values()):
            raise bad("domain", "DNS zone already exists.")
        if body.get("type") not in ("master", "slave"):
            raise bad("type", "Must be one of master, slave")
        if body["type"] == "master" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", body.get("soa_email") or ""):
            raise bad("soa_email", "soa_email required when type=master")
        made = {
            "id": next(self.ids),
            "domain": name.lower(),
            "type": body["type"],
            "status": body.get("status") or "active",
            "soa_email": body.get("soa_email", ""),
            "description": body.get("description", ""),
            "group": "",
            "tags": tags(body),
            "master_ips": body.get("master_ips") or [],
            "axfr_ips": body.get("axfr_ips") or [],
            **{name: rounded(body.get(name)) for name in ("ttl_sec", "retry_sec", "expire_sec", "refresh_sec")},
            **stamps(),
        }
        self.domains[made["id"]] = made
        self.records[made["id"]] = {}
        return made

    @route("GET", "domains", "domains")
    def list_domains(self, request: Request) -> Json:
        return page([zone for zone in self.domains.values() if matches(zone, request.filters)])

    @route("GET", "domains/{}", "domains")
    def domain(self, request: Request, domain_id: str) -> Json:
        return self.get(self.domains, domain_id)

    @route("PUT", "domains/{}", "domains")
    def change_domain(self, request: Request, domain_id: str) -> Json:
        made = self.get(self.domains, domain_id)
        if request.body.get("domain", made["domain"]) != made["domain"]:
            raise bad("domain", "The domain of a zone cannot be changed")
        plain = ("soa_email", "description", "tags", "axfr_ips", "master_ips")
        made.update({name: request.body[name] for name in plain if name in request.body})
        seconds = ("ttl_sec", "retry_sec", "expire_sec", "refresh_sec")
        made.update({name: rounded(request.body[name]) for name in seconds if name in request.body})
        return made

    @route("DELETE", "domains/{}", "domains")
    def remove_domain(self, request: Request, domain_id: str) -> Json:
        made = self.get(self.domains, domain_id)
        del self.domains[made["id"]], self.records[made["id"]]
        return {}

    @route("POST", "domains/{}/records", "domains")
    def make_record(self, request: Request, domain_id: str) -> Json:
        zone = self.get(self.domains, domain_id)
        record = {"id": next(self.ids), **checked_record(request.body, zone["domain"]), **stamps()}
        self.records[zone["id"]][record["id"]] = record
        return record

    @route("GET", "domains/{}/records", "domains")
    def list_records(self, request: Request, domain_id: str) -> Json:
        zone = self.get(self.domains, domain_id)
        return page([thing for thing in self.records[zone["id"]].values() if matches(thing, request.filters)])

    @route("GET", "domains/{}/records/{}", "domains")
    def record(self, request: Request, domain_id: str, record_id: str) -> Json:
        return self.get(self.records[self.get(self.domains, domain_id)["id"]], record_id)

    @route("PUT", "domains/{}/records/{}", "domains")
    def change_record(self, request: Request, domain_id: str, record_id: str) -> Json:
        zone = self.get(self.domains, domain_id)
        record = self.get(self.records[zone["id"]], record_id)
        record.update(checked_record({**record, **request.body, "type": record["type"]}, zone["domain"]))
        return record

    @route("DELETE", "domains/{}/records/{}", "domains")
    def remove_record(self, request: Request, domain_id: str, record_id: str) -> Json:
        records = self.records[self.get(self.domains, domain_id)["id"]]
        del records[self.get(records, record_id)["id"]]
        return {}

    @staticmethod
    def get(things: Mapping[int, Json], thing_id: str) -> Json:
        if not thing_id.isdigit() or int(thing_id) not in things:
            raise not_found()
        return things[int(thing_id)]

    @staticmethod
    def _own(things: Mapping[int, Json], thing_id: Any, name: str) -> Json:
        if thing_id not in things:
            raise bad(name, f"Invalid {name}")
        return things[thing_id]


# Values


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stamps() -> Json:
    return {"created": now(), "updated": now()}


def shown(instance: Json) -> Json:
    """An instance, a volume or a bucket without what the API keeps to itself."""
    return {name: value for name, value in instance.items() if not name.startswith("_")}


def page(things: list[Json]) -> Json:
    return {"data": things, "page": 1, "pages": 1, "results": len(things)}


def matches(thing: Json, filters: Json) -> bool:
    """Whether an object has the values of an X-Filter; names may be dotted."""
    for name, wanted in filters.items():
        value: Any = thing
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if not name.startswith("+") and value != wanted:
            return False
    return True


def address6(address: str) -> str:
    """The IPv6 address of the instance that has this IPv4 address."""
    return str(NETWORK6[int(address.rpartition(".")[2])])


def default_rdns(address: str) -> str:
    return f"{address.replace('.', '-')}.ip.linodeusercontent.com"


def known_region(name: Any) -> str:
    if name not in REGIONS:
        raise bad("region", "region is not valid")
    return str(name)


def known_type(name: Any) -> Json:
    if name not in TYPES:
        raise bad("type", "A valid plan type by that ID was not found")
    return TYPES[name]


def tags(body: Json) -> list[str]:
    given = body.get("tags") or []
    for tag in given:
        if not isinstance(tag, str) or not 3 <= len(tag) <= 50:
            raise bad("tags", "Length must be 3-50 characters")
    return sorted(given)


def checked_label(
    label: Any, shortest: int, longest: int, others: Mapping[int, Json], own: int | None = None, pattern: str = ""
) -> str:
    if not isinstance(label, str) or not shortest <= len(label) <= longest:
        raise bad("label", f"Length must be {shortest}-{longest} characters")
    word = pattern or r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
    if not re.fullmatch(word, label) or re.search(r"--|__|\.\.", label):
        raise bad("label", "Label must only use ASCII letters, numbers, underscores, periods and dashes")
    if any(thing["label"] == label and key != own for key, thing in others.items()):
        raise bad("label", "Label must be unique")
    return label


def check_password(password: Any) -> None:
    if not isinstance(password, str):
        raise bad("root_pass", "root_pass is required")
    if not 11 <= len(password) <= 128:
        raise bad("root_pass", "Length must be 11-128 characters")
    classes = ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]")
    if sum(bool(re.search(kind, password)) for kind in classes) < 2 or len(set(password)) < 6:
        raise bad("root_pass", "Password does not meet strength requirement.")


def decoded(user_data: Any) -> bytes:
    if not user_data:
        return b""
    try:
        plain = base64.b64decode(user_data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise bad("metadata.user_data", "Must be base64 encoded") from None
    if len(plain) > USER_DATA_BYTES:
        raise bad("metadata.user_data", f"Decoded user_data must not exceed {USER_DATA_BYTES} bytes")
    return plain


def checked_size(size: Any) -> int:
    if not isinstance(size, int) or not 10 <= size <= 16384:
        raise bad("size", "Must be 10-16384")
    return size


def rounded(seconds: Any) -> int:
    """The next of the values that the name servers know; 0 is their default."""
    if not isinstance(seconds or 0, int) or (seconds or 0) < 0:
        raise bad("ttl_sec", "Must be a positive number")
    return next((ttl for ttl in TTLS if ttl >= (seconds or 0)), TTLS[-1])


def checked_rules(rules: Json) -> Json:
    """Firewall rules as the API keeps them."""
    found: Json = {"version": 1, "fingerprint": "0"}
    for direction in ("inbound", "outbound"):
        policy = rules.get(f"{direction}_policy")
        if policy not in ("ACCEPT", "DROP"):
            raise bad(f"rules.{direction}_policy", "Must be one of ACCEPT, DROP")
        found[f"{direction}_policy"] = policy
        given = rules.get(direction) or []
        if len(given) > 25:
            raise bad(f"rules.{direction}", "A Firewall can have up to 25 rules")
        found[direction] = [checked_rule(rule, f"rules.{direction}[{at}]") for at, rule in enumerate(given)]
    return found


def checked_rule(rule: Json, at: str) -> Json:
    checked_label(rule.get("label"), 3, 32, {})
    if rule.get("action") not in ("ACCEPT", "DROP"):
        raise bad(f"{at}.action", "Must be one of ACCEPT, DROP")
    protocol, ports = rule.get("protocol"), rule.get("ports") or ""
    if protocol not in ("TCP", "UDP", "ICMP", "IPENCAP"):
        raise bad(f"{at}.protocol", "Must be one of TCP, UDP, ICMP, IPENCAP")
    if protocol not in ("TCP", "UDP") and ports:
        raise bad(f"{at}.ports", f"Ports are not allowed for {protocol}")
    pieces = [part.strip().split("-") for part in ports.split(",")] if ports else []
    for piece in pieces:
        numbers = [int(text) if text.isdigit() else 0 for text in piece]
        if len(numbers) > 2 or not all(1 <= n <= 65535 for n in numbers) or sorted(numbers) != numbers:
            raise bad(f"{at}.ports", "Ports must be 1-65535, single, or ranges, separated by commas")
    if sum(len(piece) for piece in pieces) > 15:
        raise bad(f"{at}.ports", "Must have 15 or fewer ports")
    addresses = rule.get("addresses") or {}
    for family, kind in (("ipv4", ipaddress.IPv4Network), ("ipv6", ipaddress.IPv6Network)):
        for network in addresses.get(family) or []:
            try:
                if "/" not in network:
                    raise ValueError
                kind(network)
            except ValueError:
                raise bad(f"{at}.addresses.{family}", f"Must be a valid {family} network in CIDR notation") from None
    if not any(addresses.get(family) for family in ("ipv4", "ipv6")):
        raise bad(f"{at}.addresses", "Must contain at least one address")
    return {**rule, "ports": ports, "addresses": addresses}


def checked_record(body: Json, zone: str) -> Json:
    kind, name, target = body.get("type"), body.get("name") or "", body.get("target") or ""
    if kind not in ("A", "AAAA", "CAA", "TXT", "CNAME", "MX", "NS"):
        raise bad("type", "Must be one of A, AAAA, CAA, CNAME, MX, NS, TXT")
    # The API takes the whole name too, and keeps what is left of the zone.
    name = name.removesuffix(zone).rstrip(".") if name == zone or name.endswith(f".{zone}") else name
    if not re.fullmatch(r"(\*|[A-Za-z0-9_-]{1,63})?(\.[A-Za-z0-9_-]{1,63})*", name):
        raise bad("name", "Invalid name")
    if kind in ("A", "AAAA"):
        try:
            (ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address)(target)
        except ValueError:
            raise bad("target", f"Not a valid IPv{4 if kind == 'A' else 6} address") from None
    elif not target:
        raise bad("target", "target is required")
    if kind == "CAA" and body.get("tag") not in ("issue", "issuewild", "iodef"):
        raise bad("tag", "Must be one of issue, issuewild, iodef")
    rest = {"priority": body.get("priority") or 0, "weight": body.get("weight") or 0, "port": body.get("port") or 0}
    ttl = rounded(body.get("ttl_sec"))
    some = {"tag": body.get("tag") if kind == "CAA" else None, "service": None, "protocol": None}
    return {"type": kind, "name": name, "target": target, "ttl_sec": ttl, **rest, **some}


# HTTP


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the base class's name
        """Quiet: the account keeps the calls."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        scopes, status = "", 200
        path = re.sub("^/v4(beta)?/", "/v4/", urlsplit(self.path).path)
        try:
            try:
                body, filters = (json.loads(text) if text else {} for text in (raw, self.headers.get("X-Filter")))
            except ValueError:
                raise RefusedError(400, "Invalid JSON") from None
            answer, scopes = self.account.answer(Request(self.command, path, token, body, filters))
        except RefusedError as refused:
            status, answer = refused.status, {"errors": refused.errors}
        except Exception as error:
            status, answer = HTTPStatus.INTERNAL_SERVER_ERROR, {"errors": [{"reason": f"stand-in: {error!r}"}]}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if scopes:
            self.send_header("X-OAuth-Scopes", scopes)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 # the base class's names


def serve(account: Account, port: int = 0) -> ThreadingHTTPServer:
    """Serves the account on loopback until `shutdown()`; its port is in `server_address`."""
    handler = type("Handler", (_Handler,), {"account": account})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
