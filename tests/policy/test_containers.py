"""Containers in every combination of settings: what depends on the settings or on secrets.

What holds for every container anyway is in policy/containers.py; test_rules.py checks it.
"""

import re

from tests.program.cases import Case
from tests.program.harness import Deployment, Resource

SIZE = re.compile(r"\bsize=(\d+)m\b")

ALWAYS = {"gateway", "auth-proxy", "sessions", "keycloak", "keycloak-db", "viewer"}
OF_THE_ARCHIVE = {"orthanc": {"orthanc", "orthanc-db"}, "dcm4chee": {"dcm4chee", "dcm4chee-db", "dcm4chee-ldap"}}


def containers(deployment: Deployment) -> list[Resource]:
    return deployment.of_type("Container")


def test_containers_are_the_known_ones(case: Case, deployment: Deployment) -> None:
    actual = {
        "certificate": case.issued,
        "dns-updater": case.chose("duckdns"),
        "logs": "logs" in case.config,
    }
    backup = {"backup", *(f"{it}-dump" for it in case.dumped)} if case.dumped else set()
    expected = ALWAYS | OF_THE_ARCHIVE[case.archive] | backup | {alias for alias, wanted in actual.items() if wanted}
    assert {it.inputs["hostname"] for it in containers(deployment)} == {
        it for it in expected if not it.endswith("-db") or it in case.databases
    }


def test_backups_wait_for_the_others(case: Case, deployment: Deployment) -> None:
    waiting = {it.inputs["hostname"] for it in containers(deployment) if it.inputs.get("cpuShares")}
    assert waiting == ({"backup", *(f"{it}-dump" for it in case.dumped)} if case.dumped else set())


def test_memory_limits_are_the_defaults_or_the_setting(case: Case, deployment: Deployment) -> None:
    most = {"orthanc": 2048, "dcm4chee": 2048}
    for it in containers(deployment):
        actual = case.config.get("archiveMemory") if it.inputs["hostname"] == case.archive else None
        assert it.inputs["memory"] <= (actual or most.get(it.inputs["hostname"], 1024)), it.urn


def test_what_is_kept_in_memory_leaves_most_of_it_to_the_program(deployment: Deployment) -> None:
    """A tmpfs counts towards the container's limit; without a size it may be half of the machine's memory."""
    for it in containers(deployment):
        assert it.inputs["tmpfs"], it.urn
        sizes = [SIZE.search(options) for options in it.inputs["tmpfs"].values()]
        assert all(sizes), it.urn
        assert sum(int(size[1]) for size in sizes if size) <= it.inputs["memory"] / 4, it.urn


def test_no_container_chooses_a_network_mode(deployment: Deployment) -> None:
    """The rule has to allow the provider's own default, which is no input of the program."""
    for it in containers(deployment):
        assert not it.inputs.get("networkMode"), it.urn


def test_no_healthcheck_shows_a_secret_in_the_list_of_processes(deployment: Deployment) -> None:
    for it in containers(deployment):
        for word in [
            *it.inputs["healthcheck"]["tests"],
            *it.inputs.get("command", []),
            *it.inputs.get("entrypoints", []),
        ]:
            assert "S3cret." not in word, it.urn


def test_known_problem_22_no_port_but_the_gateways(deployment: Deployment) -> None:
    reached = {
        it.inputs["hostname"]
        for it in containers(deployment)
        for port in it.inputs["ports"]
        if (port.get("ip"), port.get("protocol")) != ("127.0.0.1", "udp")
    }
    assert reached == {"gateway"}


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
    certificates = {"certificate": {"/etc/letsencrypt": "ohif-dev-certificates"}}
    gateway = {
        **({"/certificates": "ohif-dev-certificates"} if case.issued else {}),
        **({"/var/tmp": "ohif-dev-audit"} if "auditDays" in case.config else {}),
    }
    files = {"orthanc": "ohif-dev-orthanc", "dcm4chee": "ohif-dev-dcm4chee"}
    backup = {
        **{f"{it}-dump": {"/dumps": "ohif-dev-dumps"} for it in case.dumped},
        "backup": {
            "/var/lib/backup": "ohif-dev-backup",
            "/dumps": "ohif-dev-dumps",
            "/data/archive": files[case.archive],
            **({"/data/certificates": "ohif-dev-certificates"} if case.issued else {}),
            **({"/repository": "ohif-dev-repository"} if case.chose("folder") else {}),
        },
    }
    logs = {"logs": {"/var/lib/syslog-ng": "ohif-dev-logs", "/audit": "ohif-dev-audit"}}
    assert mounted == {
        **(logs if "logs" in case.config else {}),
        "sessions": {"/data": "ohif-dev-sessions"},
        **(backup if case.dumped else {}),
        **(certificates if case.issued else {}),
        **({"gateway": gateway} if gateway else {}),
        **{
            alias: volumes
            for alias, volumes in {
                "keycloak-db": {"/var/lib/postgresql/data": "ohif-dev-keycloak-db"},
                **of_the_archive[case.archive],
            }.items()
            if not alias.endswith("-db") or alias in case.databases
        },
    }
