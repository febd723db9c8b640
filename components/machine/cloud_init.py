"""User data of the VM: what cloud-init makes of a plain Debian at its first boot.

Kept small and without anything that changes: other user data means another VM (the provider replaces it).
Source of the keys: cloud-init documentation, "Module reference". JSON is YAML.
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from components.machine.ssh_config import HostKey

ASSETS = Path(__file__).parents[2] / "assets" / "machine"

USER = "ohif"
"""User of the program's SSH login: in group docker, so root-equivalent."""

PACKAGES = ["docker.io", "docker-cli", "iptables", "unattended-upgrades"]
"""Packages of Debian 13; its Docker engine has no client without `docker-cli`."""

DAEMON = {
    "log-driver": "json-file",
    "log-opts": {"max-size": "20m", "max-file": "5"},
    # The kernel forwards ports for both families, so a container sees its client's own address; the proxy of the
    # engine would show the bridge's. Before version 27 IPv6 forwarding counts as experimental.
    "userland-proxy": False,
    "ip6tables": True,
    "experimental": True,
}

SSHD = """\
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
AllowAgentForwarding no
HostKey /etc/ssh/ssh_host_ed25519_key
# The Docker client opens a connection for every call.
MaxStartups 60:30:120
"""

DOCKER_UNIT = """\
[Service]
ExecStartPre=/usr/bin/mountpoint -q /var/lib/docker
# What the provider tells this machine about itself, its keys among it, is not for containers.
ExecStartPost=/bin/sh -c '/usr/sbin/iptables -C DOCKER-USER -d 169.254.0.0/16 -j DROP || \
/usr/sbin/iptables -I DOCKER-USER -d 169.254.0.0/16 -j DROP'
ExecStartPost=/bin/sh -c '/usr/sbin/ip6tables -C DOCKER-USER -d fd00:a9fe:a9fe::/48 -j DROP || \
/usr/sbin/ip6tables -I DOCKER-USER -d fd00:a9fe:a9fe::/48 -j DROP'
"""

UPGRADES = """\
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""


@dataclass(frozen=True, kw_only=True)
class MachineConfig:
    """Values in the user data."""

    host_key: HostKey
    public_key: str
    """SSH key that may log in."""
    volume_device: str
    """Path of the data volume's block device."""


def render(config: MachineConfig) -> str:
    """The user data, as a cloud-config."""
    mount = f"DEVICE={shlex.quote(config.volume_device)}\n{(ASSETS / 'data-volume.sh').read_text()}"
    document = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": config.host_key.private, "ed25519_public": config.host_key.public},
        "ssh_pwauth": False,
        "disable_root": True,
        "groups": ["docker"],
        "users": [
            {
                "name": USER,
                "groups": ["docker"],
                "shell": "/bin/bash",
                "lock_passwd": True,
                # For the administrator of the machine; group docker is root-equivalent anyway.
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [config.public_key],
            }
        ],
        # Before the engine is installed, which starts at once.
        "bootcmd": [["/bin/sh", "-c", mount]],
        "write_files": [
            {"path": "/etc/docker/daemon.json", "content": json.dumps(DAEMON, indent=2) + "\n"},
            {"path": "/etc/ssh/sshd_config.d/10-ohif.conf", "content": SSHD},
            {"path": "/etc/systemd/system/docker.service.d/ohif.conf", "content": DOCKER_UNIT},
            {"path": "/etc/apt/apt.conf.d/20auto-upgrades", "content": UPGRADES},
        ],
        "package_update": True,
        "package_upgrade": True,
        "packages": PACKAGES,
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "restart", "ssh"],
            ["systemctl", "enable", "docker"],
            ["systemctl", "restart", "docker"],
        ],
    }
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"
