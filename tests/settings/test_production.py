"""Configuration of machine, name and certificate: refusals by key and fix, defaults, and what follows from what."""

import functools
import ipaddress
from pathlib import Path
from typing import Any

import pulumi
import pytest
from cryptography.hazmat.primitives import serialization

from images import DEFAULT_IMAGES
from settings import ConfigurationError, Settings
from settings.model.entrance import Acme, DuckDns, LinodeZone, ProvidedCertificate
from settings.model.machine import LocalMachine, Server, Vm
from tests.certificates import Certificate, signed
from tests.program.harness import load_settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm"
HOST = "pacs.example.org"
NETWORKS = {"adminNetworks": ["192.0.2.0/24"]}
LINODE: dict[str, Any] = {"target": "linode", "vm": {"region": "eu-central"}, "ssh": {"publicKey": KEY}, **NETWORKS}
SERVER: dict[str, Any] = {
    "target": "server",
    "server": {"address": "ssh://admin@pacs-1.example.org", "hostKey": KEY},
    **NETWORKS,
}
ACME: dict[str, Any] = {"tls": "letsencrypt", "acme": {"email": "it@example.org"}}
ZONE: dict[str, Any] = {"dns": "linode", "linodeDns": {"zone": "example.org"}, "host": HOST}
DUCK: dict[str, Any] = {"dns": "duckdns", "duckDns": {"token": "t"}, "host": "my-lab.duckdns.org"}


@functools.cache
def pair(*names: str, **how: Any) -> Certificate:
    """A certificate for these names."""
    return signed("test", covers=names, **how)


OURS = pair(HOST)
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LW9mLXRoZS1wZXJzb24=\n-----END OPENSSH PRIVATE KEY-----\n"


TOKEN = {"LINODE_TOKEN": "S3cret.of-the-account"}


def load(environment: dict[str, str] | None = None, *, preview: bool = True, **config: Any) -> Settings:
    return load_settings(config, environment, preview=preview)


def vm(**fields: Any) -> dict[str, Any]:
    return {**LINODE, "vm": {**LINODE["vm"], **fields}}


def server(**fields: Any) -> dict[str, Any]:
    return {**SERVER, "server": {**SERVER["server"], **fields}}


def acme(**fields: Any) -> dict[str, Any]:
    return {**LINODE, **ACME, "host": HOST, "acme": {**ACME["acme"], **fields}}


def provided(certificate: str = OURS.pem, key: str = OURS.key_pem, **config: Any) -> dict[str, Any]:
    return {**LINODE, "host": HOST, "tls": "provided", "tlsCertificate": certificate, "tlsKey": key, **config}


def given(*names: str, **dates: float) -> dict[str, Any]:
    made = pair(*names, **dates)
    return provided(made.pem, made.key_pem)


def zone(**fields: Any) -> dict[str, Any]:
    return {**LINODE, **ZONE, "linodeDns": {**ZONE["linodeDns"], **fields}}


def duck(**config: Any) -> dict[str, Any]:
    return {**LINODE, **DUCK, **config}


