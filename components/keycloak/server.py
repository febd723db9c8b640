"""The Keycloak server. identity.py configures what is in it: realm, client, roles and users."""

import base64
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.containers.healthcheck import Healthcheck, http_probe
from components.containers.networks import Networks
from components.containers.service import File, Service, ServiceArgs
from components.containers.stack_context import StackContext
from components.database.database import DatabaseArgs, make_database
from components.database.interface import Database
from components.secrets import KeycloakSecrets
from public_endpoint import PublicEndpoint
from public_paths import KEYCLOAK_PATH
from settings import CONSOLE_USER, DatabaseServer, SignIn

THEMES = Path(__file__).parents[2] / "assets" / "keycloak" / "themes"
TRUSTSTORE = "/opt/keycloak/conf/truststores"
"""Certificates that Keycloak trusts (guide "Configuring trusted certificates")."""
REALM = "ohif"
REALM_PATH = f"{KEYCLOAK_PATH}/realms/{REALM}"
CLIENT_ID = "ohif_viewer"
PORT = 8080
MANAGEMENT_PORT = 9000
"""Health; never forwarded to."""

JAVA_OPTIONS = (
    # With two processors and 1 GB, G1's threads and tables cost more than its shorter pauses are worth.
    *("-XX:-UseG1GC", "-XX:+UseSerialGC"),
    # Most of a start's work is in compiling well what runs during the start only. Ten times Java's defaults: what
    # hashes passwords is still compiled well.
    *("-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=10000"),
    *("-XX:Tier4CompileThreshold=150000", "-XX:Tier4BackEdgeThreshold=400000"),
)
"""Measured in docs/explanation/speed.md. Source: OpenJDK, compilationPolicy.hpp; kc.sh puts them after its own."""

UNKNOWN_NAMES = r'/"loggerName":"org.keycloak.events"/{/userId=\\"null\\"/s/username=(\\.|[^"\\])*/username=\\"-\\"/}'
"""sed script that removes the typed user name from an event without a user, and what follows it in the message.

A password is easily typed into the field of the user name. A name that Keycloak does not know says nothing about who
signed in; a known user's failed sign-in keeps name and id. Keycloak has no option for it (guide "All provider
configuration", events-listener, jboss-logging), and escapes quotes but no backslashes, so the end of the name cannot be
found safely.
"""

START = f"""\
# Keycloak gives up when its database is not there yet, as after a reboot, when the engine starts all at once.
until (exec 3<>"/dev/tcp/$KC_DB_URL_HOST/$KC_DB_URL_PORT") 2>/dev/null; do sleep 0.3; done
exec /opt/keycloak/bin/kc.sh "$@" > >(exec sed -u -E '{UNKNOWN_NAMES}')
"""


@dataclass(frozen=True)
class KeycloakArgs:
    """Arguments of the Keycloak server."""

    stack: StackContext
    networks: Networks
    endpoint: pulumi.Output[PublicEndpoint]
    """Keycloak's own links and the tokens' issuer begin with it."""
    secrets: KeycloakSecrets
    sign_in: SignIn
    """Says whether it needs outbound access, and which private authorities it trusts."""
    database: DatabaseServer | None


class Keycloak(pulumi.ComponentResource):
    """Keycloak in production mode, a single node, behind the gateway.

    Settings: Keycloak guides "Configuring Keycloak for production", "Configuring the hostname (v2)", "Using a
    reverse proxy". It does not terminate TLS and forms no cluster.
    """

    address: str
    """`host:port` on the network `identity`."""
    database: Database
    container_id: pulumi.Output[str]
    """Known once the server is healthy."""

    def __init__(self, name: str, args: KeycloakArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ohif:index:Keycloak", name, None, opts)
        self.address = f"keycloak:{PORT}"
        database_args = DatabaseArgs(
            stack=args.stack,
            owner="keycloak",
            password=args.secrets.database,
            server=args.database,
            login=args.database.keycloak if args.database else None,
        )
        self.database = make_database(f"{name}-database", database_args, pulumi.ResourceOptions(parent=self))
        connection = self.database.connection
        address = connection.address
        server = Service(
            f"{name}-server",
            ServiceArgs(
                stack=args.stack,
                image="keycloak",
                alias="keycloak",
                networks=[
                    args.networks.identity,
                    connection.network,
                    *([args.networks.edge] if args.sign_in.connects_out else []),
                ],
                user="1000:0",
                entrypoint=["/bin/bash", "-c", START, "start"],
                command=["start", "--optimized"] if args.stack.images["keycloak"].optimized else ["start"],
                environment={
                    "KC_DB": "postgres",
                    "KC_DB_URL_HOST": address.host,
                    "KC_DB_URL_PORT": str(address.port),
                    "KC_DB_URL_DATABASE": address.name,
                    "KC_DB_URL_PROPERTIES": address.tls,
                    "KC_DB_USERNAME": address.user,
                    "KC_DB_PASSWORD": connection.password,
                    "KC_DB_POOL_INITIAL_SIZE": "1",
                    "KC_DB_POOL_MIN_SIZE": "1",
                    "KC_DB_POOL_MAX_SIZE": "30",
                    # Connections that a restart of the database has ended would each fail a request. Keycloak has no
                    # option of its own for it; this one of Quarkus is read at run time (docs/adr/0016).
                    "QUARKUS_DATASOURCE_JDBC_VALIDATE_ON_BORROW": "true",
                    "KC_HOSTNAME": args.endpoint.apply(lambda endpoint: f"{endpoint.origin}{KEYCLOAK_PATH}"),
                    "KC_HTTP_ENABLED": "true",
                    "KC_HTTP_RELATIVE_PATH": KEYCLOAK_PATH,
                    "KC_PROXY_HEADERS": "xforwarded",
                    "KC_HEALTH_ENABLED": "true",
                    # A single node: with the default it waits for dead cluster members at every start.
                    "KC_CACHE": "local",
                    "KC_BOOTSTRAP_ADMIN_USERNAME": CONSOLE_USER,
                    "KC_BOOTSTRAP_ADMIN_PASSWORD": args.secrets.console,
                    "KC_LOG_CONSOLE_OUTPUT": "json",
                    "KC_SPI_EVENTS_LISTENER__JBOSS_LOGGING__SUCCESS_LEVEL": "info",
                    "JAVA_OPTS_KC_HEAP": "-XX:InitialRAMPercentage=15 -XX:MaxRAMPercentage=55",
                    "JAVA_OPTS_APPEND": " ".join(JAVA_OPTIONS),
                },
                files=[
                    *theme_files(),
                    *connection.files,
                    *(
                        File(path=f"{TRUSTSTORE}/{authority}.pem", content=pem)
                        for authority, pem in sorted(args.sign_in.authorities.items())
                    ),
                ],
                healthcheck=Healthcheck(
                    command=http_probe(MANAGEMENT_PORT, f"{KEYCLOAK_PATH}/health/ready"), start_period=180
                ),
                memory_mib=1024,
                depends_on=self.database.ready,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container_id = server.container_id
        self.register_outputs({})


def theme_files() -> list[File]:
    """The login theme, as it lands in Keycloak's folder of themes."""
    return [
        File(
            path=f"/opt/keycloak/themes/{path.relative_to(THEMES).as_posix()}",
            content_base64=base64.b64encode(path.read_bytes()).decode(),
        )
        for path in sorted(THEMES.rglob("*"))
        if path.is_file()
    ]
