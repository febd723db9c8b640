"""Rules for containers, images, networks and volumes of the Docker host."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from policy.rule import (
    CONTAINER,
    DOCKER_VOLUME,
    IMAGE,
    NETWORK,
    AnyRule,
    Problem,
    Problems,
    Resource,
    Rule,
    StackRule,
    of_type,
    stack_of,
)

PROJECT = "ohif"
VERSION = re.compile(r"(?:.*/)?[^/:@]+:v?\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?")
DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
DURATION = re.compile(r"(\d+m)?[1-5]?\ds")

ARCHIVES = ("orthanc", "dcm4chee")
ARCHIVE_MEMORY_MIB = {"orthanc": 2048, "dcm4chee": 2048}
"""Limits by default; `ohif:archiveMemory` sets others."""
MEMORY_MIB = 1024
SMALLEST_MEMORY_MIB = 64
MEMORY_WITHOUT_ARCHIVE_MIB = 3328

AS_ROOT = frozenset({"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"})
STARTS_AS_ROOT = {"dcm4chee-ldap": AS_ROOT, "dcm4chee": AS_ROOT | {"CAP_SYS_CHROOT"}}
"""Images that must start as root, and the capabilities they have until they change to their own user.

docs/explanation/security.md gives the reasons.
"""
STAYS_ROOT = {"backup": frozenset({"CAP_DAC_READ_SEARCH"})}
"""Images whose own user is root and stays it, and the capabilities that they have: to read the files of others."""
CAPABILITIES = STARTS_AS_ROOT | STAYS_ROOT
DUMPS = ("keycloak-db-dump", "orthanc-db-dump", "dcm4chee-db-dump", "dcm4chee-ldap-dump")
ROOT_WITHOUT_CAPABILITIES = frozenset({"certificate", "logs", *DUMPS})
"""They run as root on a volume that root owns, without any capability."""
OPTIONAL = ("dcm4chee-ldap", "logs", "backup", *DUMPS)
"""What not every stack has; it needs a larger host."""
NOT_WAITED_FOR = frozenset({"certificate", "logs", "backup", "backup-mails"})
"""Containers whose result the program or its tools read themselves, to report a readable error."""

HOST_ACCESS = (
    "privileged",
    "networkMode",
    "pidMode",
    "ipcMode",
    "usernsMode",
    "devices",
    "mounts",
    "hosts",
    "groupAdds",
    "publishAllPorts",
    "gpus",
    "volumesFromContainers",
)
"""Inputs that give a container access to its host, or bypass the program's own handling."""
DEFAULTS = {"networkMode": "bridge"}
"""Values that the Docker provider sets where the program sets none."""
LOCAL_LOGS = "udp://127.0.0.1:"
"""Where Docker hands lines over; only what listens there sends them on, encrypted."""
VOLUME_KEYS = frozenset({"containerPath", "volumeName", "readOnly"})


def image_is_pinned(image: Resource) -> Problems:
    name = image.inputs["name"]
    if not (VERSION.fullmatch(name) or DIGEST.fullmatch(name)):
        yield Problem(f"image {name} has no exact version", "name a version such as 1.30.7, or a digest (@sha256:…)")


def image_is_kept(image: Resource) -> Problems:
    if image.inputs.get("keepLocally") is not True or "forceRemove" in set(image.inputs):
        yield Problem(
            "destroying the stack would remove the image from the host, where other stacks may use it",
            "set keep_locally to true and leave force_remove out",
        )


def container_has_memory_limit(container: Resource) -> Problems:
    alias, memory = container.inputs["hostname"], container.inputs.get("memory") or 0
    if memory < SMALLEST_MEMORY_MIB:
        yield Problem(f"container {alias} has no usable memory limit", "set memory_mib to 64 or more")
    if alias not in ARCHIVES and memory > MEMORY_MIB:
        yield Problem(f"container {alias} may take {memory:.0f} MiB", f"set memory_mib to {MEMORY_MIB} or less")
    if container.inputs.get("memorySwap") != container.inputs.get("memory"):
        yield Problem(f"container {alias} may swap", "set memory_swap to the same value as memory")


