"""A web DICOM viewer behind a login. Reads as the architecture: settings, components, outputs."""

from pulumi import Output, ResourceOptions

import outputs
import settings
from components.archive import ArchiveArgs, archive_secrets, make_archive, require_confirmed_archive
from components.auth_proxy.auth_proxy import AuthProxy, AuthProxyArgs
from components.containers.networks import Networks, NetworksArgs
from components.containers.stack_context import StackContext
from components.gateway.gateway import Gateway, GatewayArgs, Upstreams
from components.keycloak.identity import Identity, IdentityArgs
from components.keycloak.server import Keycloak, KeycloakArgs
from components.public_name.entrance import make_host, make_records, obtain_certificate, served_certificate
from components.public_name.origin import origin_when_it_answers
from components.secrets import Secrets, SecretsArgs
from components.viewer.viewer import Viewer, ViewerArgs

told = settings.load()
stack = StackContext(project=told.project, stack=told.stack, images=told.images, protect_data=told.protect_data)

chosen = require_confirmed_archive("archive-choice", told.archive)

secrets = Secrets("secrets", SecretsArgs(users=told.user_names, archive=archive_secrets(told.archive.kind)), chosen)
host = make_host("host", stack, told)
there = ResourceOptions.merge(chosen, ResourceOptions(providers=[host.provider]))
endpoint = Output.from_input(told.host or host.address).apply(told.endpoint)

networks = Networks("networks", NetworksArgs(stack=stack, ipv6=told.dual_stack), there)
archive = make_archive(
    "archive",
    ArchiveArgs(stack=stack, networks=networks, secrets=secrets, told=told.archive, dicom=told.dicom),
    there,
)
keycloak = Keycloak(
    "keycloak",
    KeycloakArgs(stack=stack, networks=networks, secrets=secrets, endpoint=endpoint, sends_mail=told.smtp is not None),
    there,
)
auth_proxy = AuthProxy(
    "auth-proxy",
    AuthProxyArgs(stack=stack, networks=networks, secrets=secrets, endpoint=endpoint, told=told, keycloak=keycloak),
    there,
)
viewer = Viewer("viewer", ViewerArgs(stack=stack, networks=networks), there)
certificate = served_certificate("certificate", stack, told, there)
upstreams = Upstreams(keycloak=keycloak, auth_proxy=auth_proxy, viewer=viewer, archive=archive)
gateway = Gateway(
    "gateway",
    GatewayArgs(stack=stack, networks=networks, endpoint=endpoint, told=told, certificate=certificate, to=upstreams),
    there,
)
records = make_records("dns", stack, told, networks, host, there)
ready = obtain_certificate("certificate", stack, told, networks, host, gateway, certificate, records, there)
origin = origin_when_it_answers(
    endpoint,
    after=[keycloak.container_id, gateway.container_id, ready],
    ca_certificate=told.certificate.ca_certificate if told.certificate else None,
)
Identity("identity", IdentityArgs(told=told, secrets=secrets, keycloak=keycloak, gateway=gateway, origin=origin))
outputs.export(endpoint, secrets, host)
