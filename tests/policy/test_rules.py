"""The policy rules over all resources of every combination of settings, and a violation of each rule."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from policy import rule as tokens
from policy.rule import AnyRule, Rule
from policy.rules import RULES
from tests.program.cases import FACTORS, Case, prod
from tests.program.harness import Deployment, Resource

BY_NAME = {rule.name: rule for rule in RULES}
Change = Callable[[dict[str, Any]], object]


@functools.cache
def obedient() -> tuple[Resource, ...]:
    """Resources that follow all rules, every type among them."""
    federation = {**FACTORS["directory"]["active-directory"], **FACTORS["providers"]["providers"]}
    return tuple(prod(**federation, **FACTORS["audit"]["log-server"]).resources)


def test_every_combination_follows_every_rule(deployment: Deployment) -> None:
    found = [f"{rule.name}: {it.urn} {it}" for rule in RULES for it in rule.problems(deployment.resources)]
    assert found == []


def test_rules_have_distinct_names_and_full_sentences() -> None:
    assert len(BY_NAME) == len(RULES)
    for rule in RULES:
        assert rule.description.endswith("."), rule.name


@pytest.mark.parametrize("rule", [it for it in RULES if isinstance(it, Rule)], ids=lambda rule: rule.name)
def test_every_rule_applies_to_something(rule: Rule) -> None:
    """A misspelled type token would make a rule hold for nothing."""
    assert set(rule.types) <= {it.type for it in obedient()}


@dataclass(frozen=True)
class Violation:
    """A change to resources that obey all rules, after which one rule must report it."""

    rule: str
    type: str
    change: Change | None
    """`None` removes the resource."""
    problem: str
    """Part of the message."""
    only: str | None = None
    """Host name of the container to change; by default the first resource of the type."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.problem}"

    def applied(self, resources: tuple[Resource, ...]) -> list[Resource]:
        """The resources with the change made to one of them."""
        changed = next(
            it for it in resources if it.type == self.type and self.only in (None, it.inputs.get("hostname"))
        )
        if self.change is None:
            return [it for it in resources if it is not changed]
        inputs = copy.deepcopy(changed.inputs)
        self.change(inputs)
        return [replace(it, marked_inputs=inputs) if it is changed else it for it in resources]


def put(*path: str, value: Any) -> Change:
    """Set a value at a path; `...` removes it."""

    def change(inputs: dict[str, Any]) -> None:
        for key in path[:-1]:
            inputs = inputs[key]
        if value is ...:
            del inputs[path[-1]]
        else:
            inputs[path[-1]] = value

    return change


def container(rule: str, *path: str, value: Any, problem: str, only: str = "keycloak") -> Violation:
    return Violation(rule, tokens.CONTAINER, put(*path, value=value), problem, only)


def realm(rule: str, *path: str, value: Any, problem: str) -> Violation:
    return Violation(rule, tokens.REALM, put(*path, value=value), problem)


def client(rule: str, *path: str, value: Any, problem: str) -> Violation:
    return Violation(rule, tokens.CLIENT, put(*path, value=value), problem)