def container_has_no_host_access(container: Resource) -> Problems:
    alias = container.inputs["hostname"]
    for key in HOST_ACCESS:
        value = container.inputs.get(key)
        if value and value != DEFAULTS.get(key):
            yield Problem(f"container {alias} sets {key}, which opens it to its host", f"remove {key}")
    for volume in container.inputs.get("volumes") or ():
        for key in sorted(set(volume) - VOLUME_KEYS):
            yield Problem(
                f"container {alias} mounts a volume with {key}, which opens it to its host",
                "mount a named volume (containerPath, volumeName, readOnly)",
            )


def container_is_hardened(container: Resource) -> Problems:
    alias = container.inputs["hostname"]
    capabilities = container.inputs.get("capabilities") or {}
    if list(capabilities.get("drops") or ()) != ["ALL"]:
        yield Problem(f"container {alias} keeps capabilities", 'drop all: capabilities.drops = ["ALL"]')
    allowed = CAPABILITIES.get(alias, frozenset())
    added = set(capabilities.get("adds") or ())
    if added != allowed:
        yield Problem(
            f"container {alias} adds the capabilities {sorted(added)}, and {sorted(allowed)} are allowed",
            "change capabilities.adds, or STARTS_AS_ROOT in policy/containers.py, with its reason in "
            "docs/explanation/security.md",
        )
    if list(container.inputs.get("securityOpts") or ()) != ["no-new-privileges:true"]:
        yield Problem(
            f"container {alias} can gain privileges", 'set security_opts to exactly ["no-new-privileges:true"]'
        )
    if container.inputs.get("init") is not True:
        yield Problem(f"container {alias} has no init process that reaps children", "set init to true")


def container_is_not_root(container: Resource) -> Problems:
    alias, user = container.inputs["hostname"], container.inputs.get("user")
    if alias in CAPABILITIES:
        if user is not None:
            yield Problem(f"container {alias} cannot start as {user}", "leave user out: the image changes it by itself")
        return
    if alias in ROOT_WITHOUT_CAPABILITIES:
        if (container.inputs.get("capabilities") or {}).get("adds"):
            yield Problem(f"container {alias} is root with capabilities", "add no capability")
        return
    if (user or "").partition(":")[0] in ("", "0", "root"):
        yield Problem(f"container {alias} runs as root", "set user to the uid of the image's own user")


def container_is_supervised(container: Resource) -> Problems:
    alias, check = container.inputs["hostname"], container.inputs.get("healthcheck") or {}
    if list(check.get("tests") or ())[:1] != ["CMD"]:
        yield Problem(f"container {alias} has no health check without a shell", 'begin healthcheck.tests with "CMD"')
    if (check.get("retries") or 0) < 3:
        yield Problem(f"container {alias} counts as unhealthy too soon", "set healthcheck.retries to 3 or more")
    if container.inputs.get("wait", False) is not (alias not in NOT_WAITED_FOR):
        yield Problem(
            f"container {alias} starts its dependents at the wrong time",
            "set wait to true (to false only for those in NOT_WAITED_FOR of policy/containers.py)",
        )
    if container.inputs.get("restart") != "unless-stopped":
        yield Problem(f"container {alias} does not restart with its host", 'set restart to "unless-stopped"')
    options = container.inputs.get("logOpts") or {}
    kept = {"json-file": "", "syslog": "cache-"}.get(container.inputs.get("logDriver") or "", "?")
    if not {f"{kept}max-size", f"{kept}max-file"} <= set(options):
        yield Problem(
            f"Docker keeps no lines of container {alias}, or so many that they can fill the disk",
            'set log_driver to "json-file" and log_opts max-size and max-file; to "syslog", cache-max-size and -file',
        )
    if not options.get("syslog-address", LOCAL_LOGS).startswith(LOCAL_LOGS):
        yield Problem(f"container {alias} logs in plain text to another machine", f"begin it with {LOCAL_LOGS}")


