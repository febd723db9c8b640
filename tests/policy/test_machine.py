"""Rules for the VM: what it lets in, what it knows, and what comes back when it is replaced."""

import base64
import json
from typing import Any

import pytest

from tests.program.cases import CASES, KEY, PROD, PROVIDED, Case, prod
from tests.program.harness import (
    BUCKET_ENDPOINT,
    VM_ADDRESS,
    VM_ADDRESS_OF_ITS_OWN,
    VM_IPV6,
    ZONE_NUMBER,
    Deployment,
    is_secret,
    open_texts,
    run_program,
)

Sources = tuple[list[str] | None, list[str] | None]
"""Networks of IPv4 and of IPv6."""

EVERYBODY: Sources = (["0.0.0.0/0"], ["::/0"])
ADMINS: dict[str, Sources] = {
    "unnamed": (["192.0.2.0/24"], ["2001:db8::/48"]),
    "named": (["10.1.0.0/16"], ["2001:db8::/32"]),
    "anywhere": EVERYBODY,
}


DICOM: dict[str, dict[str, Sources]] = {
    "no-dicom": {},
    "dicom": {"11112": (["10.1.0.0/16"], None)},
    "dicom-tls": {"2762": EVERYBODY},
}
BEHIND_PROXY: dict[str, Sources] = {
    "admins": (["10.1.0.0/16"], ["2001:db8::/32"]),
    "forwarded-for": (["10.0.0.0/29", "127.0.0.0/8"], None),
    "proxy-protocol": (["10.0.0.0/29"], ["2001:db8:5::/64"]),
}
WITH_VM = pytest.mark.parametrize("case", [it for it in CASES if it.machine == "linode"], ids=str)


@pytest.fixture(scope="module")
def made() -> Deployment:
    return prod()


def user_data(deployment: Deployment) -> str:
    ((metadata),) = deployment.one("Instance").inputs["metadatas"]
    return base64.b64decode(metadata["userData"]).decode()


@WITH_VM
def test_firewall_is_closed_except_for_its_rules(case: Case, deployment: Deployment) -> None:
    firewall = deployment.one("Firewall").inputs
    assert (firewall["inboundPolicy"], firewall["outboundPolicy"]) == ("DROP", "ACCEPT")
    ports = {it["ports"]: (it.get("ipv4s"), it.get("ipv6s")) for it in firewall["inbounds"]}
    assert len(ports) == len(firewall["inbounds"])
    assert {(it["action"], it["protocol"]) for it in firewall["inbounds"]} == {("ACCEPT", "TCP")}
    web = {str(port) for port in case.ports if port not in (2762, 11112)}
    assert ports == {
        "22": BEHIND_PROXY["admins"] if "proxy" in case.config else ADMINS[dict(case.choices)["endpoint"]],
        **dict.fromkeys(web, BEHIND_PROXY.get(dict(case.choices)["proxy"], EVERYBODY)),
        **DICOM[dict(case.choices)["dicom"]],
    }


def test_firewall_of_the_example_has_three_open_ports(made: Deployment) -> None:
    ports = {it["ports"]: (it.get("ipv4s"), it.get("ipv6s")) for it in made.one("Firewall").inputs["inbounds"]}
    assert ports == {"22": (["192.0.2.0/24"], None), "80": EVERYBODY, "443": EVERYBODY}


def test_firewall_is_the_same_whatever_the_order_of_the_networks() -> None:
    """The provider compares its lists of networks entry by entry."""
    networks = ["2001:db8::/32", "198.51.100.0/24", "192.0.2.0/24", "192.0.2.0/25", "198.51.100.0/24"]
    shown = [
        run_program({**PROD, "adminNetworks": given}, stack="prod", preview=True).one("Firewall").inputs["inbounds"][0]
        for given in (networks, networks[::-1])
    ]
    assert shown[0] == shown[1]
    assert shown[0]["ipv4s"] == ["192.0.2.0/24", "192.0.2.0/25", "198.51.100.0/24"]
    assert shown[0]["ipv6s"] == ["2001:db8::/32"]


def test_vm_is_never_there_without_its_firewall(made: Deployment) -> None:
    instance, firewall = made.one("Instance"), made.one("Firewall")
    assert instance.inputs["firewallId"] == 11
    assert firewall.urn in instance.dependencies
    assert "linodes" not in firewall.inputs


def test_vm_is_encrypted_backed_up_and_goes_before_it_comes_again(made: Deployment) -> None:
    instance = made.one("Instance")
    assert instance.inputs["diskEncryption"] == "enabled"
    assert made.one("linode:index/volume:Volume").inputs["encryption"] == "enabled"
    assert instance.inputs["backupsEnabled"] is True
    assert instance.delete_before_replace
    assert not instance.protect
    assert prod(vm={"region": "eu-central", "backups": False}).one("Instance").inputs["backupsEnabled"] is False


