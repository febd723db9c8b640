"""Instances, volumes and firewalls of the Linode API stand-in as things of this machine's Docker engine.

An instance is a container that boots a whole Debian: systemd, cloud-init with the instance's user data, sshd, an
engine of its own. A volume is a file behind a loop device, which appears in the instance under the name that it has
at Linode. The Cloud Firewall is a table of nftables in the instance's network namespace, before everything that the
instance filters and forwards itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from tests.rehearsal.linode_api import Json

NAME = "ohif-rehearsal"
LABEL = "org.ohif.rehearsal"
LABELS = {LABEL: ""}
GATEWAY4, GATEWAY6 = "198.51.100.1", "2001:db8:5100::1"
LOOP_MAJOR = 7
GIB = 2**30
ISOLATION = (
    # What systemd and a nested engine need. `privileged` would want CAP_SYS_RESOURCE, which not every machine has.
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
    *("--cgroupns", "private", "--device-cgroup-rule", f"b {LOOP_MAJOR}:* rwm"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock"),
    *("--label", LABEL),
)


def run(*command: str | Path, **options: Any) -> str:
    """Runs a command and returns what it printed; its own words are in the error."""
    words = [str(word) for word in command]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        words, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout.strip()


class Machines:
    """The hardware of one account. Files are kept below `directory`; `network` and the image `vm` are there."""

    def __init__(self, engine: docker.DockerClient, *, image: str, template: Path, directory: Path) -> None:
        self._engine = engine
        self._image = image
        self._template = template
        self._directory = directory

    # Instances

    def container(self, instance_id: int) -> Container:
        """The container of an instance."""
        return self._engine.containers.get(f"{NAME}-vm-{instance_id}")

    def _files(self, instance_id: int) -> Path:
        return self._directory / f"vm-{instance_id}"

    def make(self, instance: Json, user_data: bytes) -> None:
        """Writes cloud-init's seed and creates the container, not started."""
        files = self._files(instance["id"])
        for name in ("seed", "disks", "network"):
            (files / name).mkdir(parents=True)
        seed = files / "seed"
        identity = {"instance-id": f"linode-{instance['id']}", "local-hostname": instance["label"]}
        (seed / "meta-data").write_text(json.dumps(identity))
        (seed / "user-data").write_bytes(user_data or b"#cloud-config\n")
        (files / "resolv.conf").write_text(f"nameserver {GATEWAY4}\n")
        self._write_rules(instance["id"], None)
        mounts = {
            seed: "/var/lib/cloud/seed/nocloud:ro",
            files / "network": "/usr/local/lib/cloud-network:ro",
            files / "disks": "/dev/disk/by-id",
            files / "resolv.conf": "/etc/resolv.conf",
        }
        # The command line, because the API's client has no word for `systempaths`.
        run(
            *("docker", "create", "--name", f"{NAME}-vm-{instance['id']}", "--hostname", instance["label"]),
            *ISOLATION,
            *("--network", NAME, "--ip", instance["ipv4"][0], "--ip6", instance["ipv6"].partition("/")[0]),
            *(f"--volume={here}:{there}" for here, there in mounts.items()),
            f"--memory={instance['specs']['memory']}m",
            self._image,
        )

    def remove(self, instance_id: int) -> None:
        """Removes the container at once, as a deleted instance is not shut down either."""
        self.container(instance_id).remove(force=True, v=True)
        shutil.rmtree(self._files(instance_id))

    def boot(self, instance_id: int) -> None:
        """Starts the container; it boots in the background."""
        self.container(instance_id).start()

    def shut_down(self, instance_id: int) -> None:
        """Asks the container's systemd to power off, and waits."""
        self.container(instance_id).stop(timeout=60)

    # Volumes

    def _disk(self, volume_id: int) -> Path:
        return self._directory / f"volume-{volume_id}.ext4"

    def make_volume(self, volume: Json) -> None:
        """A copy of the template, so that the images are there without a registry."""
        self._directory.mkdir(parents=True, exist_ok=True)
        disk = self._disk(volume["id"])
        run("cp", "--reflink=auto", "--sparse=always", self._template, disk)
        os.truncate(disk, volume["size"] * GIB)
        run("losetup", "--find", disk)

    def resize_volume(self, volume: Json) -> None:
        """The device grows; its file system is the instance's business."""
        os.truncate(self._disk(volume["id"]), volume["size"] * GIB)
        run("losetup", "--set-capacity", self._loop(volume["id"]))

    def remove_volume(self, volume_id: int) -> None:
        """Removes device and file."""
        release(self._disk(volume_id))

    def _loop(self, volume_id: int) -> str:
        return loops(self._disk(volume_id))[0]

    def _node(self, volume: Json, instance_id: int) -> Path:
        return self._files(instance_id) / "disks" / Path(volume["filesystem_path"]).name

    def attach(self, volume: Json, instance_id: int) -> None:
        """Makes the device's node appear in the instance."""
        number = int(self._loop(volume["id"]).removeprefix("/dev/loop"))
        os.mknod(self._node(volume, instance_id), 0o660 | 0o060000, os.makedev(LOOP_MAJOR, number))

    def detach(self, volume: Json, instance_id: int) -> None:
        """Takes the node away; what has it mounted keeps it until its end."""
        self._node(volume, instance_id).unlink()

    # Cloud Firewall

    def _write_rules(self, instance_id: int, rules: Json | None) -> None:
        (self._files(instance_id) / "network" / "firewall.nft").write_text(ruleset(rules))

    def filter(self, instance_id: int, rules: Json | None) -> None:
        """Writes the rules where the instance takes them from before it boots, and applies them if it runs."""
        self._write_rules(instance_id, rules)
        container = self.container(instance_id)
        if container.status == "running":
            run("docker", "exec", container.id or "", "nft", "-f", "/usr/local/lib/cloud-network/firewall.nft")


