"""Rules for every container, image and network, in every combination of settings."""

import re

from tests.program.cases import Case
from tests.program.harness import Deployment, Resource

VERSION = re.compile(r"(?:.*/)?[^/:@]+:v?\d+\.\d+[\w.-]*(?:@sha256:[0-9a-f]{64})?")
DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
SIZE = re.compile(r"\bsize=(\d+)m\b")

ALWAYS = {"gateway", "auth-proxy", "sessions", "keycloak", "keycloak-db", "viewer"}
OF_THE_ARCHIVE = {"orthanc": {"orthanc", "orthanc-db"}, "dcm4chee": {"dcm4chee", "dcm4chee-db", "dcm4chee-ldap"}}

AS_ROOT = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"}
STARTS_AS_ROOT = {"dcm4chee-ldap": AS_ROOT, "dcm4chee": AS_ROOT | {"CAP_SYS_CHROOT"}}
"""Images that cannot do without, and what they may do until they are their own user: docs/security.md says why."""

ROOT_WITHOUT_PRIVILEGES = {"certificate"}
"""certbot, on a volume that root owns; it has no capability, so it is root in name only."""
NOT_WAITED_FOR = {"certificate"}
"""The program asks it how it went, for an answer in words."""

KEPT_BY_THE_ENGINE = ("Container", "Network", "docker:index/volume:Volume")

