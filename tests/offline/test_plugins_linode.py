"""The linode stand-in as a client of the Linode API: made as asked, no difference after a refresh, drift is seen."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from offline.plugins import linode, linode_api
from offline.plugins.resource import PluginError
from tests.offline.plugin_driver import Driver, plain_map, run, values
from tests.rehearsal.fake_hardware import PaperHardware, PaperStore
from tests.rehearsal.linode_api import Account, serve

REGION = "eu-central"
WEB = {"label": "web", "action": "ACCEPT", "protocol": "TCP", "ports": "80, 443", "ipv4s": ["0.0.0.0/0"]}
Thing = Callable[[str], Driver]


@pytest.fixture
def account() -> Account:
    return Account(PaperHardware(), {"all": "*", "narrow": "linodes:read_write"}, store=PaperStore())


@pytest.fixture
def plugin(account: Account) -> Iterator[Callable[[str], Any]]:
    """`plugin(token)`: the plugin, configured for the account."""
    server = serve(account)

    def configured(token: str) -> Any:
        made = linode.plugin()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        request: Any = SimpleNamespace(args=values({"token": token, "url": url}))
        run(made.configure(request))
        return made

    yield configured
    server.shutdown()
    server.server_close()


@pytest.fixture
def thing(plugin: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Thing:
    """`thing(kind)`: a resource of the whole account, for example `thing("firewall:Firewall")`."""
    monkeypatch.setattr(linode_api, "_POLL", 0.01)
    whole = plugin("all")
    return lambda kind: Driver(whole, f"linode:index/{kind}")


def settled(driver: Driver, **props: Any) -> None:
    """A refresh finds what was asked for, and asking again is no difference."""
    before = dict(driver.inputs)
    assert driver.refresh() is not None
    assert driver.inputs == before
    assert not driver.diff(**props).changes


def address(thing: Thing) -> Driver:
    made = thing("networkingIp:NetworkingIp")
    made.create(public=True, reserved=True, region=REGION)
    return made


def server_of(**changed: Any) -> dict[str, Any]:
    base = {"region": REGION, "type": "g6-standard-2", "image": "linode/debian13", "label": "pacs"}
    return {**base, "rootPass": secrets.token_urlsafe(24), "tags": ["ohif"], **changed}


def test_address_is_reserved_and_released(thing: Thing, account: Account) -> None:
    made = address(thing)
    assert made.id == "198.51.100.10"
    settled(made, public=True, reserved=True, region=REGION)
    with pytest.raises(PluginError, match="changes nothing"):
        made.update(public=True, reserved=True, region="us-east")
    made.delete()
    assert account.addresses == {}
    assert made.refresh() is None


def test_firewall_is_changed_in_place_and_drift_is_seen(thing: Thing, account: Account) -> None:
    wall = thing("firewall:Firewall")
    props: dict[str, Any] = {"label": "pacs", "inboundPolicy": "DROP", "outboundPolicy": "ACCEPT", "inbounds": [WEB]}
    wall.create(**props)
    settled(wall, **props)
    changed = {**props, "inbounds": [{**WEB, "ports": "443"}]}
    assert wall.diff(**changed).replaces == []
    wall.update(**changed)
    rules = account.firewalls[int(wall.id)]["rules"]
    assert [rule["ports"] for rule in rules["inbound"]] == ["443"]
    settled(wall, **changed)
    both = {**WEB, "ports": "443", "ipv4s": ["192.0.2.0/24", "198.51.100.0/24"]}
    wall.update(**{**props, "inbounds": [both]})
    # As officially, these are lists: the order counts.
    assert wall.diff(**{**props, "inbounds": [{**both, "ipv4s": both["ipv4s"][::-1]}]}).diffs == ["inbounds"]
    wall.update(**changed)
    rules = account.firewalls[int(wall.id)]["rules"]
    rules["inbound"] = []
    account.firewalls[int(wall.id)]["status"] = "disabled"
    wall.refresh()
    assert wall.diff(**changed).diffs == ["disabled", "inbounds"]
    wall.delete()
    assert account.firewalls == {}


def test_instance_gets_everything_and_is_on(thing: Thing, account: Account) -> None:
    wall, place, vm = thing("firewall:Firewall"), address(thing), thing("instance:Instance")
    wall.create(label="pacs", inboundPolicy="DROP", outboundPolicy="ACCEPT", inbounds=[WEB])
    data = {"metadatas": [{"userData": "I2Nsb3VkLWNvbmZpZwo="}], "swapSize": 512, "diskEncryption": "enabled"}
    props = server_of(ipv4s=[place.id], firewallId=int(wall.id), backupsEnabled=True, **data)
    outputs = vm.create(**props)
    assert (outputs["status"], outputs["ipv4s"], outputs["ipv6"]) == (
        "running",
        [place.id],
        "2001:db8:5100::a/128",
    )
    assert vm.state["rootPass"].is_secret
    assert account.instances[int(vm.id)]["backups"]["enabled"]
    assert [entity["id"] for entity in account.firewalls[int(wall.id)]["entities"]] == [int(vm.id)]
    settled(vm, **props)
    for name, value in {"metadatas": [{"userData": "eA=="}], "ipv4s": [], "firewallId": 1, "rootPass": "x"}.items():
        assert vm.diff(**{**props, name: value}).replaces == [name]


def test_instance_changes_in_place(thing: Thing, account: Account) -> None:
    vm, props = thing("instance:Instance"), server_of()
    vm.create(**props)
    changed = {**props, "label": "pacs-2", "type": "g6-standard-4", "backupsEnabled": True, "booted": False}
    assert vm.diff(**changed).replaces == []
    outputs = vm.update(**changed)
    real = account.instances[int(vm.id)]
    assert (real["label"], real["type"], real["backups"]["enabled"]) == ("pacs-2", "g6-standard-4", True)
    assert outputs["status"] == "offline"
    settled(vm, **changed)
    with pytest.raises(PluginError, match="'region'"):
        vm.update(**{**changed, "region": "us-east"})


def test_switched_off_or_deleted_elsewhere_is_drift(thing: Thing, account: Account) -> None:
    vm, props = thing("instance:Instance"), server_of()
    vm.create(**props)
    account.instances[int(vm.id)]["status"] = "offline"
    vm.refresh()
    assert vm.diff(**props).diffs == ["booted"]
    account.instances.clear()
    assert vm.refresh() is None
    vm.delete()


def test_volume_follows_the_instance(thing: Thing, account: Account) -> None:
    first, second, disk = thing("instance:Instance"), thing("instance:Instance"), thing("volume:Volume")
    first.create(**server_of())
    props: dict[str, Any] = {"label": "data", "region": REGION, "size": 20, "encryption": "enabled"}
    outputs = disk.create(**props, linodeId=int(first.id))
    assert outputs["filesystemPath"] == "/dev/disk/by-id/scsi-0Linode_Volume_data"
    settled(disk, **props, linodeId=int(first.id))
    first.delete()
    second.create(**server_of())
    assert disk.refresh() is not None
    disk.update(**{**props, "size": 30}, linodeId=int(second.id))
    real = account.volumes[int(disk.id)]
    assert (real["linode_id"], real["size"]) == (int(second.id), 30)
    assert disk.diff(**{**props, "region": "us-east"}, linodeId=int(second.id)).replaces == ["region"]
    disk.delete()
    assert account.volumes == {}


def test_names_both_ways(thing: Thing, account: Account) -> None:
    place, zone, record, caa, back = (
        address(thing),
        thing("domain:Domain"),
        thing("domainRecord:DomainRecord"),
        thing("domainRecord:DomainRecord"),
        thing("rdns:Rdns"),
    )
    zone.create(domain="hospital.example", type="master", soaEmail="it@hospital.example")
    settled(zone, domain="hospital.example", type="master", soaEmail="it@hospital.example")
    with pytest.raises(PluginError, match="lookup"):
        back.create(address=place.id, rdns="pacs.hospital.example")
    props: dict[str, Any] = {"domainId": int(zone.id), "name": "pacs", "recordType": "A", "ttlSec": 60}
    record.create(**props, target=place.id)
    settled(record, **props, target=place.id)
    caa.create(domainId=int(zone.id), name="pacs", recordType="CAA", tag="issue", target="letsencrypt.org")
    back.create(address=place.id, rdns="pacs.hospital.example", waitForAvailable=True)
    settled(back, address=place.id, rdns="pacs.hospital.example", waitForAvailable=True)
    record.update(**props, target="192.0.2.9")
    assert account.look_up("pacs.hospital.example", "A") == ["192.0.2.9"]
    record.refresh()
    assert record.diff(**{**props, "recordType": "AAAA"}, target="192.0.2.9").replaces == ["recordType"]
    for driver in (back, caa, record, zone):
        driver.delete()
    assert account.domains == {}
    assert account.addresses[place.id]["rdns"].endswith(".ip.linodeusercontent.com")


def test_the_apis_own_reasons_are_reported_and_no_secret(thing: Thing) -> None:
    with pytest.raises(PluginError, match=r"400 to POST linode/instances: \[region\] region is not valid"):
        thing("instance:Instance").create(**server_of(region="mars"))
    with pytest.raises(PluginError, match=r"\[root_pass\] Password does not meet strength") as weak:
        thing("instance:Instance").create(**server_of(rootPass="aaaaaaaaaaaa"))
    assert "aaaa" not in str(weak.value)


def test_tokens_are_refused_clearly(plugin: Callable[[str], Any]) -> None:
    kind = "linode:index/domain:Domain"
    props: dict[str, Any] = {"domain": "h.example", "type": "master", "soaEmail": "a@h.example"}
    with pytest.raises(PluginError, match="401 to POST domains: Invalid Token"):
        Driver(plugin("wrong"), kind).create(**props)
    with pytest.raises(PluginError, match="401 to POST domains: Your OAuth token is not authorized"):
        Driver(plugin("narrow"), kind).create(**props)


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINODE_TOKEN", raising=False)
    with pytest.raises(PluginError, match="LINODE_TOKEN"):
        linode_api.Api({})


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(PluginError, match=r"127\.0\.0\.1:9.*does not answer"):
        linode_api.Api({"token": "x", "url": "http://127.0.0.1:9"}).call("GET", "profile")


@pytest.mark.parametrize(
    ("kind", "props", "path"),
    [
        ("networkingIp:NetworkingIp", {"public": True, "region": REGION}, "reserved"),
        ("networkingIp:NetworkingIp", {"reserved": True, "region": REGION}, "public"),
        ("networkingIp:NetworkingIp", {"reserved": True, "public": True}, "region"),
        (
            "firewall:Firewall",
            {
                "label": "pacs",
                "inboundPolicy": "DROP",
                "outboundPolicy": "ACCEPT",
                "inbounds": [{**WEB, "ipv4s": ["192.0.2.1/24"]}],
            },
            "inbounds[0].ipv4s",
        ),
        ("firewall:Firewall", {"label": "pacs", "inboundPolicy": "NO", "outboundPolicy": "DROP"}, "inboundPolicy"),
        ("instance:Instance", {"region": REGION, "type": "g6-nanode-1"}, "image"),
        ("instance:Instance", server_of(label="a"), "label"),
        ("instance:Instance", server_of(metadatas=[{}, {}]), "metadatas"),
        ("volume:Volume", {"label": "data", "region": REGION, "size": 5}, "size"),
        ("volume:Volume", {"label": "data", "linodeId": 1}, "region"),
        ("domain:Domain", {"domain": "h.example", "type": "master"}, "soaEmail"),
        ("domainRecord:DomainRecord", {"domainId": 1, "recordType": "CAA", "target": "x"}, "tag"),
        ("domainRecord:DomainRecord", {"domainId": 1, "recordType": "SRV", "target": "x"}, "recordType"),
    ],
)
def test_what_the_official_plugin_refuses_fails_in_check(kind: str, props: dict[str, Any], path: str) -> None:
    _, failures = Driver(linode.plugin(), f"linode:index/{kind}").check(**props)
    assert list(failures) == [path]


def test_bucket_and_its_key_are_made_and_the_secret_is_shown_once(thing: Thing, account: Account) -> None:
    bucket, key = thing("objectStorageBucket:ObjectStorageBucket"), thing("objectStorageKey:ObjectStorageKey")
    store = account.store
    assert isinstance(store, PaperStore)
    props: dict[str, Any] = {"label": "pacs-backup", "region": store.region}
    outputs = bucket.create(**props)
    assert bucket.id == "us-east:pacs-backup"
    assert outputs["s3Endpoint"] == store.endpoint
    settled(bucket, **props)
    access = [{"bucketName": "pacs-backup", "region": store.region, "permissions": "read_write"}]
    made = key.create(label="pacs", bucketAccesses=access)
    assert store.keys == {made["accessKey"]: ["pacs-backup"]}
    assert key.state["secretKey"].is_secret
    settled(key, label="pacs", bucketAccesses=access)
    assert plain_map(key.state)["secretKey"] == made["secretKey"]
    assert key.diff(label="pacs", bucketAccesses=[{**access[0], "permissions": "read_only"}]).replaces
    account.buckets[store.region, "pacs-backup"]["_access"]["acl"] = "public-read"
    bucket.refresh()
    assert bucket.diff(**props).diffs == ["acl"]
    bucket.update(**props)
    settled(bucket, **props)
    store.filled.add("pacs-backup")
    with pytest.raises(PluginError, match="not empty"):
        bucket.delete()
    store.filled.clear()
    key.delete()
    bucket.delete()
    assert (store.keys, account.buckets) == ({}, {})