def locked(key: str) -> str:
    """The same key, with a passphrase."""
    private = serialization.load_pem_private_key(key.encode(), password=None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return private.private_bytes(*form, serialization.BestAvailableEncryption(b"x")).decode()


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # key that the message names, configuration, what the message says besides
    # the machine: what belongs to another target
    ("vm", {"vm": {"region": "eu-central"}}, "no effect with target local"),
    ("vm", {**SERVER, "vm": {"region": "eu-central"}}, "no effect with target server"),
    ("server", {"server": SERVER["server"]}, "no effect with target local"),
    ("files", {**LINODE, "files": {"path": "/mnt/nas/ohif"}}, "lost when the VM is replaced"),
    ("server", {**LINODE, "server": SERVER["server"]}, "no effect with target linode"),
    ("ssh", {"ssh": {"publicKey": KEY}}, "no effect with target local"),
    # a VM
    ("vm", {**LINODE, "vm": {}}, "needs a region such as eu-central"),
    ("vm", {**LINODE, "vm": []}, "map"),
    ("vm", vm(region=""), "region"),
    ("vm", vm(region="EU Central"), "region 'EU Central' is not a name of Linode's"),
    ("vm", vm(type="../g6"), "type"),
    ("vm", vm(image=7), "image must be a text"),
    ("vm", vm(image="linode/debian 13"), "image"),
    ("vm", vm(image="linode/debian12"), "newer Debian"),
    ("vm", vm(image="linode/ubuntu24.04"), "newer Debian"),
    ("vm", vm(volumeGb=9), "from 10 to 16384"),
    ("vm", vm(volumeGb=16385), "from 10 to 16384"),
    ("vm", vm(volumeGb="50"), "from 10 to 16384"),
    ("vm", vm(volumeGb=True), "from 10 to 16384"),
    ("vm", vm(backups="yes"), "backups must be true or false"),
    ("vm", vm(reservedAddress=1), "reservedAddress must be true or false"),
    ("vm", vm(size="big"), "'size' is not known here"),
    ("ssh", {**LINODE, "ssh": {}}, "needs publicKey"),
    ("ssh", {**LINODE, "ssh": {"publicKey": ""}}, "publicKey"),
    ("ssh", {**LINODE, "ssh": {"publicKey": "~/.ssh/id_ed25519.pub"}}, "not a public SSH key"),
    ("ssh", {**LINODE, "ssh": {"publicKey": PRIVATE_KEY}}, "not a public SSH key"),
    ("ssh", {**LINODE, "ssh": {"publicKey": f"{KEY}\n{KEY}"}}, "not a public SSH key"),
    ("ssh", {**LINODE, "ssh": {"publicKey": f'command="sh" {KEY}'}}, "not a public SSH key"),
    ("ssh", {**LINODE, "ssh": {"publicKey": KEY, "key": "x"}}, "'key' is not known here"),
    ("adminNetworks", {**LINODE, "adminNetworks": []}, "is empty"),
    ("adminNetworks", {**LINODE, "adminNetworks": [], "bindAddress": "127.0.0.1"}, "is empty"),
    ("adminNetworks", {**LINODE, "adminNetworks": ["0.0.0.0/0"]}, "[anywhere]"),
    ("adminNetworks", {**LINODE, "adminNetworks": ["192.0.2.0/24", "::/0"]}, "[anywhere]"),
    # a server
    ("server", {**SERVER, "server": {}}, "address None is not ssh://user@host"),
    ("server", server(address="pacs-1.example.org"), "is not ssh://user@host"),
    ("server", server(address="ssh://pacs-1.example.org"), "is not ssh://user@host"),
    ("server", server(address="ssh://admin@pacs-1.example.org/"), "is not ssh://user@host"),
    ("server", server(address="ssh://admin@pacs-1.example.org:0"), "is not ssh://user@host"),
    ("server", server(address="ssh://admin@pacs-1.example.org:65536"), "is not ssh://user@host"),
    ("server", server(address="ssh://admin@-oProxyCommand=x"), "is not ssh://user@host"),
    ("server", server(address="ssh://-x@pacs-1.example.org"), "is not ssh://user@host"),
    ("server", server(hostKey=None), "ssh_host_ed25519_key.pub"),
    ("server", server(hostKey=f"pacs-1.example.org {KEY}"), "needs hostKey"),
    ("server", server(hostKey=PRIVATE_KEY), "needs hostKey"),
    ("server", server(ipv6="yes"), "ipv6 must be true or false"),
    ("server", server(port=22), "'port' is not known here"),
    ("adminNetworks", {**SERVER, "adminNetworks": []}, "is empty"),
    # ports
    ("httpsPort", {"httpsPort": 0}, "between 1 and 65535"),
    ("httpsPort", {"httpsPort": "https"}, "whole number"),
    ("httpsPort", provided(port=443), "the same as port"),
    ("port", {**acme(), "port": 8080}, "must be 80"),
    # a certificate from an authority
    ("tls", {"tls": "on"}, "none, letsencrypt, provided"),
    ("acme", {"acme": {"email": "it@example.org"}}, "no effect with tls none"),
    ("acme", provided(acme={"email": "it@example.org"}), "no effect with tls provided"),
    ("host", {**LINODE, **ACME}, "must be a domain name"),
    ("host", {**LINODE, **ACME, "host": "192.0.2.10"}, "no certificates for addresses"),
    ("host", {**LINODE, **ACME, "host": "pacs"}, "must be a domain name"),
    ("host", {**ACME}, "must be a domain name"),
    ("acme", {**acme(), "acme": {}}, "needs email"),
    ("acme", acme(email="it"), "needs email"),
    ("acme", acme(email="it@example.org, me@example.org"), "needs email"),
    ("acme", acme(staging="yes"), "staging must be true or false"),
    ("acme", acme(staging=True), "its roots in PEM"),
    ("acme", acme(staging=True, server="https://ca.example.org/acme/directory"), "either server or staging"),
    ("acme", acme(server="http://ca.example.org/acme/directory"), "https address of an ACME directory"),
    ("acme", acme(server="ca.example.org"), "https address of an ACME directory"),
    ("acme", acme(server="https://ca.example.org/dir", caCertificate="ca.pem"), "certificate in PEM"),
    ("acme", acme(caCertificate=OURS.pem), "goes with server"),
    ("acme", acme(domain=HOST), "'domain' is not known here"),
    ("bindAddress", {**ACME, "host": HOST}, "cannot ask for the proof"),
    # a certificate of one's own
    ("tlsCertificate", {"tlsCertificate": OURS.pem}, "no effect with tls none"),
    ("tlsKey", {"tlsKey": OURS.key_pem}, "no effect with tls none"),
    ("tlsCertificate", {**acme(), "tlsCertificate": OURS.pem}, "no effect with tls letsencrypt"),
    ("tlsCertificate", provided(certificate=""), "config set --secret ohif:tlsCertificate"),
    ("tlsKey", provided(key=""), "config set --secret ohif:tlsKey"),
    ("host", provided(host=""), "the name that the certificate is for"),
    ("host", {**provided(), **SERVER, "host": "", "vm": {}, "ssh": {}}, "the name that the certificate is for"),
    ("tlsCertificate", provided(certificate="/etc/ssl/pacs.pem"), "not a certificate in PEM"),
    ("tlsCertificate", provided(certificate=OURS.key_pem), "not a certificate in PEM"),
    ("tlsKey", provided(key=OURS.pem), "not a private key in PEM"),
    ("tlsKey", provided(key=locked(OURS.key_pem)), "without a passphrase"),
    ("tlsKey", provided(key=pair("other.example.org").key_pem), "not the key of tlsCertificate"),
    ("tlsKey", provided(certificate=pair("Test CA").pem + OURS.pem), "must come first"),
    ("tlsCertificate", given(HOST, begins=-30, ends=-1), "expired on"),
    ("tlsCertificate", given(HOST, begins=1), "is not valid before"),
    ("tlsCertificate", given("other.example.org"), f"is for other.example.org, not for {HOST}"),
    ("tlsCertificate", given("*.pacs.example.org"), f"not for {HOST}"),
    ("tlsCertificate", given("*.org"), f"not for {HOST}"),
    ("tlsCertificate", given("example.org"), f"not for {HOST}"),
    ("tlsCertificate", given("192.0.2.10"), "is for 192.0.2.10"),
    ("tlsCertificate", given(), "is for no name"),
    # records
    ("dns", {"dns": "cloudflare"}, "none, linode, duckdns"),
    ("linodeDns", {"linodeDns": {"zone": "example.org"}}, "no effect with dns none"),
    ("duckDns", {"duckDns": {"token": "t"}}, "no effect with dns none"),
    ("duckDns", {**zone(), "duckDns": {"token": "t"}}, "no effect with dns linode"),
    ("linodeDns", duck(linodeDns={"zone": "duckdns.org"}), "no effect with dns duckdns"),
    ("dns", {**ZONE, **SERVER}, "linode is for target linode"),
    ("dns", ZONE, "linode is for target linode"),
    ("host", {**zone(), "host": ""}, "must be a name"),
    ("host", {**zone(), "host": "192.0.2.10"}, "must be a name"),
    ("linodeDns", {**zone(), "linodeDns": {}}, f"{HOST} lies in"),
    ("linodeDns", zone(zone="example.net"), f"{HOST} lies in"),
    ("linodeDns", zone(zone="ample.org"), f"{HOST} lies in"),
    ("linodeDns", zone(new=True), "needs email"),
    ("linodeDns", zone(new=True, email="it"), "needs email"),
    ("linodeDns", zone(email="it@example.org"), "a new zone, and it only"),
    ("linodeDns", zone(new="yes"), "new must be true or false"),
    ("linodeDns", zone(ttl=60), "'ttl' is not known here"),
    ("host", duck(host=HOST), "is not a name at DuckDNS"),
    ("host", duck(host="duckdns.org"), "is not a name at DuckDNS"),
    ("host", duck(host="a.my-lab.duckdns.org"), "is not a name at DuckDNS"),
    ("duckDns", duck(duckDns={}), "config set --path --secret ohif:duckDns.token"),
    ("duckDns", duck(duckDns={"token": ""}), "token"),
    ("duckDns", duck(duckDns={"token": "t", "server": "file:///etc"}), "is not an address such as"),
    ("duckDns", duck(duckDns={"token": "t", "domain": "my-lab"}), "'domain' is not known here"),
]


