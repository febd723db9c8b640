"""The whole program, in every combination of settings, as the engine sees it."""

import base64
import binascii
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.public_name.certificate import SCRIPT
from settings import ConfigurationError
from tests.program.cases import CASES, COUPLED, ENVIRONMENT, FACTORS, PROD, SLOTS, Case, fits, merged
from tests.program.harness import (
    ROOT,
    SECRET_KEY,
    UNKNOWN,
    VM_ADDRESS,
    Deployment,
    Resource,
    is_secret,
    load_settings,
    open_texts,
    run_program,
    stack_config,
)

URNS = Path(__file__).parent
DEV = stack_config(ROOT / "Pulumi.dev.yaml")
STACK_FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("tests/*/Pulumi.*.yaml")])
VOLUMES_OF = {
    "orthanc": ("orthanc", "orthanc-db"),
    "dcm4chee": ("dcm4chee", "dcm4chee-db", "dcm4chee-ldap", "dcm4chee-ldap-settings"),
}
"""What each archive keeps, by the last part of the volumes' names."""
BASE64_WORD = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}")


def test_every_two_settings_meet_in_a_case() -> None:
    met = {pair for case in CASES for pair in itertools.combinations(case.choices, 2)}
    for one, other in itertools.combinations(FACTORS, 2):
        for pair in itertools.product(FACTORS[one], FACTORS[other]):
            items = tuple(zip((one, other), pair, strict=True))
            if {one, other} <= set(COUPLED):
                assert (items in met) == any(set(items) <= set(option) for option in SLOTS["coupled"]), items
            else:
                assert items in met


def test_left_out_is_what_the_settings_refuse() -> None:
    for choices in itertools.product(*(FACTORS[factor] for factor in COUPLED)):
        items = tuple(zip(COUPLED, choices, strict=True))
        try:
            load_settings(merged(items), ENVIRONMENT)
        except ConfigurationError:
            assert not fits(items), items
        else:
            assert fits(items), items


def test_every_child_has_a_component_for_parent(deployment: Deployment) -> None:
    components = {it.urn for it in deployment.resources if it.type.startswith("ohif:index:")}
    for it in deployment.resources:
        if it.custom:
            assert it.parent in components, it.urn


def test_names_are_unique_and_start_with_the_parents(deployment: Deployment) -> None:
    names = {it.urn: it.name for it in deployment.resources}
    assert len(names) == len(deployment.resources)
    assert len({(it.type, it.name) for it in deployment.resources}) == len(deployment.resources)
    for it in deployment.resources:
        if it.parent in names:
            assert it.name.startswith(f"{names[it.parent]}-"), it.urn


def test_component_registers_its_outputs(deployment: Deployment) -> None:
    for it in deployment.resources:
        if not it.custom:
            assert it.urn in deployment.marked_outputs, it.urn


def test_no_default_provider(deployment: Deployment) -> None:
    for it in deployment.resources:
        if it.custom and not it.type.startswith("pulumi:providers:"):
            provider = deployment.resource(it.provider.rpartition("::")[0])
            assert provider.type == f"pulumi:providers:{it.type.partition(':')[0]}", it.urn


def test_data_volumes_are_protected_exactly_when_configured(case: Case, deployment: Deployment) -> None:
    actual = case.config["protectData"]
    of_backups = {"ohif-dev-backup", "ohif-dev-dumps", *(["ohif-dev-repository"] if case.chose("folder") else [])}
    of_logs = ["ohif-dev-logs"] if "logs" in case.config else []
    working = {"ohif-dev-sessions", *of_logs, *(of_backups if case.dumped else [])}
    every = deployment.of_type("docker:index/volume:Volume")
    volumes = [it for it in every if it.inputs["name"] not in working]
    may_leave = [*(["certificates"] if case.issued else []), *(["audit"] if "auditDays" in case.config else [])]
    assert {it.inputs["name"] for it in volumes} == {
        f"ohif-dev-{thing}"
        for thing in ("keycloak-db", *VOLUMES_OF[case.archive], *may_leave)
        if not thing.endswith("-db") or thing in case.databases
    }
    assert len(every) - len(volumes) == len(working)
    disks, zones = deployment.of_type("linode:index/volume:Volume"), deployment.of_type("Domain")
    assert (len(disks), len(zones)) == (case.chose("linode"), case.chose("new-zone"))
    for it in deployment.resources:
        kept = actual and it in [*volumes, *disks, *zones]
        # Another domain, or HTTP again, is one `up`: what stays behind then is kept, and nothing stands in the way.
        may = it in zones or str(it.inputs.get("name")).removeprefix("ohif-dev-") in may_leave
        assert (it.protect, it.retain_on_delete) == (kept and not may, kept), it.urn