ORIGIN = "https://pacs.example.org"
BRUTE_FORCE = ("securityDefenses", "bruteForceDetection")
VIOLATIONS = [
    Violation("image-is-pinned", tokens.IMAGE, put("name", value="nginx:latest"), "no exact version"),
    Violation("image-is-pinned", tokens.IMAGE, put("name", value="nginx"), "no exact version"),
    Violation("image-is-kept", tokens.IMAGE, put("keepLocally", value=...), "other stacks"),
    Violation("image-is-kept", tokens.IMAGE, put("forceRemove", value=True), "other stacks"),
    container("container-memory", "memory", value=..., problem="no usable memory limit"),
    container("container-memory", "memory", value=4096.0, problem="may take 4096 MiB"),
    container("container-memory", "memorySwap", value=-1.0, problem="may swap"),
    container("container-host", "privileged", value=True, problem="sets privileged"),
    container("container-host", "networkMode", value="host", problem="sets networkMode"),
    container("container-host", "volumes", value=[{"hostPath": "/", "containerPath": "/x"}], problem="with hostPath"),
    container("container-hardened", "capabilities", "drops", value=[], problem="keeps capabilities"),
    container("container-hardened", "capabilities", "adds", value=["CAP_SYS_ADMIN"], problem="adds the capabilities"),
    container("container-hardened", "securityOpts", value=["seccomp=unconfined"], problem="can gain privileges"),
    container("container-hardened", "init", value=..., problem="no init process"),
    container("container-user", "user", value="0:0", problem="runs as root"),
    container("container-user", "user", value=..., problem="runs as root"),
    container(
        "container-user", "capabilities", "adds", value=["CAP_CHOWN"], problem="is root with", only="certificate"
    ),
    container("container-user", "hostname", value="dcm4chee", problem="cannot start as"),
    container("container-supervised", "healthcheck", "tests", value=["CMD-SHELL", "true"], problem="health check"),
    container("container-supervised", "healthcheck", "retries", value=1.0, problem="too soon"),
    container("container-supervised", "wait", value=False, problem="starts its dependents"),
    container("container-supervised", "wait", value=True, problem="starts its dependents", only="certificate"),
    container("container-supervised", "restart", value="no", problem="does not restart"),
    container("container-supervised", "logOpts", value={"max-size": "20m"}, problem="can fill the disk"),
    container("container-supervised", "logDriver", value="none", problem="Docker keeps no lines"),
    container(
        "container-supervised",
        "logOpts",
        value={"max-size": "20m", "max-file": "5", "syslog-address": "udp://192.0.2.1:514"},
        problem="in plain text to another machine",
    ),
    container("container-durations", "healthcheck", "interval", value="60s", problem="the duration 60s"),
    container("docker-names", "labels", value=[], problem="has the labels"),
    container("docker-names", "name", value="keycloak", problem="could collide"),
    Violation("docker-names", tokens.NETWORK, put("labels", value=[]), "has the labels"),
    Violation("docker-names", tokens.DOCKER_VOLUME, put("name", value="ohif-dev-orthanc"), "could collide"),
    container("published-ports", "ports", value=[{"internal": 8080, "external": 8080}], problem="only the gateway may"),
    container(
        "published-ports",
        "ports",
        value=[{"ip": "0.0.0.0", "internal": 5514, "external": 5514, "protocol": "udp"}],
        problem="only the gateway may",
        only="logs",
    ),
    container("unique-names", "name", value="ohif-prod-gateway", problem="are named ohif-prod-gateway"),
    container("total-memory", "memory", value=3000.0, problem="may take"),
    client("redirect-uris", "validRedirectUris", value=[f"{ORIGIN}/*"], problem="contains a wildcard"),
    client("redirect-uris", "validRedirectUris", value=[f"{ORIGIN}/oauth2/callback"] * 2, problem="the redirect URIs"),
    client("redirect-uris", "validPostLogoutRedirectUris", value=["https://evil.example/"], problem="after logout"),
    client("redirect-uris", "webOrigins", value=["+"], problem="cross-origin"),
    client("client", "accessType", value="PUBLIC", problem="has no secret"),
    client("client", "pkceCodeChallengeMethod", value="plain", problem="PKCE"),
    client("client", "standardFlowEnabled", value=False, problem="authorization code"),
    client("client", "directAccessGrantsEnabled", value=True, problem="directAccessGrantsEnabled"),
    Violation("token-roles", tokens.ROLE_MAPPER, put("multivalued", value=False), "only one role"),
    realm("lifespans", "accessTokenLifespan", value="1h0m0s", problem="more than 15 minutes"),
    realm("lifespans", "ssoSessionIdleTimeout", value="0h1m0s", problem="do not fit"),
    realm("lifespans", "ssoSessionMaxLifespan", value="36000s", problem="provider's own form"),
    realm("brute-force", *BRUTE_FORCE, "maxLoginFailures", value=100.0, problem="too weak"),
    realm("brute-force", *BRUTE_FORCE, value=..., problem="too weak"),
    realm("brute-force", *BRUTE_FORCE, "quickLoginCheckMilliSeconds", value=1000.0, problem="quick succession"),
    realm("brute-force", *BRUTE_FORCE, "permanentLockout", value=True, problem="for good"),
    realm("realm-closed", "registrationAllowed", value=True, problem="registrationAllowed"),
    realm("realm-closed", "resetPasswordAllowed", value=True, problem="without a mail server"),
    realm("realm-closed", "passwordPolicy", value="length(4)", problem="short passwords"),
    realm("framing", "securityDefenses", "headers", "xFrameOptions", value="ALLOW", problem="frame"),
    Violation("audit", tokens.REALM_EVENTS, put("eventsEnabled", value=False), "not recorded"),
    Violation("audit", tokens.REALM_EVENTS, put("enabledEventTypes", value=["LOGIN_ERROR"]), "typed user name"),
    Violation("audit", tokens.REALM_EVENTS, put("adminEventsDetailsEnabled", value=True), "personal data"),
    Violation("default-roles", tokens.USER_ROLES, put("exhaustive", value=True), "default roles"),
    Violation("directory", tokens.LDAP, put("connectionUrl", value="ldap://dc1"), "unencrypted"),
    Violation("directory", tokens.LDAP, put("useTruststoreSpi", value="NEVER"), "not checked"),
    Violation("directory", tokens.LDAP, put("editMode", value="WRITABLE"), "may write"),
    Violation("login-provider", tokens.LOGIN_PROVIDER, put("validateSignature", value=False), "not verified"),
    Violation("login-provider", tokens.LOGIN_PROVIDER, put("tokenUrl", value="http://x/"), "tokenUrl"),
    Violation("login-provider", tokens.LOGIN_PROVIDER, put("syncMode", value="IMPORT"), "takes away"),
    Violation("login-provider", tokens.LOGIN_PROVIDER, put("trustEmail", value=True), "mail address"),
    client("origin", "validRedirectUris", value=["http://pacs.example.org/oauth2/callback"], problem="is not below"),
    client("origin", "validRedirectUris", value=[f"{ORIGIN}.evil.example/oauth2/callback"], problem="is not below"),
    realm("origin", "sslRequired", value="none", problem="requires HTTPS for 'none'"),
    Violation("firewall", tokens.FIREWALL, put("inboundPolicy", value="ACCEPT"), "without a rule"),
    Violation("firewall", tokens.FIREWALL, put("outboundPolicy", value="DROP"), "no egress"),
    Violation("firewall", tokens.FIREWALL, lambda it: it["inbounds"][0].update(protocol="UDP"), "ACCEPT for TCP"),
    Violation("firewall", tokens.FIREWALL, lambda it: it["inbounds"][0].pop("ipv4s"), "names no sources"),
    Violation("firewall", tokens.FIREWALL, lambda it: it["inbounds"][0].update(label="x"), "rejected by Linode"),
    Violation("firewall", tokens.FIREWALL, lambda it: it["inbounds"].append(it["inbounds"][0]), "rules open port"),
    Violation("firewall-first", tokens.FIREWALL, put("linodes", value=[13.0]), "after the VM"),
    Violation("vm-firewall", tokens.INSTANCE, put("firewallId", value=...), "without a firewall"),
    Violation("vm-access", tokens.INSTANCE, put("authorizedKeys", value=["ssh-ed25519 AAAA"]), "as root"),
    Violation("encryption", tokens.INSTANCE, put("diskEncryption", value="disabled"), "unencrypted"),
    Violation("encryption", tokens.LINODE_VOLUME, put("encryption", value=...), "unencrypted"),
    Violation("linode-names", tokens.INSTANCE, put("label", value="pacs"), "could collide"),
    Violation("linode-names", tokens.LINODE_VOLUME, put("label", value="ohif-prod-" + "x" * 30), "rejects the label"),
    Violation("linode-names", tokens.FIREWALL, put("tags", value=["ohif"]), "stack's tags"),
    Violation("one-firewall", tokens.FIREWALL, None, "not exactly one"),
]


def test_every_rule_is_seen_to_fail() -> None:
    assert {it.rule for it in VIOLATIONS} == set(BY_NAME)


@pytest.mark.parametrize("violation", VIOLATIONS, ids=str)
def test_violation_is_reported_with_its_fix(violation: Violation) -> None:
    rule: AnyRule = BY_NAME[violation.rule]
    resources = obedient()
    assert rule.problems(resources) == []
    changed = violation.applied(resources)
    messages = [str(it) for it in rule.problems(changed)]
    assert any(violation.problem in message for message in messages), messages
    for message in messages:
        problem, fix = message.split(". Fix: ")
        assert problem and len(fix) > len("set x."), message
    if isinstance(rule, Rule):
        assert all(it.urn for it in rule.problems(changed))


def test_archive_memory_of_a_setting_is_no_violation(case: Case, deployment: Deployment) -> None:
    """`ohif:archiveMemory` may exceed the default; test_containers.py holds the exact limits."""
    if case.config.get("archiveMemory", 0) > 2048:
        assert BY_NAME["container-memory"].problems(deployment.resources) == []