@pytest.mark.parametrize(("key", "config", "says"), REFUSED, ids=[f"{key}: {says}" for key, _, says in REFUSED])
def test_refused(key: str, config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(**config)
    message = str(refusal.value)
    assert message.startswith(f"Configuration ohif:{key}: "), message
    assert says in message


def test_no_refusal_repeats_what_may_be_a_secret() -> None:
    secrets = (PRIVATE_KEY, OURS.key_pem)
    for _, config, _ in REFUSED:
        with pytest.raises(ConfigurationError) as refusal:
            load(**config)
        for secret in secrets:
            assert not any(line in str(refusal.value) for line in secret.splitlines() if len(line) > 30)


@pytest.mark.parametrize("stack", ["a-stack-of-a-very-long-name", "ward.7"])
def test_stack_whose_name_linode_would_not_take_is_refused(stack: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ohif:target: linode takes no label"):
        load_settings(LINODE, stack=stack)


@pytest.mark.parametrize("config", [LINODE, SERVER], ids=["linode", "server"])
def test_private_key_must_be_readable_before_anything_is_made(config: dict[str, Any], tmp_path: Path) -> None:
    actual = {**config, "ssh": {**config.get("ssh", {}), "privateKeyFile": str(tmp_path / "id")}}
    with pytest.raises(ConfigurationError, match=r"ohif:ssh: privateKeyFile .* cannot be read"):
        load(TOKEN, preview=False, **actual)
    # A preview is also for those who do not have it.
    load(preview=True, **actual)
    (tmp_path / "id").touch()
    machine = load(TOKEN, preview=False, **actual).machine
    assert isinstance(machine, Server | Vm)
    assert machine.private_key_file == str(tmp_path / "id")


def test_token_must_be_there_before_anything_is_made() -> None:
    for none in ({}, {"LINODE_TOKEN": ""}):
        with pytest.raises(ConfigurationError, match=r"^Configuration linode:token: is missing\. Make one"):
            load(none, preview=False, **LINODE)
        load(none, preview=True, **LINODE)


def test_vm_has_safe_defaults() -> None:
    actual = load(**LINODE)
    assert isinstance(actual.machine, Vm)
    assert (actual.machine.type, actual.machine.image) == ("g6-standard-2", "linode/debian13")
    assert (actual.machine.volume_gb, actual.machine.backups, actual.machine.reserved_address) == (50, True, True)
    assert (actual.machine.token, actual.machine.private_key_file) == (None, None)
    assert actual.host is None
    assert actual.listeners.addresses == ("0.0.0.0", "::")
    assert actual.listeners.dual_stack
    assert actual.listeners.admin_networks == (ipaddress.ip_network("192.0.2.0/24"),)


def test_orthanc_leaves_room_on_the_volume() -> None:
    """Databases, images and logs are on it too."""
    assert load(**vm(volumeGb=50)).archive.maximum_gb == 36
    assert load(**vm(volumeGb=10)).archive.maximum_gb == 4
    assert load(**vm(volumeGb=10), archiveMaximumGb=7).archive.maximum_gb == 7
    assert load(**vm(volumeGb=50), archive="dcm4chee").archive.maximum_gb == 0
    assert load(**SERVER).archive.maximum_gb == 0


def test_vm_is_as_configured() -> None:
    machine = load(
        **vm(type="g6-dedicated-4", image="private/15", volumeGb=10, backups=False, reservedAddress=False)
    ).machine
    assert isinstance(machine, Vm)
    assert (machine.region, machine.type, machine.image) == ("eu-central", "g6-dedicated-4", "private/15")
    assert (machine.volume_gb, machine.backups, machine.reserved_address) == (10, False, False)


@pytest.mark.parametrize("comment", ["", " m.curie@desk", " another comment", "\n"])
def test_comment_of_a_key_counts_for_nothing(comment: str) -> None:
    machine = load(**{**LINODE, "ssh": {"publicKey": f"{KEY}{comment}"}}).machine
    assert isinstance(machine, Vm)
    assert machine.public_key == KEY
    there = load(**server(hostKey=f"{KEY}{comment}")).machine
    assert isinstance(there, Server)
    assert there.host_key == KEY


@pytest.mark.parametrize(
    ("environment", "known", "url"),
    [
        ({}, False, "https://api.linode.com"),
        ({"LINODE_TOKEN": ""}, False, "https://api.linode.com"),
        ({"LINODE_TOKEN": "t"}, True, "https://api.linode.com"),
        ({"LINODE_TOKEN": "t", "LINODE_URL": "http://127.0.0.1:4010"}, True, "http://127.0.0.1:4010"),
    ],
)
def test_account_is_read_as_linodes_provider_reads_it(environment: dict[str, str], known: bool, url: str) -> None:
    machine = load(environment, **LINODE).machine
    assert isinstance(machine, Vm)
    assert (machine.token is not None, machine.api_url) == (known, url)


@pytest.mark.parametrize(
    ("address", "user", "host", "port"),
    [
        ("ssh://admin@pacs-1.example.org", "admin", "pacs-1.example.org", 22),
        ("ssh://root@192.0.2.10:2222", "root", "192.0.2.10", 2222),
    ],
)
def test_server_is_as_configured(address: str, user: str, host: str, port: int) -> None:
    actual = load(**server(address=address))
    assert isinstance(actual.machine, Server)
    assert (actual.machine.user, actual.machine.address, actual.machine.port) == (user, host, port)
    assert actual.host == host
    assert actual.listeners.addresses == ("0.0.0.0",)


def test_server_with_ipv6_listens_for_both_families() -> None:
    assert load(**server(ipv6=True)).listeners.addresses == ("0.0.0.0", "::")


@pytest.mark.parametrize(
    ("fields", "directory", "caa"),
    [
        ({}, "https://acme-v02.api.letsencrypt.org/directory", "letsencrypt.org"),
        (
            {"staging": True, "caCertificate": OURS.pem},
            "https://acme-staging-v02.api.letsencrypt.org/directory",
            "letsencrypt.org",
        ),
        ({"server": "https://ca.example.org/acme/dir"}, "https://ca.example.org/acme/dir", None),
        (
            {"server": "https://ca.example.org:14000/dir", "caCertificate": OURS.pem},
            "https://ca.example.org:14000/dir",
            None,
        ),
    ],
    ids=["public", "staging", "other", "private"],
)
def test_authority_is_as_configured(fields: dict[str, Any], directory: str, caa: str | None) -> None:
    certificate = load(**acme(**fields)).certificate
    assert certificate == Acme(
        host=HOST,
        email="it@example.org",
        directory=directory,
        ca_certificate=fields.get("caCertificate"),
        caa_identity=caa,
    )


def test_authority_of_ones_own_may_ask_at_any_port_and_address() -> None:
    here = {**ACME, "host": HOST, "port": 8080}
    here["acme"] = {**ACME["acme"], "server": "https://ca.example.org/dir"}
    assert isinstance(load(**here).certificate, Acme)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ((HOST,), HOST),
        (("www.example.org", "PACS.example.org"), HOST),
        (("*.example.org",), HOST),
        (("192.0.2.10",), "192.0.2.10"),
        (("pacs",), "pacs"),
    ],
)
def test_certificate_that_covers_the_host_is_taken(names: tuple[str, ...], host: str) -> None:
    made = pair(*names)
    certificate = load(**provided(made.pem, made.key_pem, host=host)).certificate
    assert isinstance(certificate, ProvidedCertificate)
    assert (certificate.chain, certificate.ocsp_stapling) == (made.pem, False)


