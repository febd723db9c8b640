"""oauth2-proxy's configuration file.

Source of the options: oauth2-proxy documentation, "Configuration / Overview" and "Keycloak OIDC". Secrets are
not in the file: the container gets them by its environment.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

import tomli_w

from public_paths import AUTH_PROXY_PATH

PORT = 4180

REFRESH_MARGIN = 60
"""Seconds before the end of an access token at which it is refreshed, if its life allows."""

STORE_RETRIES = {"max_retries": 40, "min_retry_backoff": "20ms", "max_retry_backoff": "250ms"}
"""A session store that starts again is waited for, up to seven seconds or so: without it, nobody would have a session.
Source: go-redis, `ParseURL`."""


@dataclass(frozen=True, kw_only=True)
class AuthProxyConfig:
    """Values in the file."""

    origin: str
    """The public endpoint's origin."""
    secure: bool
    cookie_name: str
    client_id: str
    realm_path: str
    """The realm's path below any of Keycloak's addresses: `/keycloak/realms/ohif`."""
    keycloak_address: str
    """Keycloak's `host:port` on the network that they share: tokens are fetched there, not through the gateway."""
    session_store_address: str
    session_maximum: int
    """Seconds."""
    access_token_life: int
    """Seconds."""
    accept_tokens: bool
    """Whether an access token of the realm in `Authorization` does for a session."""


def render(config: AuthProxyConfig) -> str:
    """The file, in TOML."""
    public = f"{config.origin}{config.realm_path}"
    internal = f"http://{config.keycloak_address}{config.realm_path}"
    oidc = "protocol/openid-connect"
    return tomli_w.dumps(
        {
            "http_address": f"0.0.0.0:{PORT}",
            "reverse_proxy": True,
            "upstreams": ["static://202"],
            "provider": "keycloak-oidc",
            "client_id": config.client_id,
            "scope": "openid",
            "code_challenge_method": "S256",
            # Tokens name the public issuer. The browser is sent to the public address; oauth2-proxy itself
            # talks to Keycloak directly, so it starts without it and needs no way back through the gateway.
            "skip_oidc_discovery": True,
            "oidc_issuer_url": public,
            "login_url": f"{public}/{oidc}/auth",
            "redeem_url": f"{internal}/{oidc}/token",
            "oidc_jwks_url": f"{internal}/{oidc}/certs",
            "backend_logout_url": f"{internal}/{oidc}/logout?{urlencode({'id_token_hint': ''})}{{id_token}}",
            "redirect_url": f"{config.origin}{AUTH_PROXY_PATH}/callback",
            # Users are identified by the user name; an e-mail address may be missing or not verified.
            "oidc_email_claim": "preferred_username",
            "oidc_groups_claim": "groups",
            "email_domains": ["*"],
            "set_xauthrequest": True,
            "skip_provider_button": True,
            "cookie_name": config.cookie_name,
            "cookie_secure": config.secure,
            "cookie_httponly": True,
            "cookie_samesite": "lax",
            "cookie_path": "/",
            "cookie_expire": f"{config.session_maximum}s",
            "cookie_refresh": f"{refresh_after(config.access_token_life)}s",
            # Two tabs at the login page each have a state of their own.
            "cookie_csrf_per_request": True,
            "cookie_csrf_expire": "15m",
            "skip_jwt_bearer_tokens": config.accept_tokens,
            "session_store_type": "redis",
            "redis_connection_url": f"redis://{config.session_store_address}?{urlencode(STORE_RETRIES)}",
            "request_logging": False,
            "silence_ping_logging": True,
            "show_debug_on_error": False,
        }
    )


def refresh_after(access_token_life: int) -> int:
    """Age in seconds at which a session's tokens are refreshed: a minute early, or a quarter of a short life."""
    return access_token_life - min(REFRESH_MARGIN, access_token_life // 4)
