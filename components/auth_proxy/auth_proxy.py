"""The relying party: oauth2-proxy, and the store of its sessions."""

from dataclasses import dataclass

import pulumi

from components.auth_proxy import oauth2_proxy_config
from components.containers.healthcheck import Healthcheck
from components.containers.networks import Networks, private_network, working_volume
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.keycloak.server import CLIENT_ID, REALM_PATH
from components.secrets import AuthProxySecrets
from public_endpoint import PublicEndpoint
from settings import SignIn

STORE_PORT = 6379
STORE_FOLDER = "/data"


@dataclass(frozen=True)
class AuthProxyArgs:
    """Where users sign in, and for how long."""

    stack: StackContext
    networks: Networks
    endpoint: pulumi.Output[PublicEndpoint]
    secrets: AuthProxySecrets
    sign_in: SignIn
    keycloak_address: str
    """`host:port` on the network `identity`."""


class AuthProxy(pulumi.ComponentResource):
    """oauth2-proxy with its sessions in Valkey: the browser holds a ticket, not tokens.

    It answers the gateway only. The store's copy on disk holds what it holds in memory: sessions that oauth2-proxy has
    encrypted with a key that only the browser's ticket has (oauth2-proxy documentation, "Session Storage").
    """

    address: str
    """`host:port` on the network `identity`."""
    session_cookie: str
    """Name of the cookie that holds a session's ticket."""
    accepts_tokens: bool
    """Whether an access token does for a session."""

    def __init__(self, name: str, args: AuthProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:AuthProxy", name, None, opts)
        self.address = f"auth-proxy:{oauth2_proxy_config.PORT}"
        # The prefix binds a cookie to host and path, and asks for HTTPS (RFC 6265bis, 4.1.3.2).
        self.session_cookie = "__Host-ohif_session" if args.sign_in.secure else "ohif_session"
        self.accepts_tokens = bool(args.sign_in.programs)
        configuration = args.endpoint.apply(
            lambda endpoint: oauth2_proxy_config.render(
                oauth2_proxy_config.AuthProxyConfig(
                    origin=endpoint.origin,
                    secure=endpoint.secure,
                    cookie_name=self.session_cookie,
                    client_id=CLIENT_ID,
                    realm_path=REALM_PATH,
                    keycloak_address=args.keycloak_address,
                    session_store_address=f"sessions:{STORE_PORT}",
                    session_maximum=args.sign_in.sessions.maximum,
                    access_token_life=args.sign_in.sessions.access_token,
                    accept_tokens=self.accepts_tokens,
                )
            )
        )
        network = private_network(f"{name}-store-network", "sessions", args.stack, self)
        Service(
            f"{name}-store",
            ServiceArgs(
                stack=args.stack,
                image="sessions",
                alias="sessions",
                networks=[network],
                user="999:999",
                entrypoint=["valkey-server"],
                command=["/etc/valkey/valkey.conf"],
                files=[
                    File(
                        path="/etc/valkey/valkey.conf",
                        content=store_configuration(args.secrets.session_store),
                    )
                ],
                temporary=["/tmp"],  # noqa: S108
                volumes={STORE_FOLDER: working_volume(f"{name}-store-volume", "sessions", args.stack, self)},
                healthcheck=Healthcheck(
                    # Asked without the password, a working store says that it wants one.
                    command=["sh", "-c", "valkey-cli ping | grep -qE 'PONG|NOAUTH'"],
                ),
                memory_mib=128,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="auth-proxy",
                alias="auth-proxy",
                networks=[args.networks.identity, network],
                user="65532:65532",
                entrypoint=["/bin/oauth2-proxy"],
                command=["--config=/etc/oauth2-proxy.cfg"],
                environment={
                    "OAUTH2_PROXY_CLIENT_SECRET": args.secrets.client,
                    "OAUTH2_PROXY_COOKIE_SECRET": args.secrets.cookie,
                    "OAUTH2_PROXY_REDIS_PASSWORD": args.secrets.session_store,
                },
                files=[File(path="/etc/oauth2-proxy.cfg", content=configuration)],
                healthcheck=Healthcheck(
                    command=["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{oauth2_proxy_config.PORT}/ping"],
                ),
                memory_mib=128,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def store_configuration(password: pulumi.Output[str]) -> pulumi.Output[str]:
    """Valkey's configuration: when memory is short the oldest sessions go first.

    Sessions outlive a restart, and all but the last ten seconds' a crash. An append-only file would keep those too, and
    refuse every change while the disk is full, which would end the sessions of all readers.
    Source of the directives: valkey.conf of Valkey 8.1.
    """
    return pulumi.Output.concat(
        f"bind 0.0.0.0\nport {STORE_PORT}\nprotected-mode no\ndir {STORE_FOLDER}\n",
        "save 10 1\nshutdown-on-sigterm save force\nstop-writes-on-bgsave-error no\nappendonly no\n",
        "maxmemory 64mb\nmaxmemory-policy volatile-ttl\n",
        "requirepass ",
        password,
        "\n",
    )