def test_certificate_with_a_responder_is_stapled_and_intermediates_stay() -> None:
    made = pair(HOST, responder=True)
    chain = made.pem + pair("Intermediate").pem
    certificate = load(**provided(chain, made.key_pem)).certificate
    assert isinstance(certificate, ProvidedCertificate)
    assert (certificate.chain, certificate.ocsp_stapling) == (chain, True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (zone(), LinodeZone(host=HOST, zone="example.org", new=False, email=None)),
        (
            zone(new=True, email="it@example.org"),
            LinodeZone(host=HOST, zone="example.org", new=True, email="it@example.org"),
        ),
        ({**zone(), "host": "example.org"}, LinodeZone(host="example.org", zone="example.org", new=False, email=None)),
    ],
    ids=["existing", "new", "the zone itself"],
)
def test_zone_is_as_configured(config: dict[str, Any], expected: LinodeZone) -> None:
    assert load(**config).dns == expected


@pytest.mark.parametrize("machine", [{}, SERVER, LINODE], ids=["local", "server", "linode"])
def test_duckdns_is_for_any_machine(machine: dict[str, Any]) -> None:
    dns = load(**{**machine, **DUCK}).dns
    assert isinstance(dns, DuckDns)
    assert (dns.domain, dns.server) == ("my-lab", "https://www.duckdns.org")