NEVER = (
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
"""Inputs that open a container to its machine, or go round the program's own way of doing it."""


def containers(deployment: Deployment) -> list[Resource]:
    return deployment.of_type("Container")


def test_containers_are_the_known_ones(case: Case, deployment: Deployment) -> None:
    told = {"certificate": case.issued, "dns-updater": case.chose("duckdns")}
    expected = ALWAYS | OF_THE_ARCHIVE[case.archive] | {alias for alias, wanted in told.items() if wanted}
    assert {it.inputs["hostname"] for it in containers(deployment)} == expected


def test_every_image_is_pinned(deployment: Deployment) -> None:
    for it in deployment.of_type("RemoteImage"):
        name = it.inputs["name"]
        assert VERSION.fullmatch(name) or DIGEST.fullmatch(name), name


def test_no_image_is_taken_from_the_machine_with_the_stack(deployment: Deployment) -> None:
    for it in deployment.of_type("RemoteImage"):
        assert it.inputs["keepLocally"] is True, it.urn
        assert "forceRemove" not in it.inputs, it.urn


def test_every_container_has_a_limit(case: Case, deployment: Deployment) -> None:
    most = {"orthanc": 1024, "dcm4chee": 2048}
    for it in containers(deployment):
        told = case.config.get("archiveMemory") if it.inputs["hostname"] == case.archive else None
        assert 64 <= it.inputs["memory"] <= (told or most.get(it.inputs["hostname"], 1024)), it.urn
        assert it.inputs["memorySwap"] == it.inputs["memory"], it.urn


def test_what_runs_beside_the_archive_fits_a_small_machine(case: Case, deployment: Deployment) -> None:
    beside = [it for it in containers(deployment) if it.inputs["hostname"] != case.archive]
    # DCM4chee, on a larger machine, has a directory too.
    assert sum(it.inputs["memory"] for it in beside) <= (3584 if case.archive == "dcm4chee" else 3328)


def test_what_is_kept_in_memory_leaves_most_of_it_to_the_program(deployment: Deployment) -> None:
    """A tmpfs counts towards the container's limit; without a size it may be half of the machine's memory."""
    for it in containers(deployment):
        assert it.inputs["tmpfs"], it.urn
        sizes = [SIZE.search(options) for options in it.inputs["tmpfs"].values()]
        assert all(sizes), it.urn
        assert sum(int(size[1]) for size in sizes if size) <= it.inputs["memory"] / 4, it.urn


def test_no_container_is_open_to_its_machine(deployment: Deployment) -> None:
    for it in containers(deployment):
        assert not [key for key in NEVER if it.inputs.get(key)], it.urn
        for volume in it.inputs["volumes"]:
            assert set(volume) <= {"containerPath", "volumeName", "readOnly"}, it.urn


def test_every_container_is_hardened(deployment: Deployment) -> None:
    for it in containers(deployment):
        added = STARTS_AS_ROOT.get(it.inputs["hostname"], set())
        assert it.inputs["capabilities"]["drops"] == ["ALL"], it.urn
        assert set(it.inputs["capabilities"]["adds"]) == added, it.urn
        assert it.inputs["securityOpts"] == ["no-new-privileges:true"], it.urn
        assert it.inputs["init"] is True, it.urn


def test_nobody_is_root(deployment: Deployment) -> None:
    for it in containers(deployment):
        if it.inputs["hostname"] in STARTS_AS_ROOT:
            assert it.inputs.get("user") is None, it.urn
            continue
        if it.inputs["hostname"] in ROOT_WITHOUT_PRIVILEGES:
            assert it.inputs["capabilities"] == {"drops": ["ALL"], "adds": []}, it.urn
            continue
        user, _, _ = it.inputs["user"].partition(":")
        assert user not in ("", "0", "root"), it.urn


def test_every_container_is_watched_comes_back_and_keeps_its_log_short(deployment: Deployment) -> None:
    for it in containers(deployment):
        check = it.inputs["healthcheck"]
        assert check["tests"][0] == "CMD", it.urn
        assert check["retries"] >= 3, it.urn
        assert it.inputs["wait"] is (it.inputs["hostname"] not in NOT_WAITED_FOR), it.urn
        assert it.inputs["restart"] == "unless-stopped", it.urn
        assert {"max-size", "max-file"} <= set(it.inputs["logOpts"]), it.urn


def test_durations_are_written_as_the_engine_gives_them_back(deployment: Deployment) -> None:
    """Else each refresh sees a difference: `1m0s`, not `60s`."""
    for it in containers(deployment):
        check = it.inputs["healthcheck"]
        for key in ("interval", "timeout", "startPeriod"):
            assert re.fullmatch(r"(\d+m)?[1-5]?\ds", check[key]), (it.urn, check[key])


def test_no_healthcheck_shows_a_secret_in_the_list_of_processes(deployment: Deployment) -> None:
    for it in containers(deployment):
        for word in [
            *it.inputs["healthcheck"]["tests"],
            *it.inputs.get("command", []),
            *it.inputs.get("entrypoints", []),
        ]:
            assert "S3cret." not in word, it.urn


def test_pain_22_no_port_but_the_gateways(deployment: Deployment) -> None:
    assert [it.inputs["hostname"] for it in containers(deployment) if it.inputs["ports"]] == ["gateway"]


def test_everything_that_the_engine_keeps_has_the_stacks_name_and_labels(deployment: Deployment) -> None:
    for kind in KEPT_BY_THE_ENGINE:
        for it in deployment.of_type(kind):
            labels = {label["label"]: label["value"] for label in it.inputs["labels"]}
            assert labels == {"org.ohif.project": "ohif", "org.ohif.stack": "dev"}, it.urn
            assert it.inputs["name"].startswith("ohif-dev-"), it.urn


def test_names_that_the_engine_knows_are_unique(deployment: Deployment) -> None:
    for kind in KEPT_BY_THE_ENGINE:
        names = [it.inputs["name"] for it in deployment.of_type(kind)]
        assert len(set(names)) == len(names)


def test_data_is_on_a_volume(case: Case, deployment: Deployment) -> None:
    mounted = {
        it.inputs["hostname"]: {volume["containerPath"]: volume["volumeName"] for volume in it.inputs["volumes"]}
        for it in containers(deployment)
        if it.inputs["volumes"]
    }
    of_the_archive = {
        "orthanc": {
            "orthanc-db": {"/var/lib/postgresql/data": "ohif-dev-orthanc-db"},
            "orthanc": {"/var/lib/orthanc/db": "ohif-dev-orthanc"},
        },
        "dcm4chee": {
            "dcm4chee-db": {"/var/lib/postgresql/data": "ohif-dev-dcm4chee-db"},
            "dcm4chee-ldap": {
                "/var/lib/openldap/openldap-data": "ohif-dev-dcm4chee-ldap",
                "/etc/openldap/slapd.d": "ohif-dev-dcm4chee-ldap-settings",
            },
            "dcm4chee": {"/storage": "ohif-dev-dcm4chee"},
        },
    }
    certificates = {
        "certificate": {"/etc/letsencrypt": "ohif-dev-certificates"},
        "gateway": {"/certificates": "ohif-dev-certificates"},
    }
    assert mounted == {
        **(certificates if case.issued else {}),
        "keycloak-db": {"/var/lib/postgresql/data": "ohif-dev-keycloak-db"},
        **of_the_archive[case.archive],
    }
