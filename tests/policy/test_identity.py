"""Rules for the realm, its client and its users, in every combination of settings."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from policy.rules import RULES
from tests.program.cases import Case
from tests.program.harness import Deployment, is_secret, run_program

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
    assert realm["resetPasswordAllowed"] is ("smtp" in case.config and case.config["mfa"] != "required")


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


def test_required_code_is_a_step_of_every_sign_in(case: Case, deployment: Deployment) -> None:
    client = deployment.one("Client", "identity-client").inputs
    if case.config["mfa"] != "required":
        assert "authenticationFlowBindingOverrides" not in client
        assert not deployment.of_type("Flow")
        return
    flow = deployment.one("Flow")
    steps = sorted((it.inputs for it in deployment.of_type("Execution")), key=lambda step: step["priority"])
    assert {step["parentFlowAlias"] for step in steps} == {flow.inputs["alias"]}
    assert [step["authenticator"] for step in steps] == ["auth-username-password-form", "auth-otp-form"]
    assert {step["requirement"] for step in steps} == {"REQUIRED"}
    # The client uses the flow by itself: the realm's bindings change back whenever the provider updates the realm.
    assert client["authenticationFlowBindingOverrides"] == {"browserId": f"{flow.name}-id"}


def test_required_code_cannot_be_removed_by_its_user(case: Case, deployment: Deployment) -> None:
    required = case.config["mfa"] == "required"
    (removal,) = [it.inputs for it in deployment.of_type("RequiredAction") if it.inputs["alias"] == "delete_credential"]
    assert removal["enabled"] is not required
    assert ("account/manage-account" in deployment.one("DefaultRoles").inputs["defaultRoles"]) is not required
    if required:
        enrolment = deployment.one("RequiredAction", "identity-one-time-code").inputs
        assert enrolment["config"] == {"max_auth_age": "0"}


def test_roles_are_the_contracts(deployment: Deployment) -> None:
    assert {it.inputs["name"] for it in deployment.of_type("Role")} == {"viewer", "reporter", "pacsadmin"}


def test_users_and_their_roles_are_as_configured(case: Case, deployment: Deployment) -> None:
    accounts = {it.inputs["username"]: it for it in deployment.of_type("User")}
    assert set(accounts) == {user["name"] for user in case.config["users"]}
    for user in case.config["users"]:
        person = accounts[user["name"]]
        password = person.marked_inputs["initialPassword"]["value"]
        assert is_secret(password)
        assert password["value"] == deployment.secrets[f"secrets-user-{user['name']}"]
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