def test_https_port_means_nothing_without_https() -> None:
    actual = load(port=443)
    assert actual.endpoint("192.0.2.10").origin == "http://192.0.2.10:443"
    assert isinstance(actual.machine, LocalMachine)


@pytest.mark.parametrize(
    ("config", "warned"),
    [({}, False), (SERVER, True), (LINODE, True), (acme(), False), (provided(), False)],
    ids=["local", "server", "linode", "letsencrypt", "provided"],
)
def test_clear_text_over_a_network_is_warned_of(
    config: dict[str, Any], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", heard.append)
    load(**config)
    actual = [text for text in heard if "unencrypted" in text and "ohif:tls" in text]
    assert len(actual) == warned


@pytest.mark.parametrize(
    ("config", "warned"), [({}, False), (SERVER, True), (LINODE, True)], ids=["local", "server", "linode"]
)
def test_images_without_a_digest_are_warned_of_where_others_come(
    config: dict[str, Any], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", heard.append)
    load(**config)
    actual = [text for text in heard if "without a digest" in text and "make pin" in text]
    assert len(actual) == warned
    assert all("gateway" in text and "dcm4chee" not in text for text in actual)
    heard.clear()
    load(**config, images={key: f"mirror/{key}:17@sha256:{'0' * 64}" for key in DEFAULT_IMAGES})
    assert not any("without a digest" in text for text in heard)
