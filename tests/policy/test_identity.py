"""Rules for the realm, its client and its users, in every combination of settings."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from policy.rules import RULES
from tests.program.cases import Case
from tests.program.harness import Deployment, Resource, is_secret, run_program

BY_NAME = {rule.name: rule for rule in RULES}


def origin(deployment: Deployment) -> str:
    url: str = deployment.stack_outputs["viewerUrl"]
    return url.removesuffix("/")


def auth_proxy_file(deployment: Deployment) -> dict[str, Any]:
    return tomllib.loads(deployment.container("auth-proxy").files["/etc/oauth2-proxy.cfg"])


def seconds(lifespan: str) -> int:
    hours, rest = lifespan.removesuffix("s").split("h")
    minutes, left = rest.split("m")
    return int(hours) * 3600 + int(minutes) * 60 + int(left)


def test_known_problem_04_redirect_uri_is_exact_and_the_endpoints(deployment: Deployment) -> None:
    client = deployment.one("Client", "identity-client").inputs
    assert client["validRedirectUris"] == [auth_proxy_file(deployment)["redirect_url"]]
    assert client["validRedirectUris"] == [f"{origin(deployment)}/oauth2/callback"]
    assert client["validPostLogoutRedirectUris"] == [f"{origin(deployment)}/"]
    assert client["webOrigins"] == []
    assert "*" not in str([client["validRedirectUris"], client["validPostLogoutRedirectUris"]])


def test_client_is_confidential_with_proof_key_and_one_flow(deployment: Deployment) -> None:
    client = deployment.one("Client", "identity-client")
    assert client.inputs["clientId"] == auth_proxy_file(deployment)["client_id"] == "ohif_viewer"
    assert client.inputs["pkceCodeChallengeMethod"] == auth_proxy_file(deployment)["code_challenge_method"] == "S256"
    assert BY_NAME["client"].problems([client]) == []
    assert is_secret(client.marked_inputs["clientSecret"])


@pytest.mark.parametrize(
    ("rule", "change", "problem"),
    [
        ("redirect-uris", {"validRedirectUris": ["https://evil.example/"]}, "redirect URIs"),
        ("client", {"directAccessGrantsEnabled": True}, "directAccessGrantsEnabled"),
        ("client", {"standardFlowEnabled": True}, "standardFlowEnabled"),
        ("client", {"serviceAccountsEnabled": False}, "or none"),
        ("client", {"oauth2DeviceAuthorizationGrantEnabled": True}, "both"),
        ("client", {"accessType": "PUBLIC"}, "without a secret"),
    ],
)
def test_programs_that_do_more_than_theirs_are_reported(rule: str, change: dict[str, Any], problem: str) -> None:
    made = run_program({"programs": [{"name": "triage", "roles": ["viewer"]}]})
    client = made.one("Client", "identity-program-triage")
    assert BY_NAME[rule].problems([client]) == []
    (found,) = BY_NAME[rule].problems([replace(client, marked_inputs={**client.marked_inputs, **change})])
    assert problem in str(found)


def test_both_sides_know_the_same_secrets(deployment: Deployment) -> None:
    proxy = deployment.container("auth-proxy").environment
    assert proxy["OAUTH2_PROXY_CLIENT_SECRET"] == deployment.one("Client", "identity-client").inputs["clientSecret"]
    assert proxy["OAUTH2_PROXY_CLIENT_SECRET"] == deployment.secrets["secrets-client"]
    assert proxy["OAUTH2_PROXY_COOKIE_SECRET"] == deployment.secrets["secrets-cookie"]
    assert proxy["OAUTH2_PROXY_REDIS_PASSWORD"] in deployment.container("sessions").files["/etc/valkey/valkey.conf"]


def test_known_problem_09_roles_and_audience_are_in_the_token(deployment: Deployment) -> None:
    roles = deployment.one("UserRealmRoleProtocolMapper", "identity-client-roles").inputs
    assert (roles["claimName"], roles["multivalued"]) == (auth_proxy_file(deployment)["oidc_groups_claim"], True)
    assert (
        deployment.one("AudienceProtocolMapper", "identity-client-audience").inputs["includedClientAudience"]
        == "ohif_viewer"
    )


def test_known_problem_11_https_required(deployment: Deployment) -> None:
    expected = "external" if origin(deployment).startswith("https:") else "none"
    assert deployment.one("Realm").inputs["sslRequired"] == expected


def test_known_problem_20_lives_of_session_and_token_fit(deployment: Deployment) -> None:
    realm = deployment.one("Realm").inputs
    token, idle, most = (
        seconds(realm[key]) for key in ("accessTokenLifespan", "ssoSessionIdleTimeout", "ssoSessionMaxLifespan")
    )
    assert token <= 15 * 60
    assert token < idle <= most
    actual = auth_proxy_file(deployment)
    assert int(actual["cookie_refresh"].removesuffix("s")) < token
    assert int(actual["cookie_expire"].removesuffix("s")) == most


@pytest.mark.parametrize(("configured", "written"), [("90s", "0h1m30s"), ("60m", "1h0m0s"), ("59m", "0h59m0s")])
def test_lifespan_is_written_as_the_provider_gives_it_back(configured: str, written: str) -> None:
    realm = run_program({"accessTokenLife": configured, "sessionIdle": "90m"}).one("Realm").inputs
    assert realm["accessTokenLifespan"] == written
    assert realm["ssoSessionIdleTimeout"] == "1h30m0s"


def test_known_problem_24_brute_force_is_stopped_and_nobody_is_shut_out_for_good(deployment: Deployment) -> None:
    assert BY_NAME["brute-force"].problems(deployment.of_type("Realm")) == []


def test_forgotten_passwords_need_a_mail_server(case: Case, deployment: Deployment) -> None:
    realm = deployment.one("Realm").inputs
    # A reset by mail would be a way around the code.
    assert realm["resetPasswordAllowed"] is ("smtp" in case.config and case.config["mfa"] in ("off", "optional"))


def test_mail_server_is_as_configured_and_its_password_secret(case: Case, deployment: Deployment) -> None:
    realm = deployment.one("Realm")
    actual = case.config.get("smtp")
    if actual is None:
        assert "smtpServer" not in realm.inputs
        return
    server = realm.inputs["smtpServer"]
    assert (server["host"], server["from"]) == (actual["host"], actual["from"])
    assert server["port"] == str(actual.get("port", 587))
    assert server["starttls"] is actual.get("startTls", True)
    assert ("auth" in server) is ("user" in actual)
    if "auth" in server:
        assert is_secret(realm.marked_inputs["smtpServer"]["auth"]["password"])


def test_mfa_is_as_configured(case: Case, deployment: Deployment) -> None:
    actions = [it.inputs for it in deployment.of_type("RequiredAction") if it.inputs["alias"] == "CONFIGURE_TOTP"]
    match case.config["mfa"]:
        case "off":
            assert not any(it["enabled"] for it in actions)
        case choice:
            (action,) = actions
            assert action["enabled"] is True
            assert action["defaultAction"] is (choice == "required")


def steps_of(deployment: Deployment, flow: Resource) -> list[str | list[str]]:
    """Authenticators of a flow, in order; those of a conditional subflow as a list of their own."""
    found: dict[int, str | list[str]] = {}
    for it in deployment.of_type("Execution"):
        if it.inputs["parentFlowAlias"] == flow.inputs["alias"]:
            found[int(it.inputs["priority"])] = f"{it.inputs['authenticator']}{condition_of(deployment, it)}"
    for subflow in deployment.of_type("Subflow"):
        if subflow.inputs["parentFlowAlias"] == flow.inputs["alias"]:
            assert subflow.inputs["requirement"] == "CONDITIONAL"
            found[int(subflow.inputs["priority"])] = [str(it) for it in steps_of(deployment, subflow)]
    return [found[priority] for priority in sorted(found)]


def condition_of(deployment: Deployment, step: Resource) -> str:
    """The role that a step asks for."""
    settings = [it for it in deployment.of_type("ExecutionConfig") if it.inputs["executionId"] == f"{step.name}-id"]
    return "".join(
        f" {'not ' if it.inputs['config']['negate'] == 'true' else ''}{it.inputs['config']['condUserRole']}"
        for it in settings
    )


def test_required_code_is_a_step_of_every_sign_in(case: Case, deployment: Deployment) -> None:
    client = deployment.one("Client", "identity-client").inputs
    providers = [it.inputs for it in deployment.of_type("IdentityProvider")]
    if case.config["mfa"] in ("off", "optional"):
        assert "authenticationFlowBindingOverrides" not in client
        assert not any("postBrokerLoginFlowAlias" in it for it in providers)
        assert not deployment.of_type("Flow")
        return
    flow = deployment.one("Flow", "identity-code-flow")
    by_choice: dict[str, list[str | list[str]]] = {
        "required": ["auth-otp-form"],
        "administrators": [
            ["conditional-user-role pacsadmin", "auth-otp-form"],
            ["conditional-user-role not pacsadmin", "conditional-user-configured", "auth-otp-form"],
        ],
    }
    of_user = by_choice[case.config["mfa"]]
    assert steps_of(deployment, flow) == ["auth-username-password-form", *of_user]
    assert {it.inputs["requirement"] for it in deployment.of_type("Execution")} == {"REQUIRED"}
    if providers:
        after = deployment.one("Flow", "identity-provider-code-flow")
        # Keycloak takes a flow of which no step applies for a failed one.
        always = ["allow-access-authenticator"] if case.config["mfa"] == "administrators" else []
        assert steps_of(deployment, after) == [*always, *of_user]
        assert {it["postBrokerLoginFlowAlias"] for it in providers} == {after.inputs["alias"]}
    # The client uses the flow by itself: the realm's bindings change back whenever the provider updates the realm.
    assert client["authenticationFlowBindingOverrides"] == {"browserId": f"{flow.name}-id"}


def test_a_passkey_is_an_alternative_to_the_code_and_who_has_neither_needs_a_code() -> None:
    made = run_program({"mfa": "required", "passkeys": True, "host": "localhost"})
    within = "password-and-code-passkey-or-code"
    assert {it.inputs["alias"]: it.inputs["requirement"] for it in made.of_type("Subflow")} == {
        within: "REQUIRED",
        f"{within}-code": "ALTERNATIVE",
    }
    steps = {
        (it.inputs["parentFlowAlias"], it.inputs["authenticator"]): it.inputs["requirement"]
        for it in made.of_type("Execution")
    }
    assert steps == {
        ("password-and-code", "auth-username-password-form"): "REQUIRED",
        (within, "webauthn-authenticator"): "ALTERNATIVE",
        (f"{within}-code", "auth-otp-form"): "REQUIRED",
    }
    action = made.one("RequiredAction", "identity-passkey").inputs
    assert (action["enabled"], action["config"]) == (True, {"max_auth_age": "0"})


def test_required_code_cannot_be_removed_by_its_user(case: Case, deployment: Deployment) -> None:
    required = case.config["mfa"] in ("administrators", "required")
    (removal,) = [it.inputs for it in deployment.of_type("RequiredAction") if it.inputs["alias"] == "delete_credential"]
    assert removal["enabled"] is not required
    assert ("account/manage-account" in deployment.one("DefaultRoles").inputs["defaultRoles"]) is not required
    if required:
        enrolment = deployment.one("RequiredAction", "identity-one-time-code").inputs
        assert enrolment["config"] == {"max_auth_age": "0"}


def test_groups_of_the_directory_have_the_configured_roles_and_no_others(case: Case, deployment: Deployment) -> None:
    configured = case.config.get("directory", {})
    groups = configured.get("groups", {})
    assert {it.inputs["name"] for it in deployment.of_type("Group")} == set(groups)
    for group, roles in groups.items():
        given = deployment.one("GroupRoles", f"identity-directory-group-{group}-roles").inputs
        assert given["groupId"] == f"identity-directory-group-{group}-id"
        assert set(given["roleIds"]) == {f"identity-role-{role}-id" for role in roles}
        assert given["exhaustive"] is True
    mappers = [it.inputs for it in deployment.of_type("GroupMapper")]
    assert [it["groupsLdapFilter"] for it in mappers] == (
        [r"(|(cn=PACS)(cn=Radiologists \28CT\2a\29)(cn=Ward 3))"] if groups else []
    )
    for it in deployment.of_type("UserFederation"):
        assert is_secret(it.marked_inputs["bindCredential"])
        assert it.inputs["connectionUrl"] == configured["url"]


def test_users_of_a_login_provider_have_the_roles_of_their_groups(case: Case, deployment: Deployment) -> None:
    configured = {it["name"]: it for it in case.config.get("loginProviders", [])}
    made = {it.inputs["alias"]: it for it in deployment.of_type("IdentityProvider")}
    assert made.keys() == configured.keys()
    assert all(is_secret(it.marked_inputs["clientSecret"]) for it in made.values() if "clientSecret" in it.inputs)
    for it in made.values():
        assert (it.inputs["validateSignature"], it.inputs["trustEmail"]) == (True, False)
    given = {
        (
            it.inputs["identityProviderAlias"],
            *(it.inputs[f"{kind}{part}"] for part in ("Name", "Value")),
            it.inputs["role"],
        )
        for it in deployment.of_type("AttributeToRoleIdentityMapper")
        for kind in ("claim", "attribute")
        if f"{kind}Name" in it.inputs
    }
    assert given == {
        (name, it["attribute"] if "metadata" in it else it.get("claim", "groups"), group, role)
        for name, it in configured.items()
        for group, roles in it.get("groups", {}).items()
        for role in roles
    }


def test_a_saml_login_is_for_this_stack_from_this_provider_signed_by_its_key(
    case: Case, deployment: Deployment
) -> None:
    configured = {it["name"]: it for it in case.config.get("loginProviders", []) if "metadata" in it}
    for made in deployment.of_type("keycloak:saml/identityProvider:IdentityProvider"):
        given = configured.pop(made.inputs["alias"])
        assert made.inputs["entityId"].endswith("/keycloak/realms/ohif")
        assert made.inputs["extraConfig"]["idpEntityId"] == "https://login.example.org/entity"
        assert made.inputs["singleSignOnServiceUrl"] == "https://login.example.org/saml"
        certificates = made.inputs["signingCertificate"].split(",")
        assert len(certificates) == given["metadata"].count("<ds:X509Certificate>")
        assert (made.inputs["principalType"], made.inputs.get("principalAttribute")) == (
            ("ATTRIBUTE", given["usernameAttribute"]) if "usernameAttribute" in given else ("SUBJECT", None)
        )
    assert not configured


def test_keycloak_trusts_the_configured_authorities(case: Case, deployment: Deployment) -> None:
    trusted = {
        path.rpartition("/")[2]: content
        for path, content in deployment.container("keycloak").files.items()
        if path.startswith("/opt/keycloak/conf/truststores/")
    }
    wanted = {f"provider-{it['name']}.pem": it.get("caCertificate") for it in case.config.get("loginProviders", [])}
    wanted["directory.pem"] = case.config.get("directory", {}).get("caCertificate")
    assert trusted == {name: pem for name, pem in wanted.items() if pem}


def test_roles_are_the_contracts_and_one_for_each_group_of_rights(case: Case, deployment: Deployment) -> None:
    groups = {f"group:{it}" for it in case.config.get("rights", {}).get("groups", [])}
    assert {it.inputs["name"] for it in deployment.of_type("Role")} == {"viewer", "reporter", "pacsadmin"} | groups


def test_users_and_their_roles_are_as_configured(case: Case, deployment: Deployment) -> None:
    accounts = {it.inputs["username"]: it for it in deployment.of_type("User")}
    assert set(accounts) == {user["name"] for user in case.config["users"]}
    for user in case.config["users"]:
        person = accounts[user["name"]]
        password = person.marked_inputs["initialPassword"]["value"]
        assert is_secret(password)
        assert password["value"] == deployment.secrets[f"secrets-user-{user['name']}"]
        temporary = case.config.get("passwordRules", {}).get("temporary", False)
        assert person.marked_inputs["initialPassword"]["temporary"] is temporary
        assert person.inputs.get("email") == user.get("email")
        roles = deployment.one("UserRoles", f"{person.name}-roles").inputs
        assert roles["userId"] == f"{person.name}-id"
        assert set(roles["roleIds"]) == {f"identity-role-{role}-id" for role in user.get("roles", [])}


def test_login_theme_is_the_one_that_the_server_has(deployment: Deployment) -> None:
    theme = deployment.one("Realm").inputs["loginTheme"]
    files = deployment.container("keycloak").files
    assert f"/opt/keycloak/themes/{theme}/login/theme.properties" in files


def test_keycloak_is_administered_through_the_gateway(deployment: Deployment) -> None:
    provider = deployment.one("pulumi:providers:keycloak")
    assert provider.inputs["url"] == origin(deployment)
    assert provider.inputs["basePath"] == "/keycloak"
    assert is_secret(provider.marked_inputs["password"])
    assert provider.inputs["password"] == deployment.container("keycloak").environment["KC_BOOTSTRAP_ADMIN_PASSWORD"]
