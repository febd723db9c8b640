"""The stack's configuration, read once and checked before anything is made.

This package alone reads `pulumi.Config`. Types, defaults and descriptions of the keys are
declared in `Pulumi.yaml`; here they become frozen dataclasses, and what does not fit together is refused
with the key's name and what to do about it. Nothing here asks which stack it is.

What does not come from the stack's configuration: `OHIF_IMAGES`, a path in the environment, as images that exist on
one machine only are that machine's matter (docs/adr/0003-images-of-the-machine.md), and `LINODE_TOKEN` and
`LINODE_URL`, as Linode's own provider reads them.
"""

import pulumi

from settings import archive, dicom, image_table, machine, name, people, place, reading, tls
from settings.model import (
    CONSOLE_USER,
    Acme,
    Archive,
    ArchiveKind,
    Dicom,
    DicomTls,
    DuckDns,
    LinodeZone,
    LocalMachine,
    Machine,
    Mfa,
    Network,
    ProvidedCertificate,
    PublicEndpoint,
    Server,
    SessionLimits,
    Settings,
    Smtp,
    User,
    Vm,
)
from settings.place import EVERY_NETWORK
from settings.reading import ConfigurationError

__all__ = [
    "CONSOLE_USER",
    "EVERY_NETWORK",
    "KEYS",
    "Acme",
    "Archive",
    "ArchiveKind",
    "ConfigurationError",
    "Dicom",
    "DicomTls",
    "DuckDns",
    "LinodeZone",
    "LocalMachine",
    "Machine",
    "Mfa",
    "Network",
    "ProvidedCertificate",
    "PublicEndpoint",
    "Server",
    "SessionLimits",
    "Settings",
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
        "aeTitle",
        "dcm4chee",
        "confirmArchiveSwitch",
        "dicom",
        "users",
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
    reading.refuse_unknown_keys(config.name, KEYS)
    kept_in = archive.archive(config)
    there = machine.machine(config, kept_in.kind)
    host = place.host(config, there)
    http_port = reading.integer(config, "port", at_least=1, at_most=65535)
    https_port = reading.integer(config, "httpsPort", at_least=1, at_most=65535)
    bound = place.bind_addresses(config, there)
    sessions = SessionLimits(
        idle=reading.duration(config, "sessionIdle", at_most=24 * reading.HOUR),
        maximum=reading.duration(config, "sessionMax", at_most=7 * 24 * reading.HOUR),
        access_token=reading.duration(config, "accessTokenLife", at_most=reading.HOUR),
    )
    if sessions.idle > sessions.maximum:
        raise ConfigurationError("sessionIdle", "is longer than sessionMax; make it shorter.")
    if sessions.access_token >= sessions.idle:
        # A session is kept alive by refreshing the access token, so a token must end before the session does.
        raise ConfigurationError("accessTokenLife", "must be shorter than sessionIdle.")
    certificate = tls.certificate(config, host, http_port, there, bound)
    if certificate is not None and http_port == https_port:
        raise ConfigurationError("httpsPort", "must not be the same as port.")
    if certificate is None and not isinstance(there, LocalMachine):
        pulumi.log.warn("tls is none: passwords and patients' data travel in the clear. Set ohif:tls and ohif:host.")
    table = image_table.images(config)
    loose = image_table.unpinned(table, kept_in.kind)
    if loose and not isinstance(there, LocalMachine):
        pulumi.log.warn(
            f"images without a digest: {', '.join(loose)}. Their registry decides what runs under these tags; "
            "`make pin` writes the digests of today into images.lock.json."
        )
    return Settings(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        machine=there,
        host=host,
        http_port=http_port,
        https_port=https_port,
        certificate=certificate,
        dns=name.dns(config, host, there),
        bind_addresses=bound,
        admin_networks=place.admin_networks(config, there, bound),
        archive=archive.within_volume(kept_in, there),
        dicom=dicom.dicom(config),
        users=people.users(config),
        sessions=sessions,
        mfa=reading.choice(config, "mfa", Mfa),
        smtp=people.smtp(config),
        protect_data=reading.boolean(config, "protectData"),
        images=table,
    )