def test_vm_lets_nobody_in_by_password_or_as_root(made: Deployment) -> None:
    instance = made.one("Instance")
    assert is_secret(instance.marked_inputs["rootPass"])
    assert instance.inputs["rootPass"] == made.secrets["host-console-password"]
    assert not {"authorizedKeys", "authorizedUsers", "stackscriptId"} & set(instance.inputs)


def test_what_is_secret_in_the_account_is_marked(made: Deployment) -> None:
    ((metadata),) = made.one("Instance").marked_inputs["metadatas"]
    assert is_secret(metadata["userData"])
    assert "BEGIN PRIVATE KEY" in user_data(made)
    assert is_secret(made.one("pulumi:providers:linode").marked_inputs["token"])
    assert {"base64", "hex"} <= set(made.one("RandomBytes").additional_secret_outputs)


def test_what_is_no_secret_is_shown(made: Deployment) -> None:
    """Else a preview hides what changes: the VM's shell is made of a key, and much waits for the VM."""
    docker, keycloak = made.one("pulumi:providers:docker"), made.one("pulumi:providers:keycloak")
    assert docker.marked_inputs["host"] == f"ssh://ohif@{VM_ADDRESS}"
    assert not is_secret(docker.marked_inputs["sshOpts"])
    assert keycloak.marked_inputs["url"] == "https://pacs.example.org"
    assert made.one("Client").marked_inputs["validRedirectUris"] == ["https://pacs.example.org/oauth2/callback"]
    assert made.one("DomainRecord", "dns-a").marked_inputs["domainId"] == ZONE_NUMBER


def test_docker_is_reached_with_the_host_key_of_the_user_data(made: Deployment) -> None:
    options = json.loads(made.one("pulumi:providers:docker").inputs["sshOpts"])
    document = json.loads(user_data(made).removeprefix("#cloud-config\n"))
    public = document["ssh_keys"]["ed25519_public"]
    assert f"KnownHostsCommand=/bin/echo %H {public}" in options
    assert "StrictHostKeyChecking=yes" in options


def test_user_data_is_stable() -> None:
    """Other user data is another VM."""
    first = user_data(prod())
    again = prod(
        host="viewer.example.org",
        adminNetworks=["198.51.100.0/24"],
        ssh={"publicKey": f"{PROD['ssh']['publicKey']} another comment", "privateKeyFile": __file__},
        users=[],
        vm={"region": "eu-central", "volumeGb": 100, "type": "g6-standard-4", "backups": False},
    )
    assert user_data(again) == first
    assert user_data(prod(ssh={"publicKey": KEY.replace("Zm", "Zn")})) != first


def test_address_outlives_the_vm(made: Deployment) -> None:
    address, instance = made.one("NetworkingIp"), made.one("Instance")
    assert (address.inputs["reserved"], address.inputs["public"], address.inputs["type"]) == (True, True, "ipv4")
    assert address.replace_on_changes == ("region",)
    assert instance.inputs["ipv4s"] == [VM_ADDRESS]


def test_vm_without_a_reserved_address_has_its_own() -> None:
    found = prod(vm={"region": "eu-central", "reservedAddress": False})
    assert not found.of_type("NetworkingIp")
    assert "ipv4s" not in found.one("Instance").inputs
    assert found.one("DomainRecord", "dns-a").inputs["target"] == VM_ADDRESS_OF_ITS_OWN
    assert found.one("pulumi:providers:docker").inputs["host"] == f"ssh://ohif@{VM_ADDRESS_OF_ITS_OWN}"


def test_data_is_on_a_volume_that_the_vm_finds_by_its_label(made: Deployment) -> None:
    volume = made.one("linode:index/volume:Volume")
    assert (volume.inputs["label"], volume.inputs["size"]) == ("ohif-prod-data", 50)
    assert (volume.inputs["linodeId"], volume.inputs["region"]) == (13, "eu-central")
    assert "/dev/disk/by-id/scsi-0Linode_Volume_ohif-prod-data" in user_data(made)
    assert (volume.protect, volume.retain_on_delete) == (True, True)


def test_nothing_of_dockers_is_made_before_the_volume_is_attached(made: Deployment) -> None:
    order = [it.urn for it in made.resources]
    volume, docker = made.one("linode:index/volume:Volume"), made.one("pulumi:providers:docker")
    assert volume.urn in docker.dependencies
    assert order.index(volume.urn) < order.index(docker.urn)


