"""Which archive keeps the studies."""

import dataclasses
import re
from collections.abc import Mapping

import pulumi

from settings import parsing
from settings.model.archive import Archive, ArchiveKind, CharacterSet
from settings.model.machine import LocalMachine, Server, Vm
from settings.parsing import ConfigurationError
from settings.rights import rights

AE_TITLE = re.compile(r"[A-Za-z0-9_.-]{1,16}")
"""PS3.5 allows more; these need no quoting in a path, an LDAP name or a configuration file."""
DEVICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

DEFAULT_AE_TITLES: Mapping[ArchiveKind, str] = {ArchiveKind.ORTHANC: "ORTHANC", ArchiveKind.DCM4CHEE: "DCM4CHEE"}
DEFAULT_MEMORY: Mapping[ArchiveKind, int] = {ArchiveKind.ORTHANC: 2048, ArchiveKind.DCM4CHEE: 2048}
"""MiB. Orthanc holds an object twice while it stores it; one of 600 MB takes it to 1.2 GiB."""
LEAST_MEMORY: Mapping[ArchiveKind, int] = {ArchiveKind.ORTHANC: 256, ArchiveKind.DCM4CHEE: 1536}
"""MiB. DCM4chee's image gives Java 512 MiB of heap, and as much again is taken besides."""


def archive(config: pulumi.Config) -> Archive:
    kind = parsing.choice(config, "archive", ArchiveKind)
    memory = parsing.integer(config, "archiveMemory", at_least=0, at_most=1024 * 1024) or DEFAULT_MEMORY[kind]
    if memory < LEAST_MEMORY[kind]:
        raise ConfigurationError("archiveMemory", f"{memory} is too little for {kind}: {LEAST_MEMORY[kind]} at least.")
    return Archive(
        kind=kind,
        ae_title=ae_title("aeTitle", config.require("aeTitle") or DEFAULT_AE_TITLES[kind]),
        device_name=_device_name(config),
        memory_mib=memory,
        maximum_gb=_maximum_gb(config, kind),
        rights=rights(config, kind),
        default_character_set=_default_character_set(config, kind),
        confirm_switch=parsing.boolean(config, "confirmArchiveSwitch"),
    )


def within_volume(archive: Archive, machine: LocalMachine | Server | Vm) -> Archive:
    """The archive with the default limit of a VM: its volume also holds databases, images and logs."""
    if archive.maximum_gb or archive.kind is not ArchiveKind.ORTHANC or not isinstance(machine, Vm):
        return archive
    return dataclasses.replace(archive, maximum_gb=machine.volume_gb * 4 // 5 - 4)


def _maximum_gb(config: pulumi.Config, kind: ArchiveKind) -> int:
    maximum = parsing.integer(config, "archiveMaximumGb", at_least=0, at_most=1024 * 1024)
    if maximum and kind is not ArchiveKind.ORTHANC:
        raise ConfigurationError("archiveMaximumGb", f"has no effect with {kind}; remove it.")
    return maximum


def _default_character_set(config: pulumi.Config, kind: ArchiveKind) -> CharacterSet | None:
    if not config.require("defaultCharacterSet"):
        return None
    if kind is not ArchiveKind.ORTHANC:
        raise ConfigurationError("defaultCharacterSet", f"has no effect with {kind}; remove it.")
    return parsing.choice(config, "defaultCharacterSet", CharacterSet)


def ae_title(key: str, value: object) -> str:
    """An application entity title."""
    if not isinstance(value, str) or not AE_TITLE.fullmatch(value):
        raise ConfigurationError(key, f"{value!r} is not an AE title: 1 to 16 letters, digits and . _ -")
    return value


def _device_name(config: pulumi.Config) -> str:
    entry = parsing.fields(config, "dcm4chee", frozenset({"deviceName"}))
    name = parsing.text("dcm4chee", entry, "deviceName") or "dcm4chee-arc"
    if not DEVICE_NAME.fullmatch(name):
        raise ConfigurationError("dcm4chee", f"deviceName {name!r} must be letters, digits, _ and -")
    return name