def test_what_keycloak_holds_goes_with_its_database(case: Case, deployment: Deployment) -> None:
    kind, name = ("Volume", "volume") if case.databases else ("Network", "network")
    lasts_with = deployment.one(kind, f"keycloak-database-{name}")
    held = [it for it in deployment.resources if it.type.startswith("keycloak:")]
    assert held
    for it in held:
        assert it.deleted_with == lasts_with.urn, it.urn


def test_realm_is_made_when_keycloak_and_gateway_are_healthy(deployment: Deployment) -> None:
    provider = deployment.one("pulumi:providers:keycloak")
    assert {deployment.container("keycloak").urn, deployment.container("gateway").urn} <= provider.dependencies
    assert provider.inputs["initialLogin"] == "false"


def test_service_starts_after_its_database(case: Case, deployment: Deployment) -> None:
    for database in case.databases:
        assert deployment.container(database).urn in deployment.container(database.removesuffix("-db")).dependencies


def words(texts: Iterator[str]) -> Iterator[str]:
    """Texts, and what is written in them in base64."""
    for text in texts:
        yield text
        for word in BASE64_WORD.findall(text):
            try:
                yield base64.b64decode(word, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue


def test_no_secret_travels_in_the_open(case: Case, deployment: Deployment) -> None:
    assert len(deployment.secrets) >= 5 + len(case.databases)
    places = {it.urn: it.marked_inputs for it in deployment.resources} | deployment.marked_outputs
    for urn, values in places.items():
        for text in words(open_texts(values)):
            assert "S3cret." not in text, urn
            assert "PRIVATE KEY" not in text, urn


def test_every_secret_is_used_and_generated_again(deployment: Deployment) -> None:
    assert len(set(deployment.secrets.values())) == len(deployment.secrets)
    everything = str([it.inputs for it in deployment.resources]) + str(deployment.stack_outputs)
    encoded = " ".join(words(iter([everything])))
    for name, value in deployment.secrets.items():
        assert value in encoded, name


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"a": ["S3cret.x"]}, True),
        ({"a": {"b": "Basic " + base64.b64encode(b"gateway:S3cret.x").decode()}}, True),
        ({"S3cret.x": 1}, True),
        ({"a": {SECRET_KEY: "1b47061264138c4ac30d75fd1eb44270", "value": "S3cret.x"}}, False),
        ({"a": "plain"}, False),
    ],
)
def test_search_for_secrets_finds_them(values: object, found: bool) -> None:
    assert any("S3cret." in text for text in words(open_texts(values))) is found


def test_only_the_gateway_publishes_a_port(case: Case, deployment: Deployment) -> None:
    published = {it.inputs["hostname"]: it.inputs["ports"] for it in deployment.of_type("Container")}
    ports = published.pop("gateway")
    assert [(port["ip"], port["external"]) for port in ports] == [
        (address, port) for address in sorted(case.bound, key=lambda address: ":" in address) for port in case.ports
    ]
    # The Docker provider reads them back in this order, and engines list two bindings of one port in their own: else
    # every `up` would replace the gateway.
    inside = [port["internal"] for port in ports]
    assert inside == sorted(set(inside))
    if "logs" in case.config:
        assert published.pop("logs") == [{"internal": 5514, "external": 5515, "ip": "127.0.0.1", "protocol": "udp"}]
    assert not any(published.values()), published


def networks_of(container: Resource) -> set[str]:
    return {network["name"] for network in container.inputs["networksAdvanced"]}


def test_only_what_must_get_out_is_on_a_network_with_a_way_out(case: Case, deployment: Deployment) -> None:
    outside = {it.inputs["name"] for it in deployment.of_type("Network") if not it.inputs["internal"]}
    assert outside == {"ohif-dev-edge"} | case.databases_elsewhere
    containers = deployment.of_type("Container")
    for network in case.databases_elsewhere:
        service = network.removeprefix("ohif-dev-").removesuffix("-external-db")
        on_it = {it.inputs["hostname"] for it in containers if network in networks_of(it)}
        assert on_it == {service, *({f"{service}-db-dump"} & {f"{it}-dump" for it in case.dumped})}
    on_it = {it.inputs["hostname"] for it in containers if "ohif-dev-edge" in networks_of(it)}
    # A SAML provider's messages come and go by browsers.
    asked = [it for it in case.config.get("loginProviders", []) if "issuer" in it]
    may = {
        "keycloak": bool({"smtp", "directory"} & case.config.keys() or asked),
        "certificate": case.issued,
        "dns-updater": case.chose("duckdns"),
    }
    may |= {"backup": case.chose("s3", "sftp"), "logs": "logs" in case.config}
    assert on_it == {"gateway"} | {alias for alias, does in may.items() if does}


