"""A web DICOM viewer behind a login. Reads as the architecture: settings, components, outputs."""

from pulumi import ResourceOptions

import outputs
import settings
from access import routes
from components.archive import ArchiveArgs, archive_roots, archive_secrets, make_archive
from components.auth_proxy import AuthProxy, AuthProxyArgs
from components.gateway import Gateway, GatewayArgs
from components.host import LocalHost, LocalHostArgs
from components.identity import Identity, IdentityArgs
from components.keycloak import Keycloak, KeycloakArgs
from components.network import Networks, NetworksArgs
from components.secrets import Secrets, SecretsArgs
from components.site import Site
from components.viewer import Viewer, ViewerArgs

told = settings.load()
site = Site(project=told.project, stack=told.stack, images=told.images, protect_data=told.protect_data)
endpoint = told.endpoint

secrets = Secrets(
    "secrets",
    SecretsArgs(users=[user.name for user in told.users], archive=archive_secrets(told.archive.kind)),
)
host = LocalHost("host", LocalHostArgs())
there = ResourceOptions(providers=[host.provider])

networks = Networks("networks", NetworksArgs(site=site), there)
archive = make_archive(
    "archive",
    ArchiveArgs(site=site, networks=networks, secrets=secrets, told=told.archive, dicom=told.dicom),
    there,
)
keycloak = Keycloak(
    "keycloak",
    KeycloakArgs(site=site, networks=networks, secrets=secrets, endpoint=endpoint, sends_mail=told.smtp is not None),
    there,
)
auth_proxy = AuthProxy(
    "auth-proxy",
    AuthProxyArgs(
        site=site, networks=networks, secrets=secrets, endpoint=endpoint, sessions=told.sessions, keycloak=keycloak
    ),
    there,
)
viewer = Viewer("viewer", ViewerArgs(site=site, networks=networks), there)
gateway = Gateway(
    "gateway",
    GatewayArgs(
        site=site,
        networks=networks,
        endpoint=endpoint,
        bind_address=told.bind_address,
        admin_networks=told.admin_networks,
        routes=routes(archive_roots(told.archive.kind)),
        sessions=told.sessions,
        keycloak=keycloak,
        auth_proxy=auth_proxy,
        viewer=viewer,
        archive=archive,
        dicom=told.dicom,
    ),
    there,
)
Identity("identity", IdentityArgs(told=told, secrets=secrets, keycloak=keycloak, gateway=gateway))
outputs.export(endpoint, secrets)
