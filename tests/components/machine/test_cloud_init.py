"""User data of the VM, read back as cloud-init reads it."""

import json
import re
import shlex
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from components.machine import cloud_init
from components.machine.ssh_config import host_key

LARGEST = 16384
"""Bytes that Linode takes (Linode API, "Create a Linode", metadata.user_data), before base64."""

CONFIG = cloud_init.MachineConfig(
    host_key=host_key(bytes(32)),
    public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm",
    volume_device="/dev/disk/by-id/scsi-0Linode_Volume_ohif-prod-data",
)
TEXT = cloud_init.render(CONFIG)
HEADER, _, BODY = TEXT.partition("\n")
DOCUMENT: dict[str, Any] = json.loads(BODY)
FILES = {it["path"]: it["content"] for it in DOCUMENT["write_files"]}

KINDS: dict[str, type | tuple[type, ...]] = {
    # cloud-init documentation, "Module reference"
    "ssh_deletekeys": bool,
    "ssh_keys": dict,
    "ssh_pwauth": bool,
    "disable_root": bool,
    "groups": list,
    "users": list,
    "bootcmd": list,
    "write_files": list,
    "package_update": bool,
    "package_upgrade": bool,
    "packages": list,
    "runcmd": list,
}


def test_it_is_a_cloud_config_whose_json_is_yaml() -> None:
    assert HEADER == "#cloud-config"
    assert yaml.safe_load(BODY) == DOCUMENT
    assert len(TEXT.encode()) <= LARGEST


def test_every_key_is_one_of_cloud_inits_with_its_type() -> None:
    assert set(DOCUMENT) <= set(KINDS)
    for key, value in DOCUMENT.items():
        assert isinstance(value, KINDS[key]), key
    for key in ("bootcmd", "runcmd"):
        for command in DOCUMENT[key]:
            assert isinstance(command, list)
            assert all(isinstance(word, str) for word in command), command
    for entry in DOCUMENT["write_files"]:
        assert set(entry) <= {"path", "content", "permissions", "owner"}
        assert entry["path"].startswith("/")


def test_only_the_host_key_is_secret_and_only_in_its_place() -> None:
    private = CONFIG.host_key.private
    assert DOCUMENT["ssh_keys"] == {"ed25519_private": private, "ed25519_public": CONFIG.host_key.public}
    rest = json.dumps({key: value for key, value in DOCUMENT.items() if key != "ssh_keys"})
    assert "PRIVATE" not in rest
    assert private.splitlines()[1] not in rest
    assert not re.search(r"passw(or)?d[\"']?\s*[:=]\s*[\"'][^\"']", rest.replace("lock_passwd", ""))


def test_nobody_logs_in_but_by_the_key_as_one_person() -> None:
    (user,) = DOCUMENT["users"]
    assert (user["name"], user["ssh_authorized_keys"]) == (cloud_init.USER, [CONFIG.public_key])
    assert user["lock_passwd"] is True
    assert "docker" in user["groups"]
    assert "docker" in DOCUMENT["groups"]
    assert (DOCUMENT["ssh_pwauth"], DOCUMENT["disable_root"], DOCUMENT["ssh_deletekeys"]) == (False, True, True)
    sshd = dict(
        line.split(maxsplit=1)
        for line in FILES["/etc/ssh/sshd_config.d/10-ohif.conf"].splitlines()
        if not line.startswith("#")
    )
    for name in ("PermitRootLogin", "PasswordAuthentication", "KbdInteractiveAuthentication"):
        assert sshd[name] == "no"
    assert sshd["HostKey"] == "/etc/ssh/ssh_host_ed25519_key"


def test_engine_hands_on_addresses_and_keeps_its_logs_short() -> None:
    daemon = json.loads(FILES["/etc/docker/daemon.json"])
    assert (daemon["userland-proxy"], daemon["ip6tables"]) == (False, True)
    assert {"max-size", "max-file"} <= set(daemon["log-opts"])
    assert "hosts" not in daemon


def test_engine_never_starts_without_its_volume() -> None:
    unit = FILES["/etc/systemd/system/docker.service.d/ohif.conf"]
    assert "ExecStartPre=/usr/bin/mountpoint -q /var/lib/docker\n" in unit
    ((shell, option, script),) = DOCUMENT["bootcmd"]
    assert (shell, option) == ("/bin/sh", "-c")
    assert script.startswith(f"DEVICE={CONFIG.volume_device}\n")


@pytest.mark.parametrize(
    ("program", "network"),
    # Linode, "Overview of the Metadata service": 169.254.169.254 and fd00:a9fe:a9fe::1
    [("/usr/sbin/iptables", "169.254.0.0/16"), ("/usr/sbin/ip6tables", "fd00:a9fe:a9fe::/48")],
)
def test_containers_do_not_reach_the_providers_metadata(program: str, network: str) -> None:
    unit = FILES["/etc/systemd/system/docker.service.d/ohif.conf"]
    rules = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStartPost=")]
    ((*_, script),) = (words for rule in rules if (words := shlex.split(rule))[-1].startswith(program + " "))
    rule = f"DOCKER-USER -d {network} -j DROP"
    assert script == f"{program} -C {rule} || {program} -I {rule}"


def test_machine_updates_itself() -> None:
    assert "unattended-upgrades" in DOCUMENT["packages"]
    assert (DOCUMENT["package_update"], DOCUMENT["package_upgrade"]) == (True, True)
    assert 'APT::Periodic::Unattended-Upgrade "1";' in FILES["/etc/apt/apt.conf.d/20auto-upgrades"]


def test_services_start_with_what_was_written() -> None:
    assert DOCUMENT["runcmd"][0] == ["systemctl", "daemon-reload"]
    assert ["systemctl", "restart", "docker"] in DOCUMENT["runcmd"]
    assert ["systemctl", "enable", "docker"] in DOCUMENT["runcmd"]


@pytest.mark.parametrize("device", ["/dev/x y", "/dev/x;reboot", "/dev/$(id)", "/dev/x\nreboot"])
def test_name_of_the_volume_is_a_word_to_the_shell(device: str) -> None:
    text = cloud_init.render(
        cloud_init.MachineConfig(host_key=CONFIG.host_key, public_key=CONFIG.public_key, volume_device=device)
    )
    script = json.loads(text.partition("\n")[2])["bootcmd"][0][2]
    assert shlex.split(script.partition("\nwhere=")[0].partition("\n#")[0]) == [f"DEVICE={device}"]


def test_same_settings_same_text() -> None:
    assert cloud_init.render(CONFIG) == TEXT