def test_database_shares_its_network_with_its_service_only(case: Case, deployment: Deployment) -> None:
    containers = deployment.of_type("Container")
    archive = {thing for thing in VOLUMES_OF[case.archive] if not thing.endswith("settings")}
    databases = [({"keycloak-db"}, "keycloak"), (archive, case.archive)] if case.databases else []
    for stores, service in (*databases, ({"sessions"}, "auth-proxy")):
        networks = {network for store in stores - {service} for network in networks_of(deployment.container(store))}
        (network,) = networks
        dumps = {f"{store}-dump" for store in stores & case.dumped}
        on_it = {it.inputs["hostname"] for it in containers if network in networks_of(it)}
        assert on_it == {*stores, service, *dumps}
        for dump in dumps:
            assert networks_of(deployment.container(dump)) == {network}


def test_archive_shares_a_network_with_the_gateway_and_what_it_stores_in_only(
    case: Case, deployment: Deployment
) -> None:
    stores = f"ohif-dev-{case.archive}-{'' if case.databases else 'external-'}db"
    assert networks_of(deployment.container(case.archive)) == {"ohif-dev-archive", stores}
    containers = deployment.of_type("Container")
    on_network = {it.inputs["hostname"] for it in containers if "ohif-dev-archive" in networks_of(it)}
    assert on_network == {"gateway", case.archive}


def test_who_signs_people_in_shares_no_network_with_who_keeps_images(case: Case, deployment: Deployment) -> None:
    signs_in = networks_of(deployment.container("keycloak")) | networks_of(deployment.container("auth-proxy"))
    keeps = networks_of(deployment.container(case.archive)) | networks_of(deployment.container("viewer"))
    assert not signs_in & keeps


def test_outputs(case: Case, deployment: Deployment) -> None:
    outputs = dict(deployment.stack_outputs)
    known_hosts = outputs.pop("knownHosts", None)
    assert (known_hosts is None) == (case.config.get("target", "local") == "local")
    assert known_hosts is None or re.fullmatch(r"[\w.:\[\]-]+ ssh-ed25519 [A-Za-z0-9+/=]+", known_hosts)
    assert not is_secret(deployment.marked_stack_outputs.get("knownHosts"))
    programs = [it["name"] for it in case.config.get("programs", []) if "roles" in it]
    assert outputs.pop("programs", {}) == {name: deployment.secrets[f"secrets-program-{name}"] for name in programs}
    assert is_secret(deployment.marked_stack_outputs.get("programs")) is bool(programs)
    assert outputs.pop("backupPassword", None) == deployment.secrets.get("secrets-backup")
    assert is_secret(deployment.marked_stack_outputs.get("backupPassword")) is not case.chose("no-backup")
    assert outputs == {
        "viewerUrl": f"{case.origin}/",
        "adminUrl": f"{case.origin}/pacs-admin/",
        "consoleUrl": f"{case.origin}/keycloak/admin/master/console/",
        "credentials": {
            name: deployment.secrets[f"secrets-user-{name}"]
            for name in ["admin", *(user["name"] for user in case.config["users"])]
        },
    }
    assert is_secret(deployment.marked_stack_outputs["credentials"])


def test_programs_get_tokens_as_configured_and_nobody_else(case: Case, deployment: Deployment) -> None:
    programs = {it["name"]: it for it in case.config.get("programs", [])}
    clients = {it.inputs["clientId"]: it for it in deployment.of_type("Client") if it.inputs["clientId"] in programs}
    assert set(clients) == set(programs)
    for name, program in programs.items():
        inputs, own = clients[name].inputs, "roles" in program
        flows = {key for key, value in inputs.items() if value is True and key.endswith(("Enabled", "enabled"))}
        assert flows == {"serviceAccountsEnabled" if own else "oauth2DeviceAuthorizationGrantEnabled"}
        assert inputs["accessType"] == ("CONFIDENTIAL" if own else "PUBLIC")
        assert ("clientSecret" in inputs) is own
        given = {it.name: it.inputs for it in deployment.of_type("UserRoles")}
        roles = given.get(f"identity-program-{name}-account-roles")
        assert (roles is not None) is bool(program.get("roles"))
        assert roles is None or roles["userId"] == f"identity-program-{name}-account"
    assert ("$access_token" in deployment.container("gateway").files["/etc/ohif/nginx.conf"]) is bool(programs)
    proxy = deployment.container("auth-proxy").files["/etc/oauth2-proxy.cfg"]
    assert f"skip_jwt_bearer_tokens = {str(bool(programs)).lower()}" in proxy