def test_records_point_to_the_vm_and_back(made: Deployment) -> None:
    records = {it.inputs["recordType"]: it for it in made.of_type("DomainRecord")}
    assert {kind: it.inputs["target"] for kind, it in records.items()} == {
        "A": VM_ADDRESS,
        "AAAA": VM_IPV6,
        "CAA": "letsencrypt.org",
    }
    assert {it.inputs["name"] for it in records.values()} == {"pacs"}
    assert {it.inputs["ttlSec"] for it in records.values()} == {300}
    assert records["CAA"].inputs["tag"] == "issue"
    reverse = made.one("Rdns")
    assert (reverse.inputs["address"], reverse.inputs["rdns"]) == (VM_ADDRESS, "pacs.example.org")
    assert {it.urn for it in records.values()} <= reverse.dependencies


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"tls": "none", "acme": {}}, {"A", "AAAA"}),
        ({"acme": {"email": "it@example.org", "server": "https://ca.example.org/dir"}}, {"A", "AAAA"}),
        ({"acme": {"email": "it@example.org", "staging": True, "caCertificate": PROVIDED.pem}}, {"A", "AAAA", "CAA"}),
    ],
    ids=["http", "another authority", "staging"],
)
def test_only_a_known_authority_is_named_as_the_one(config: dict[str, Any], kinds: set[str]) -> None:
    assert {it.inputs["recordType"] for it in prod(**config).of_type("DomainRecord")} == kinds


def test_a_record_of_the_zone_itself_has_no_label() -> None:
    found = prod(host="example.org")
    assert {it.inputs["name"] for it in found.of_type("DomainRecord")} == {""}


def test_new_zone_is_made_and_kept() -> None:
    found = prod(linodeDns={"zone": "example.org", "new": True, "email": "it@example.org"})
    zone = found.one("Domain")
    assert (zone.inputs["domain"], zone.inputs["type"], zone.inputs["soaEmail"]) == (
        "example.org",
        "master",
        "it@example.org",
    )
    assert (zone.protect, zone.retain_on_delete) == (False, True)
    assert {it.inputs["domainId"] for it in found.of_type("DomainRecord")} == {15}
    assert not any(what == "domains" for _, what in found.asked)


@WITH_VM
def test_names_in_the_account_are_the_stacks(case: Case, deployment: Deployment) -> None:
    for kind, label in (("Instance", "ohif-dev"), ("Firewall", "ohif-dev"), ("linode:index/volume:Volume", "-data")):
        (it,) = deployment.of_type(kind)
        assert it.inputs["label"] in (label, f"ohif-dev{label}"), it.urn
        assert it.inputs["tags"] == ["ohif", "dev"], it.urn
        assert 3 <= len(it.inputs["label"]) <= 32
    for rule in deployment.one("Firewall").inputs["inbounds"]:
        assert 3 <= len(rule["label"]) <= 32


def test_server_is_reached_with_its_pinned_key_and_nothing_is_made_of_linodes() -> None:
    found = run_program(
        {
            "target": "server",
            "server": {"address": "ssh://deploy@192.0.2.10:2222", "hostKey": f"{KEY} root@pacs"},
            "adminNetworks": ["192.0.2.0/24"],
        }
    )
    docker = found.one("pulumi:providers:docker")
    assert docker.inputs["host"] == "ssh://deploy@192.0.2.10:2222"
    assert f"KnownHostsCommand=/bin/echo %H {KEY}" in json.loads(docker.inputs["sshOpts"])
    assert found.stack_outputs["viewerUrl"] == "http://192.0.2.10/"
    assert not [it for it in found.resources if it.type.startswith(("linode:", "pulumi:providers:linode"))]


def test_bucket_of_the_backups_is_private_and_has_a_key_of_its_own() -> None:
    deployment = prod(backup={"repository": "linode", "region": "nl-ams"})
    bucket, key = deployment.one("ObjectStorageBucket"), deployment.one("ObjectStorageKey")
    label = bucket.inputs["label"]
    assert label.startswith("ohif-prod-backup-")
    assert (bucket.inputs["region"], bucket.inputs["acl"]) == ("nl-ams", "private")
    assert bucket.retain_on_delete, "it would go with the stack"
    (access,) = key.inputs["bucketAccesses"]
    assert access == {"bucketName": label, "region": "nl-ams", "permissions": "read_write"}
    environment = deployment.container("backup").environment
    assert environment["RESTIC_REPOSITORY"] == f"s3:https://{BUCKET_ENDPOINT}/{label}"
    assert environment["AWS_SECRET_ACCESS_KEY"] == "S3cret.of-the-key"
    assert not [it for it in open_texts(deployment.container("backup").marked_inputs) if "S3cret" in it]
    ((machine, asked),) = [it for it in deployment.asked if it[1] == "profile"]
    assert (machine, asked) == ("https://api.linode.com", "profile")