def ruleset(rules: Json | None) -> str:
    """The text for `nft -f` that puts these rules of the API in the place of whatever was there."""
    lines = ["table inet cloud_firewall", "delete table inet cloud_firewall"]
    if rules is None:
        return "\n".join(lines) + "\n"
    lines.append("table inet cloud_firewall {")
    # After conntrack (-200), before the destinations of published ports are translated (-100).
    for direction, hook, interface in (("inbound", "prerouting", "iifname"), ("outbound", "postrouting", "oifname")):
        lines += [
            f"chain {direction} {{",
            f"type filter hook {hook} priority mangle; policy accept;",
            f'{interface} != "eth0" accept',
            "ct state established,related accept",
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept",
            *(line for rule in rules[direction] for line in rule_lines(rule, direction)),
            rules[f"{direction}_policy"].lower(),
            "}",
        ]
    return "\n".join([*lines, "}"]) + "\n"


def rule_lines(rule: Json, direction: str) -> Iterable[str]:
    """One line for each family that the rule names."""
    side = "saddr" if direction == "inbound" else "daddr"
    for family, word, icmp in (("ipv4", "ip", "icmp"), ("ipv6", "ip6", "icmpv6")):
        networks = rule["addresses"].get(family)
        if not networks:
            continue
        match = f"{word} {side} {{ {', '.join(networks)} }}"
        protocol = rule["protocol"].lower()
        if protocol == "icmp":
            match += f" meta l4proto {icmp}"
        elif protocol in ("tcp", "udp"):
            match += f" {protocol} dport {{ {rule['ports']} }}" if rule["ports"] else f" meta l4proto {protocol}"
        else:
            match += " meta l4proto 4"
        yield f"{match} {rule['action'].lower()}"


# The disk that volumes are copies of


def loops(disk: Path) -> list[str]:
    """The loop devices of a file."""
    return [line.partition(":")[0] for line in run("losetup", "--associated", disk).splitlines()]


def release(disk: Path) -> None:
    """Removes a file and its loop devices."""
    for device in loops(disk):
        run("losetup", "--detach", device)
    disk.unlink(missing_ok=True)


def template(engine: docker.DockerClient, *, vm: str, images: Iterable[str], directory: Path) -> Path:
    """An ext4 file system with the data of an engine that has these images; made once for each set of them."""
    wanted = sorted(images)
    ids = " ".join(str(engine.images.get(name).id) for name in [vm, *wanted])
    kept = directory / f"volume-{hashlib.sha256(ids.encode()).hexdigest()[:12]}.ext4"
    if kept.exists():
        return kept
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("volume-*"):
        release(stale)
    fresh = kept.with_suffix(".new")
    with fresh.open("wb") as file:
        file.truncate(10 * GIB)
    run("mkfs.ext4", "-q", fresh)
    if wanted:
        device = run("losetup", "--find", "--show", fresh)
        try:
            _fill(engine, vm, wanted, device)
        finally:
            run("losetup", "--detach", device)
    return fresh.rename(kept)


def _fill(engine: docker.DockerClient, vm: str, images: list[str], device: str) -> None:
    serve = (
        "mkdir -p /var/lib/docker && mount /dev/volume /var/lib/docker && "
        "exec dockerd --iptables=false --ip6tables=false --bridge=none"
    )
    command = ("docker", "run", "--detach", *ISOLATION, "--network=none", f"--device={device}:/dev/volume", vm)
    loader = engine.containers.get(run(*command, "sh", "-c", serve))
    try:
        deadline = time.monotonic() + 30
        while loader.exec_run(["docker", "version"]).exit_code:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no engine to load images into: {loader.logs(tail=5).decode()}")
            time.sleep(0.3)
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            run("docker", "exec", "--interactive", loader.id or "", "docker", "load", stdin=saved.stdout)
        loader.stop(timeout=30)
    finally:
        loader.remove(force=True, v=True)
