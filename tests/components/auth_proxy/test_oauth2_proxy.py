"""oauth2-proxy's file, parsed back."""

import dataclasses
import tomllib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components.auth_proxy.oauth2_proxy_config import AuthProxyConfig, refresh_after, render

EXAMPLE = AuthProxyConfig(
    origin="http://pacs.example.org:8480",
    secure=False,
    cookie_name="ohif_session",
    client_id="ohif_viewer",
    realm_path="/keycloak/realms/ohif",
    keycloak_address="keycloak:8080",
    session_store_address="sessions:6379",
    session_maximum=36000,
    access_token_life=300,
    accept_tokens=False,
)


def parsed(**changes: Any) -> dict[str, Any]:
    return tomllib.loads(render(dataclasses.replace(EXAMPLE, **changes)))


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_nothing_insecure_and_nothing_skipped_but_discovery_and_the_button() -> None:
    keys = set(parsed())
    assert not [key for key in keys if "insecure" in key]
    assert {key for key, value in parsed().items() if "skip" in key and value} == {
        "skip_oidc_discovery",
        "skip_provider_button",
    }
    assert parsed(accept_tokens=True)["skip_jwt_bearer_tokens"] is True


def test_known_problem_23_no_secret_is_in_the_file() -> None:
    assert not {"client_secret", "cookie_secret", "redis_password"} & set(parsed())
    assert "@" not in urlsplit(parsed()["redis_connection_url"]).netloc


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://127.0.0.1:8480", "https://pacs.example.org"])
def test_known_problem_04_invalid_redirect_uri(origin: str) -> None:
    assert parsed(origin=origin)["redirect_url"] == f"{origin}/oauth2/callback"


@pytest.mark.parametrize("origin", ["http://192.0.2.10", "http://192.0.2.10:8480", "https://pacs.example.org"])
def test_known_problem_05_browser_is_sent_to_the_public_address_only(origin: str) -> None:
    actual = parsed(origin=origin)
    realm = f"{origin}/keycloak/realms/ohif"
    assert actual["oidc_issuer_url"] == realm
    assert actual["login_url"] == f"{realm}/protocol/openid-connect/auth"
    inside = "http://keycloak:8080/keycloak/realms/ohif/protocol/openid-connect"
    assert actual["redeem_url"] == f"{inside}/token"
    assert actual["oidc_jwks_url"] == f"{inside}/certs"


def test_known_problem_06_cookie_over_4_kb() -> None:
    assert parsed()["session_store_type"] == "redis"


def test_known_problem_08_two_tabs_at_login() -> None:
    assert parsed()["cookie_csrf_per_request"] is True
    assert int(parsed()["cookie_csrf_expire"].removesuffix("m")) >= 5


def test_known_problem_09_refused_after_login() -> None:
    """A person without e-mail, or with one that is not verified, comes in; the audience is the client itself."""
    actual = parsed()
    assert actual["oidc_email_claim"] == "preferred_username"
    assert actual["email_domains"] == ["*"]
    assert actual["oidc_groups_claim"] == "groups"


def test_known_problem_10_logout_ends_the_session_at_keycloak() -> None:
    url = urlsplit(parsed()["backend_logout_url"])
    assert url.netloc == "keycloak:8080"
    assert url.path == "/keycloak/realms/ohif/protocol/openid-connect/logout"
    assert parse_qs(url.query) == {"id_token_hint": ["{id_token}"]}


def test_known_problem_19_starts_without_keycloak() -> None:
    assert parsed()["skip_oidc_discovery"] is True


@pytest.mark.parametrize("life", [10, 11, 30, 60, 61, 90, 119, 120, 180, 239, 240, 300, 600, 1800, 3600])
def test_known_problem_20_refreshed_before_the_token_ends(life: int) -> None:
    after = seconds(parsed(access_token_life=life)["cookie_refresh"])
    assert life / 2 <= after < life
    assert life - after == min(60, life // 4)


def test_refresh_for_every_life_that_settings_allow() -> None:
    assert all(0 < refresh_after(life) < life for life in range(10, 3601))


def test_session_ends_as_configured() -> None:
    assert seconds(parsed(session_maximum=7200)["cookie_expire"]) == 7200


@pytest.mark.parametrize("secure", [True, False])
def test_cookie(secure: bool) -> None:
    actual = parsed(secure=secure)
    assert actual["cookie_secure"] is secure
    assert actual["cookie_httponly"] is True
    assert actual["cookie_samesite"] == "lax"
    assert actual["cookie_path"] == "/"
    assert "cookie_domains" not in actual


def test_proof_key_and_roles() -> None:
    actual = parsed()
    assert actual["code_challenge_method"] == "S256"
    assert actual["provider"] == "keycloak-oidc"
    assert actual["set_xauthrequest"] is True
    assert not {"pass_access_token", "pass_authorization_header", "set_authorization_header"} & set(actual)


def test_answers_and_forwards_nothing_itself() -> None:
    actual = parsed()
    assert actual["upstreams"] == ["static://202"]
    assert actual["reverse_proxy"] is True
    assert actual["show_debug_on_error"] is False
    # Its own request log would hold the codes of the callback.
    assert actual["request_logging"] is False