def test_images_of_the_configuration_are_used(case: Case, deployment: Deployment) -> None:
    for key, actual in case.config.get("images", {}).items():
        name = actual if isinstance(actual, str) else actual["name"]
        assert deployment.container(key).inputs["image"] == f"sha256:{name}"
    keycloak = deployment.container("keycloak").inputs["command"]
    assert keycloak == (["start", "--optimized"] if "images" in case.config else ["start"])


def test_preview_before_anything_exists(case: Case, deployment: Deployment) -> None:
    """Without a token, a server or a file."""
    preview = run_program(case.config, preview=True)
    assert (preview.asked, preview.waited) == ([], [])
    assert {it.urn for it in preview.resources} == {it.urn for it in deployment.resources}
    assert preview.container("gateway").inputs["image"] == UNKNOWN
    assert preview.stack_outputs["credentials"] == UNKNOWN
    known = "host" in case.config or not case.chose("linode")
    assert preview.stack_outputs["viewerUrl"] == (f"{case.origin}/" if known else UNKNOWN)


def test_nobody_is_asked_but_the_machine_and_the_account(case: Case, deployment: Deployment) -> None:
    machines = {"local": "this machine", "server": "deploy@pacs-1.example.org", "linode": f"ohif@{VM_ADDRESS}"}
    account = {"https://api.linode.com"} if case.chose("linode") else set()
    checked = not case.chose("local") or case.issued
    assert {who for who, _ in deployment.asked} == account | ({machines[case.machine]} if checked else set())
    assert any(f"{SCRIPT} wait" in what for _, what in deployment.asked) is case.issued


def test_keycloak_is_configured_only_once_it_answers_as_browsers_see_it(case: Case, deployment: Deployment) -> None:
    """Its provider logs in once: after a replaced gateway, a new certificate and a new Keycloak."""
    ((origin, there),) = deployment.waited
    assert origin == case.origin
    made = {"keycloak-server-container", "gateway-server-container"}
    assert made | ({"certificate-keeper-container"} if case.issued else set()) <= there  # glossary: allow
    assert not any(name.startswith("identity-") for name in there - {"identity"})
    provider = deployment.one("pulumi:providers:keycloak")
    assert provider.inputs["url"] == origin
    urns = {it.name: it.urn for it in deployment.resources}
    assert {urns[name] for name in made} <= provider.dependencies


@pytest.mark.parametrize(
    "config", [PROD, {**PROD, "ssh": {**PROD["ssh"], "privateKeyFile": "/nowhere/id"}}], ids=["file", "with a key"]
)
def test_preview_of_production_has_the_whole_plan(config: dict[str, Any]) -> None:
    """For pull requests: without token, files or a server."""
    preview = run_program(config, stack="prod", preview=True)
    assert preview.asked == []
    assert {it.urn for it in preview.resources} == set((URNS / "urns-prod.txt").read_text().splitlines())
    firewall, record = preview.one("Firewall").inputs, preview.one("DomainRecord", "dns-a").inputs
    assert [rule["ports"] for rule in firewall["inbounds"]] == ["22", "80", "443"]
    assert (record["domainId"], record["target"]) == (UNKNOWN, UNKNOWN)
    assert preview.one("Instance").inputs["type"] == "g6-standard-2"
    assert preview.one("pulumi:providers:docker").inputs["host"] == UNKNOWN
    assert preview.stack_outputs["viewerUrl"] == "https://pacs.example.org/"


def test_an_update_without_a_token_makes_nothing_in_the_account() -> None:
    with pytest.raises(Exception, match=r"linode:token: is missing\. Make one at cloud\.linode\.com"):
        run_program(PROD, stack="prod")


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_stack_file_runs(file: Path) -> None:
    name = file.name.split(".")[1]
    deployment = run_program(stack_config(file), stack=name, environment=ENVIRONMENT)
    assert deployment.container("gateway").inputs["name"] == f"ohif-{name}-gateway"


@pytest.mark.parametrize(
    ("name", "stack", "config"),
    [("urns", "dev", DEV), ("urns-dcm4chee", "dev", {**DEV, "archive": "dcm4chee"}), ("urns-prod", "prod", PROD)],
    ids=["orthanc", "dcm4chee", "prod"],
)
def test_no_surprise_in_the_names_that_the_state_knows(name: str, stack: str, config: dict[str, Any]) -> None:
    """A resource that is renamed is deleted and made again. UPDATE_SNAPSHOT=1 accepts the change."""
    snapshot = URNS / f"{name}.txt"
    deployment = run_program(config, stack=stack, environment=ENVIRONMENT)
    found = "".join(f"{urn}\n" for urn in sorted(it.urn for it in deployment.resources))
    if os.environ.get("UPDATE_SNAPSHOT") == "1":
        snapshot.write_text(found)
    assert found == snapshot.read_text()
