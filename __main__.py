"""A web DICOM viewer behind a login. Reads as the architecture: settings, components, outputs."""

from pulumi import Output, ResourceOptions

import outputs
from components.archive.archive import archive_secrets, make_archive, require_confirmed_archive
from components.archive.interface import ArchiveArgs
from components.auth_proxy.auth_proxy import AuthProxy, AuthProxyArgs
from components.backup.backup import Backup, BackupArgs, stack_data
from components.backup.repository import make_repository
from components.containers.networks import Networks, NetworksArgs
from components.containers.stack_context import StackContext
from components.gateway.gateway import Gateway, GatewayArgs, Upstreams
from components.keycloak.identity import Identity, IdentityArgs
from components.keycloak.server import Keycloak, KeycloakArgs
from components.logs.logs import Logs, LogsArgs
from components.machine.target import make_host
from components.public_name.certificate import served_certificate
from components.public_name.entrance import PublicEntrance, PublicEntranceArgs
from components.secrets import Secrets, SecretsArgs
from components.viewer.viewer import Viewer, ViewerArgs
from settings import load

settings = load()
stack = StackContext(settings.project, settings.stack, settings.images, settings.protect_data)
after_archive_check = require_confirmed_archive("archive-choice", settings)
secrets_args = SecretsArgs(
    users=settings.user_names,
    programs=settings.program_names,
    archive=archive_secrets(settings.archive, own_database=settings.database is None),
    backup=settings.backup is not None,
    own_databases=settings.database is None,
)
secrets = Secrets("secrets", secrets_args, after_archive_check)
host = make_host("host", stack, settings)
on_host = ResourceOptions.merge(after_archive_check, ResourceOptions(providers=[host.provider]))
endpoint = Output.from_input(settings.host or host.address).apply(settings.endpoint)
networks = Networks("networks", NetworksArgs(stack=stack, ipv6=settings.listeners.dual_stack), on_host)
logs_args = LogsArgs(stack, networks, settings.audit_days, settings.log_server)
logs = Logs("logs", logs_args, on_host) if settings.audit_days else None
if logs:
    stack = logs.stack

archive_args = ArchiveArgs(
    *(stack, networks, secrets.archive, settings.archive, settings.listeners.dicom),
    *(settings.database, settings.files),
)
archive = make_archive("archive", archive_args, on_host)
keycloak_args = KeycloakArgs(stack, networks, endpoint, secrets.keycloak, settings.sign_in, settings.database)
keycloak = Keycloak("keycloak", keycloak_args, on_host)
auth_proxy_args = AuthProxyArgs(stack, networks, endpoint, secrets.auth_proxy, settings.sign_in, keycloak.address)
auth_proxy = AuthProxy("auth-proxy", auth_proxy_args, on_host)
viewer = Viewer("viewer", ViewerArgs(stack, networks), on_host)
certificate = served_certificate("certificate", stack, settings.certificate, on_host)
upstreams = Upstreams(keycloak=keycloak, auth_proxy=auth_proxy, viewer=viewer, archive=archive)
gateway_args = GatewayArgs(
    *(stack, networks, endpoint, settings.listeners, certificate),
    *(settings.sessions, settings.download_roles, settings.archive.rights, logs.audit if logs else None),
    *(upstreams, settings.viewer),
)
gateway = Gateway("gateway", gateway_args, on_host)
entrance_args = PublicEntranceArgs(
    *(stack, networks, endpoint, host, settings.dns, certificate, settings.ca_certificate, gateway, keycloak)
)
entrance = PublicEntrance(entrance_args, on_host)
if settings.backup and secrets.backup:
    data = stack_data(settings.archive.kind, archive, keycloak, certificate)
    repository = make_repository("backup-repository", stack, settings.backup, host, after_archive_check)
    backup_args = BackupArgs(stack, networks, settings.backup, repository, secrets.backup, data, settings.smtp)
    Backup("backup", backup_args, on_host)
Identity("identity", IdentityArgs(entrance.origin, settings.sign_in, secrets.identity, keycloak.database.lasts_with))
outputs.export(endpoint, secrets, host)