def durations_are_canonical(container: Resource) -> Problems:
    """The provider returns `1m0s` for `60s`, so every refresh would report a difference."""
    check = container.inputs.get("healthcheck") or {}
    for key in ("interval", "timeout", "startPeriod"):
        if not DURATION.fullmatch(check.get(key) or ""):
            yield Problem(
                f"container {container.inputs['hostname']} has the duration {check.get(key)} for healthcheck.{key}",
                "write it as the Docker host returns it: 1m0s, not 60s",
            )


def name_and_labels_are_of_stack(resource: Resource) -> Problems:
    stack, name = stack_of(resource), resource.inputs["name"]
    labels = {label["label"]: label["value"] for label in resource.inputs.get("labels") or ()}
    expected = {"org.ohif.project": PROJECT, "org.ohif.stack": stack}
    if labels != expected:
        yield Problem(f"{name} has the labels {labels}", f"use the stack's labels: {expected}")
    if not name.startswith(f"{PROJECT}-{stack}-"):
        yield Problem(f"{name} could collide with another stack", f"begin its name with {PROJECT}-{stack}-")


def only_gateway_publishes_ports(container: Resource) -> Problems:
    ports = container.inputs.get("ports") or ()
    if container.inputs["hostname"] == "logs" and all(
        (it.get("ip"), it.get("protocol")) == ("127.0.0.1", "udp") for it in ports
    ):
        return
    if ports and container.inputs["hostname"] != "gateway":
        yield Problem(
            f"container {container.inputs['hostname']} publishes a port, and only the gateway may",
            "remove ports; add a route to access.py instead",
        )


def names_are_unique(resources: Sequence[Resource]) -> Problems:
    for token in (CONTAINER, NETWORK, DOCKER_VOLUME):
        for name, count in Counter(
            it.inputs["name"] for it in of_type(resources, token) if "name" in set(it.inputs)
        ).items():
            if count > 1:
                yield Problem(f"{count} resources of type {token} are named {name}", "give each its own name")


def memory_fits_small_host(resources: Sequence[Resource]) -> Problems:
    known = [it.inputs for it in of_type(resources, CONTAINER) if {"hostname", "memory"} <= set(it.inputs)]
    total = sum(it["memory"] for it in known if it["hostname"] not in ARCHIVES)
    optional = sum(it["memory"] for it in known if it["hostname"] in OPTIONAL)
    limit = MEMORY_WITHOUT_ARCHIVE_MIB + optional
    if total > limit:
        yield Problem(
            f"the containers without the archive may take {total:.0f} MiB together",
            f"lower their limits to {limit:.0f} MiB in total",
        )


RULES: tuple[AnyRule, ...] = (
    Rule("image-is-pinned", "Images have an exact version or a digest.", (IMAGE,), image_is_pinned),
    Rule("image-is-kept", "Images stay on the host when the stack is destroyed.", (IMAGE,), image_is_kept),
    Rule("container-memory", "Containers have a memory limit without swap.", (CONTAINER,), container_has_memory_limit),
    Rule("container-host", "Containers have no access to their host.", (CONTAINER,), container_has_no_host_access),
    Rule("container-hardened", "Containers drop all privileges they can.", (CONTAINER,), container_is_hardened),
    Rule("container-user", "Containers do not run as root.", (CONTAINER,), container_is_not_root),
    Rule("container-supervised", "Containers are checked and restarted.", (CONTAINER,), container_is_supervised),
    Rule("container-durations", "Durations survive a refresh.", (CONTAINER,), durations_are_canonical),
    Rule(
        "docker-names",
        "Names and labels contain the stack.",
        (CONTAINER, NETWORK, DOCKER_VOLUME),
        name_and_labels_are_of_stack,
    ),
    Rule(
        "published-ports",
        "Only the gateway publishes ports that others reach.",
        (CONTAINER,),
        only_gateway_publishes_ports,
    ),
    StackRule("unique-names", "Names on the Docker host are unique.", names_are_unique),
    StackRule("total-memory", "A host with 4 GiB next to the archive is enough.", memory_fits_small_host),
)
