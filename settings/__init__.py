"""The stack's configuration, read once and checked before anything is made.

This package alone reads `pulumi.Config`. Types, defaults and descriptions of the keys are
declared in `Pulumi.yaml`; here they become frozen dataclasses, and what does not fit together is refused
with the key's name and what to do about it. Nothing here asks which stack it is.

What does not come from the stack's configuration: `OHIF_IMAGES`, a path in the environment, as images that exist on
one machine only are that machine's matter (docs/adr/0003-images-of-the-machine.md), and `LINODE_TOKEN` and
`LINODE_URL`, as Linode's own provider reads them.
"""

import pulumi

from settings import addresses, archive, dicom, dns, images, machine, parsing, tls, users
from settings.addresses import EVERY_NETWORK
from settings.model.archive import Archive, ArchiveKind, CharacterSet, Dicom, DicomTls
from settings.model.entrance import Acme, DuckDns, LinodeZone, Listeners, ProvidedCertificate
from settings.model.machine import LocalMachine, Machine, Network, Server, Vm
from settings.model.sign_in import CONSOLE_USER, Mfa, Program, SessionLimits, SignIn, Smtp, User
from settings.model.stack import Settings
from settings.parsing import ConfigurationError

__all__ = [
    "CONSOLE_USER",
    "EVERY_NETWORK",
    "KEYS",
    "Acme",
    "Archive",
    "ArchiveKind",
    "CharacterSet",
    "ConfigurationError",
    "Dicom",
    "DicomTls",
    "DuckDns",
    "LinodeZone",
    "Listeners",
    "LocalMachine",
    "Machine",
    "Mfa",
    "Network",
    "Program",
    "ProvidedCertificate",
    "Server",
    "SessionLimits",
    "Settings",
    "SignIn",
    "Smtp",
    "User",
    "Vm",
    "load",
]

KEYS = frozenset(
    {
        "target",
        "vm",
        "server",
        "ssh",
        "host",
        "port",
        "httpsPort",
        "bindAddress",
        "adminNetworks",
        "tls",
        "acme",
        "tlsCertificate",
        "tlsKey",
        "tlsCa",
        "dns",
        "linodeDns",
        "duckDns",
        "archive",
        "archiveMemory",
        "archiveMaximumGb",
        "defaultCharacterSet",
        "aeTitle",
        "dcm4chee",
        "confirmArchiveSwitch",
        "dicom",
        "users",
        "programs",
        "downloadRoles",
        "sessionIdle",
        "sessionMax",
        "accessTokenLife",
        "mfa",
        "smtp",
        "protectData",
        "images",
    }
)
"""Every key of the namespace `ohif`; a test holds it against Pulumi.yaml."""


def load() -> Settings:
    """Read and check the configuration of the stack that runs.

    Raises:
        ConfigurationError: a key is unknown or a value cannot be used.
    """
    config = pulumi.Config()
    parsing.refuse_unknown_keys(config.name, KEYS)
    kept_in = archive.archive(config)
    machine_settings = machine.machine(config, kept_in.kind)
    host = addresses.host(config, machine_settings)
    http_port = parsing.integer(config, "port", at_least=1, at_most=65535)
    https_port = parsing.integer(config, "httpsPort", at_least=1, at_most=65535)
    bound = addresses.bind_addresses(config, machine_settings)
    sessions = SessionLimits(
        idle=parsing.duration(config, "sessionIdle", at_most=24 * parsing.HOUR),
        maximum=parsing.duration(config, "sessionMax", at_most=7 * 24 * parsing.HOUR),
        access_token=parsing.duration(config, "accessTokenLife", at_most=parsing.HOUR),
    )
    if sessions.idle > sessions.maximum:
        raise ConfigurationError("sessionIdle", "is longer than sessionMax; make it shorter.")
    if sessions.access_token >= sessions.idle:
        # A session is kept alive by refreshing the access token, so a token must end before the session does.
        raise ConfigurationError("accessTokenLife", "must be shorter than sessionIdle.")
    certificate = tls.certificate(config, host, http_port, machine_settings, bound)
    if certificate is not None and http_port == https_port:
        raise ConfigurationError("httpsPort", "must not be the same as port.")
    if certificate is None and not isinstance(machine_settings, LocalMachine):
        pulumi.log.warn("tls is none: passwords and patients' data are sent unencrypted. Set ohif:tls and ohif:host.")
    table = images.images(config)
    loose = images.unpinned(table, kept_in.kind)
    if loose and not isinstance(machine_settings, LocalMachine):
        pulumi.log.warn(
            f"images without a digest: {', '.join(loose)}. Their registry decides what runs under these tags; "
            "`make pin` writes the digests of today into images.lock.json."
        )
    return Settings(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        machine=machine_settings,
        host=host,
        listeners=Listeners(
            addresses=bound,
            http_port=http_port,
            https_port=https_port,
            admin_networks=addresses.admin_networks(config, machine_settings, bound),
            dicom=dicom.dicom(config),
        ),
        certificate=certificate,
        dns=dns.dns(config, host, machine_settings),
        archive=archive.within_volume(kept_in, machine_settings),
        users=users.users(config),
        programs=users.programs(config),
        download_roles=users.download_roles(config),
        sessions=sessions,
        mfa=parsing.choice(config, "mfa", Mfa),
        smtp=users.smtp(config),
        protect_data=parsing.boolean(config, "protectData"),
        images=table,
    )
