"""A machine of the world as a test orders it by the API: with its own keys, reached by SSH with a pinned host key."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.rehearsal.world import TOKEN, World

REGION = "eu-central"
ANYWHERE = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
OPERATOR = {"ipv4": ["198.51.100.1/32"], "ipv6": ["2001:db8:5100::1/128"]}
DEVICE = "/dev/disk/by-id/scsi-0Linode_Volume_data"
MOUNT_VOLUME = f"""
until [ -e {DEVICE} ]; do sleep 0.2; done
mkdir -p /var/lib/docker
echo '{DEVICE} /var/lib/docker ext4 defaults,nofail 0 2' >> /etc/fstab
mount /var/lib/docker
"""


def key_pair() -> tuple[str, str]:
    """A new ed25519 key: private as PKCS8 PEM, public as OpenSSH writes it."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption()).decode()
    return private, key.public_key().public_bytes(to.Encoding.OpenSSH, to.PublicFormat.OpenSSH).decode()


def rule(label: str, ports: str, addresses: dict[str, list[str]]) -> dict[str, Any]:
    return {"label": label, "action": "ACCEPT", "protocol": "TCP", "ports": ports, "addresses": addresses}


@dataclass
class Machine:
    """An instance with a firewall, a reserved address and a volume that outlives it."""

    world: World
    directory: Path
    host_key: tuple[str, str] = field(default_factory=key_pair)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.api = httpx.Client(base_url=f"{self.world.api_url}/v4/", headers=headers, timeout=60)
        self.key = self.directory / "key"
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        inbound = [rule("ssh", "22", OPERATOR), rule("web", "80, 443", ANYWHERE)]
        rules = {"inbound": inbound, "inbound_policy": "DROP", "outbound_policy": "ACCEPT"}
        self.firewall = self.post("networking/firewalls", {"label": "machine", "rules": rules})["id"]
        place = {"type": "ipv4", "public": True, "region": REGION, "reserved": True}
        self.address: str = self.post("networking/ips", place)["address"]
        self.volume = self.post("volumes", {"label": "data", "region": REGION, "size": 10})["id"]
        self.make()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """One call that makes something."""
        answer = self.api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def user_data(self) -> str:
        """cloud-config in JSON, which is YAML."""
        config = {
            "ssh_keys": {"ed25519_private": self.host_key[0], "ed25519_public": self.host_key[1]},
            "users": [
                {
                    "name": "deploy",
                    "groups": ["docker"],
                    "shell": "/bin/bash",
                    "ssh_authorized_keys": [self.key.with_suffix(".pub").read_text().strip()],
                }
            ],
            "packages": ["docker.io", "docker-cli", "nftables", "unattended-upgrades"],
            "write_files": [
                {
                    "path": "/etc/docker/daemon.json",
                    "content": json.dumps({"experimental": True, "ip6tables": True, "userland-proxy": False}),
                }
            ],
            "bootcmd": [["cloud-init-per", "once", "volume", "sh", "-c", MOUNT_VOLUME]],
            "runcmd": [["docker", "version"]],
        }
        return "#cloud-config\n" + json.dumps(config)

    def make(self) -> None:
        """A new instance with the address and the volume; waits until cloud-init is done."""
        asked = {
            "label": "machine",
            "region": REGION,
            "type": "g6-standard-2",
            "image": "linode/debian13",
            "root_pass": secrets.token_urlsafe(24),
            "ipv4": [self.address],
            "firewall_id": self.firewall,
            "metadata": {"user_data": base64.b64encode(self.user_data.encode()).decode()},
        }
        self.instance = self.post("linode/instances", asked)
        self.address6: str = self.instance["ipv6"].partition("/")[0]
        self.post(f"volumes/{self.volume}/attach", {"linode_id": self.instance["id"]})
        self.settle()
        assert "status: done" in self.inside("cloud-init", "status", "--wait")

    def settle(self) -> None:
        """Waits until the cloud has done what it was asked for."""
        self.world.account.settle()
        assert self.world.account.failures == []

    def inside(self, *command: str) -> str:
        """Runs a command at the machine's console; returns what it printed."""
        name = self.world.machines.container(self.instance["id"]).name or ""
        done = subprocess.run(["docker", "exec", name, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def ssh(self, host: str, *command: str, host_key: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command as user `deploy` over SSH, which accepts this host key only."""
        known = f"KnownHostsCommand=/bin/echo %H {host_key or self.host_key[1]}"
        options = ["UserKnownHostsFile=none", "GlobalKnownHostsFile=none", "StrictHostKeyChecking=yes", known]
        options += ["BatchMode=yes", "ConnectTimeout=5", f"IdentityFile={self.key}"]
        flags = [part for option in options for part in ("-o", option)]
        return subprocess.run(
            ["ssh", *flags, f"deploy@{host}", *command], capture_output=True, text=True, check=False, timeout=60
        )

    def reboot(self) -> None:
        """Asks the cloud for a reboot."""
        self.post(f"linode/instances/{self.instance['id']}/reboot", {})
        self.settle()

    def replace(self) -> None:
        """A new instance in the place of the old one."""
        assert self.api.delete(f"linode/instances/{self.instance['id']}").status_code == 200
        self.settle()
        self.make()

    def remove(self) -> None:
        """Deletes everything of it."""
        self.api.delete(f"linode/instances/{self.instance['id']}")
        self.settle()
        for path in (
            f"volumes/{self.volume}",
            f"networking/firewalls/{self.firewall}",
            f"networking/ips/{self.address}",
        ):
            assert self.api.delete(path).status_code == 200, path
        self.settle()
        self.api.close()
