"""The Linode API stand-in refuses what the real one refuses, in the same form. Nothing real is made here."""

from __future__ import annotations

import base64
import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.rehearsal.fake_hardware import PaperHardware
from tests.rehearsal.linode_api import Account, allowed, serve
from tests.rehearsal.machines import ruleset

ALL = {"Authorization": "Bearer all"}
PASSWORD = "Correct-horse-battery-7"
RULES: dict[str, Any] = {
    "inbound_policy": "DROP",
    "outbound_policy": "ACCEPT",
    "inbound": [
        {
            "label": "web",
            "action": "ACCEPT",
            "protocol": "TCP",
            "ports": "80, 443",
            "addresses": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
        }
    ],
}


@pytest.fixture
def account() -> Account:
    return Account(PaperHardware(), {"all": "*", "narrow": "linodes:read_write domains:read_only"})


@pytest.fixture
def api(account: Account) -> Iterator[httpx.Client]:
    server = serve(account)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}/v4/", headers=ALL) as client:
        yield client
    server.shutdown()
    server.server_close()


def made(api: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    answer = api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def instance(**changed: Any) -> dict[str, Any]:
    base = {"region": "eu-central", "type": "g6-standard-2", "image": "linode/debian13", "root_pass": PASSWORD}
    return {**base, "label": "pacs", **changed}


def volume(**changed: Any) -> dict[str, Any]:
    return {"region": "eu-central", "label": "data", "size": 20, **changed}


def rule(**changed: Any) -> dict[str, Any]:
    return {"label": "pacs", "rules": {**RULES, "inbound": [{**RULES["inbound"][0], **changed}]}}


def reserved(api: httpx.Client, region: str = "eu-central") -> str:
    body = {"type": "ipv4", "public": True, "region": region, "reserved": True}
    return str(made(api, "networking/ips", body)["address"])


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("linode/instances", instance(region="mars"), "region"),
        ("linode/instances", instance(type="g6-huge"), "type"),
        ("linode/instances", instance(image="linode/debian1"), "image"),
        ("linode/instances", instance(root_pass=None), "root_pass"),
        ("linode/instances", instance(root_pass="Short-1"), "root_pass"),
        ("linode/instances", instance(root_pass="aaaaaaaaaaaaaaaa"), "root_pass"),
        ("linode/instances", instance(label="ab"), "label"),
        ("linode/instances", instance(label="a b c"), "label"),
        ("linode/instances", instance(label="a" * 65), "label"),
        ("linode/instances", instance(label="-pacs"), "label"),
        ("linode/instances", instance(metadata={"user_data": "not base64!"}), "metadata.user_data"),
        (
            "linode/instances",
            instance(metadata={"user_data": base64.b64encode(b"x" * 65536).decode()}),
            "metadata.user_data",
        ),
        ("linode/instances", instance(firewall_id=999), "firewall_id"),
        ("linode/instances", instance(ipv4=["198.51.100.77"]), "ipv4"),
        ("linode/instances", instance(disk_encryption="yes"), "disk_encryption"),
        ("linode/instances", instance(tags=["x"]), "tags"),
        ("volumes", volume(size=9), "size"),
        ("volumes", volume(size=16385), "size"),
        ("volumes", volume(label="a.b"), "label"),
        ("volumes", volume(region=None), "region"),
        ("volumes", volume(linode_id=999), "linode_id"),
        ("networking/ips", {"type": "ipv4", "public": True, "reserved": True}, "region"),
        ("networking/ips", {"type": "ipv4", "public": True, "region": "eu-central"}, "linode_id"),
        ("networking/firewalls", rule(ports="0"), "rules.inbound[0].ports"),
        ("networking/firewalls", rule(ports="90-80"), "rules.inbound[0].ports"),
        ("networking/firewalls", rule(ports="http"), "rules.inbound[0].ports"),
        ("networking/firewalls", rule(protocol="ICMP"), "rules.inbound[0].ports"),
        ("networking/firewalls", rule(protocol="SCTP"), "rules.inbound[0].protocol"),
        ("networking/firewalls", rule(addresses={"ipv4": ["192.0.2.1/24"]}), "rules.inbound[0].addresses.ipv4"),
        ("networking/firewalls", rule(addresses={"ipv4": ["192.0.2.1"]}), "rules.inbound[0].addresses.ipv4"),
        ("networking/firewalls", rule(addresses={"ipv6": ["2001:db8::1/64"]}), "rules.inbound[0].addresses.ipv6"),
        ("networking/firewalls", rule(addresses={}), "rules.inbound[0].addresses"),
        ("networking/firewalls", {"label": "pacs", "rules": {}}, "rules.inbound_policy"),
        ("domains", {"domain": "hospital", "type": "master", "soa_email": "a@b.example"}, "domain"),
        ("domains", {"domain": "hospital.example", "type": "master"}, "soa_email"),
    ],
)
def test_bad_values_are_refused_by_their_field(api: httpx.Client, path: str, body: dict[str, Any], field: str) -> None:
    answer = api.post(path, json=body)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "A", "target": "nowhere"}, "target"),
        ({"type": "AAAA", "target": "192.0.2.1"}, "target"),
        ({"type": "CAA", "target": "letsencrypt.org"}, "tag"),
        ({"type": "SPF", "target": "x"}, "type"),
        ({"type": "A", "target": "192.0.2.1", "name": "a b"}, "name"),
    ],
)
def test_bad_records_are_refused(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    zone = made(api, "domains", {"domain": "hospital.example", "type": "master", "soa_email": "a@hospital.example"})
    answer = api.post(f"domains/{zone['id']}/records", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_labels_and_zones_are_unique(api: httpx.Client) -> None:
    zone = {"domain": "hospital.example", "type": "master", "soa_email": "a@hospital.example"}
    for path, body in (("linode/instances", instance()), ("volumes", volume()), ("domains", zone)):
        made(api, path, body)
        assert api.post(path, json=body).status_code == 400


def test_tokens_and_their_scopes_count(api: httpx.Client) -> None:
    def asked(token: str, method: str, path: str) -> tuple[int, str]:
        answer = api.request(method, path, headers={"Authorization": f"Bearer {token}"}, json={})
        return answer.status_code, answer.json().get("errors", [{}])[0].get("reason", "")

    assert asked("unknown", "GET", "profile") == (401, "Invalid Token")
    not_authorized = (401, "Your OAuth token is not authorized to use this endpoint.")
    assert asked("narrow", "POST", "domains") == not_authorized
    assert asked("narrow", "GET", "volumes") == not_authorized
    assert asked("narrow", "GET", "domains")[0] == 200
    assert asked("unknown", "GET", "linode/types")[0] == 200
    assert api.get("profile").headers["X-OAuth-Scopes"] == "*"
    assert allowed("domains:read_only", "domains", "GET") and not allowed("domains:read_only", "domains", "PUT")


def test_unknown_things_are_not_found(api: httpx.Client) -> None:
    for path in ("linode/instances/1", "volumes/x", "domains/1", "nodebalancers", "networking/ips/192.0.2.1"):
        assert api.get(path).status_code == 404, path
    assert api.patch("volumes").status_code == 501
    assert api.put("volumes", json={}).status_code == 405


def test_an_instance_stands_behind_its_firewall_before_it_boots(api: httpx.Client, account: Account) -> None:
    wall = made(api, "networking/firewalls", {"label": "pacs", "rules": RULES})
    address = reserved(api)
    text = base64.b64encode(b"#cloud-config\n").decode()
    asked = instance(firewall_id=wall["id"], ipv4=[address], metadata={"user_data": text})
    new = made(api, "linode/instances", asked)
    assert (new["ipv4"], new["ipv6"], new["status"]) == ([address], "2001:db8:5100::a/128", "provisioning")
    account.settle()
    assert api.get(f"linode/instances/{new['id']}").json()["status"] == "running"
    assert isinstance(account.hardware, PaperHardware)
    assert [what for what, _ in account.hardware.calls] == ["make", "filter", "boot"]
    assert account.hardware.calls[0][1][1] == b"#cloud-config\n"
    events = api.get("account/events", headers={"X-Filter": json.dumps({"action": "linode_boot"})}).json()["data"]
    assert [(event["entity"]["id"], event["status"]) for event in events] == [(new["id"], "finished")]


def test_a_reserved_address_stays_in_its_region_and_outlives_the_instance(api: httpx.Client, account: Account) -> None:
    address = reserved(api, "us-east")
    assert api.post("linode/instances", json=instance(ipv4=[address])).status_code == 400
    first = made(api, "linode/instances", instance(ipv4=[address], region="us-east"))
    second = api.post("linode/instances", json=instance(ipv4=[address], region="us-east", label="other"))
    assert "assigned already" in second.text
    assert api.delete(f"linode/instances/{first['id']}").status_code == 200
    account.settle()
    assert api.get(f"networking/ips/{address}").json()["linode_id"] is None
    assert made(api, "linode/instances", instance(ipv4=[address], region="us-east"))["ipv4"] == [address]


def test_a_volume_outlives_the_instance(api: httpx.Client, account: Account) -> None:
    first = made(api, "linode/instances", instance())
    disk = made(api, "volumes", volume(linode_id=first["id"]))
    assert disk["filesystem_path"] == "/dev/disk/by-id/scsi-0Linode_Volume_data"
    assert api.delete(f"volumes/{disk['id']}").status_code == 400
    api.delete(f"linode/instances/{first['id']}")
    account.settle()
    assert api.get(f"volumes/{disk['id']}").json()["linode_id"] is None
    second = made(api, "linode/instances", instance())
    made(api, f"volumes/{disk['id']}/attach", {"linode_id": second["id"]})
    elsewhere = made(api, "volumes", volume(label="far", region="us-east"))
    assert api.post(f"volumes/{elsewhere['id']}/attach", json={"linode_id": second["id"]}).status_code == 400
    assert api.post(f"volumes/{disk['id']}/resize", json={"size": 10}).status_code == 400
    made(api, f"volumes/{disk['id']}/detach", {})
    api.delete(f"volumes/{disk['id']}")
    account.settle()
    assert isinstance(account.hardware, PaperHardware)
    actual = [what for what, arguments in account.hardware.calls if arguments[0] == disk["id"]]
    assert actual == ["make_volume", "attach", "attach", "detach", "remove_volume"]


def test_reverse_names_need_the_forward_one(api: httpx.Client) -> None:
    address = reserved(api)
    zone = made(api, "domains", {"domain": "hospital.example", "type": "master", "soa_email": "a@hospital.example"})
    asked = {"rdns": "pacs.hospital.example"}
    assert "lookup" in api.put(f"networking/ips/{address}", json=asked).json()["errors"][0]["reason"]
    made(api, f"domains/{zone['id']}/records", {"type": "A", "name": "pacs", "target": address, "ttl_sec": 60})
    assert api.put(f"networking/ips/{address}", json=asked).json()["rdns"] == "pacs.hospital.example"
    back = api.put(f"networking/ips/{address}", json={"rdns": None}).json()["rdns"]
    assert back == "198-51-100-10.ip.linodeusercontent.com"


def test_records_are_kept_as_the_name_servers_have_them(api: httpx.Client, account: Account) -> None:
    zone = made(api, "domains", {"domain": "hospital.example", "type": "master", "soa_email": "a@hospital.example"})
    body = {"type": "A", "name": "pacs.hospital.example", "target": "192.0.2.7", "ttl_sec": 301}
    record = made(api, f"domains/{zone['id']}/records", body)
    assert (record["name"], record["ttl_sec"]) == ("pacs", 3600)
    assert account.look_up("pacs.hospital.example", "A") == ["192.0.2.7"]
    found = api.get("domains", headers={"X-Filter": json.dumps({"domain": "hospital.example"})}).json()
    assert [entry["id"] for entry in found["data"]] == [zone["id"]]
    assert api.get("domains", headers={"X-Filter": json.dumps({"domain": "other.example"})}).json()["data"] == []


def test_changed_firewall_rules_reach_the_instance(api: httpx.Client, account: Account) -> None:
    wall = made(api, "networking/firewalls", {"label": "pacs", "rules": RULES})
    new = made(api, "linode/instances", instance(firewall_id=wall["id"]))
    closed = {**RULES, "inbound": []}
    assert api.put(f"networking/firewalls/{wall['id']}/rules", json=closed).status_code == 200
    account.settle()
    assert isinstance(account.hardware, PaperHardware)
    what, (instance_id, rules) = account.hardware.calls[-1]
    assert (what, instance_id, rules["inbound"]) == ("filter", new["id"], [])
    api.put(f"networking/firewalls/{wall['id']}", json={"status": "disabled"})
    account.settle()
    assert account.hardware.calls[-1] == ("filter", (new["id"], None))


class SlowHardware(PaperHardware):
    """Hardware that takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = threading.Semaphore(0)
        self.begun: queue.Queue[str] = queue.Queue()

    def _work(self, what: str) -> None:
        self.begun.put(what)
        assert self.steps.acquire(timeout=30)

    def make(self, instance: dict[str, Any], user_data: bytes) -> None:
        self._work("make")

    def boot(self, instance_id: int) -> None:
        self._work("boot")

    def remove(self, instance_id: int) -> None:
        self._work("remove")

    def make_volume(self, volume: dict[str, Any]) -> None:
        self._work("make_volume")

    def attach(self, volume: dict[str, Any], instance_id: int) -> None:
        self._work("attach")

    def go_on(self, to: str | None = None) -> None:
        """Ends the step that is under way; waits until the next one is."""
        self.steps.release()
        if to:
            assert self.begun.get(timeout=30) == to


def quick(api: httpx.Client) -> None:
    """Requests of all kinds are answered at once."""
    zone = {"domain": "hospital.example", "type": "master", "soa_email": "a@hospital.example"}
    started = time.monotonic()
    made_zone = made(api, "domains", zone)
    made(api, f"domains/{made_zone['id']}/records", {"type": "A", "name": "pacs", "target": "192.0.2.7"})
    api.delete(f"domains/{made_zone['id']}")
    for path in ("linode/instances", "volumes", "account/events", "networking/ips", "profile"):
        assert api.get(path).status_code == 200
    assert time.monotonic() - started < 1


def test_requests_are_answered_at_once_while_the_hardware_works() -> None:
    hardware = SlowHardware()
    account = Account(hardware, {"all": "*"})
    server = serve(account)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}/v4/", headers=ALL) as api:

        def shows(path: str, name: str = "status") -> Any:
            quick(api)
            return api.get(path).json()[name]

        started = time.monotonic()
        new, disk = made(api, "linode/instances", instance()), made(api, "volumes", volume())
        vm, store = f"linode/instances/{new['id']}", f"volumes/{disk['id']}"
        made(api, f"{store}/attach", {"linode_id": new["id"]})
        assert time.monotonic() - started < 1
        assert (new["status"], disk["status"]) == ("provisioning", "creating")
        assert hardware.begun.get(timeout=30) == "make"
        assert shows(vm) == "provisioning"
        hardware.go_on(to="boot")
        assert shows(vm) == "booting"
        hardware.go_on(to="make_volume")
        assert (shows(vm), shows(store)) == ("running", "creating")
        hardware.go_on(to="attach")
        assert (shows(store), shows(store, "linode_id")) == ("active", None)
        assert api.delete(store).status_code == 400
        hardware.go_on()
        account.settle()
        assert shows(store, "linode_id") == new["id"]
        events = api.get("account/events").json()["data"]
        assert {(event["action"], event["status"]) for event in events} == {
            (action, "finished") for action in ("linode_create", "linode_boot", "volume_create", "volume_attach")
        }
        assert api.delete(vm).status_code == 200
        assert hardware.begun.get(timeout=30) == "remove"
        assert shows(vm) == "deleting"
        assert api.post(f"{vm}/boot", json={}).status_code == 400
        hardware.go_on()
        account.settle()
        assert api.get(vm).status_code == 404
        assert shows(store, "linode_id") is None
    server.shutdown()
    server.server_close()


def test_what_the_hardware_cannot_do_is_an_event_and_ends_nothing_else(api: httpx.Client, account: Account) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no space left")

    assert isinstance(account.hardware, PaperHardware)
    account.hardware.make_volume = fails  # type: ignore[assignment]
    disk = made(api, "volumes", volume())
    new = made(api, "linode/instances", instance())
    account.settle()
    assert "no space left" in account.failures[0]
    assert api.get(f"volumes/{disk['id']}").json()["status"] == "creating"
    assert api.get(f"linode/instances/{new['id']}").json()["status"] == "running"
    failed = [event["action"] for event in api.get("account/events").json()["data"] if event["status"] == "failed"]
    assert failed == ["volume_create"]


def test_rules_are_written_for_both_families() -> None:
    ssh = {"action": "ACCEPT", "protocol": "TCP", "ports": "22", "addresses": {"ipv4": ["192.0.2.0/24"], "ipv6": []}}
    ping = {"action": "DROP", "protocol": "ICMP", "ports": "", "addresses": {"ipv6": ["::/0"]}}
    rules = {"inbound_policy": "DROP", "outbound_policy": "ACCEPT", "inbound": [ssh, ping], "outbound": []}
    lines = ruleset(rules).splitlines()
    inbound = lines[lines.index("chain inbound {") : lines.index("chain outbound {")]
    assert "ip saddr { 192.0.2.0/24 } tcp dport { 22 } accept" in inbound
    assert "ip6 saddr { ::/0 } meta l4proto icmpv6 drop" in inbound
    assert not any(line.startswith("ip6 saddr") and "22" in line for line in inbound)
    assert inbound[-2] == "drop"
    assert ruleset(None).splitlines()[-1] == "delete table inet cloud_firewall"
