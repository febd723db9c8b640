"""The stack's configuration, read once and checked before anything is made.

This package alone reads `pulumi.Config`. Types, defaults and descriptions of the keys are
declared in `Pulumi.yaml`; here they become frozen dataclasses, and what does not fit together is refused
with the key's name and what to do about it. Nothing here asks which stack it is.

What does not come from the stack's configuration: `OHIF_IMAGES`, a path in the environment, as images that exist on
one machine only are that machine's matter (docs/adr/0003-images-of-the-machine.md), and `LINODE_TOKEN` and
`LINODE_URL`, as Linode's own provider reads them.
"""

import pulumi

from settings import (
    addresses,
    archive,
    backup,
    database,
    dicom,
    directory,
    dns,
    files,
    images,
    login_providers,
    logs,
    machine,
    parsing,
    proxy,
    rights,
    tls,
    users,
    viewer,
)
from settings.addresses import EVERY_NETWORK
from settings.model.archive import Archive, ArchiveKind, CharacterSet, Dicom, DicomTls, LabelRule, Rights, ShareLinks
from settings.model.backup import Backup, Keep, LinodeBucket, S3Access, SftpAccess
from settings.model.database import DatabaseLogin, DatabaseServer
from settings.model.entrance import Acme, DuckDns, LinodeZone, Listeners, ProvidedCertificate, Proxy, ProxyProtocol
from settings.model.federation import Directory, DirectoryKind, LoginProvider, OpenIdProvider, SamlProvider
from settings.model.files import FilesBucket, FilesFolder
from settings.model.logs import LogServer
from settings.model.machine import LocalMachine, Machine, Network, Server, Vm
from settings.model.sign_in import CONSOLE_USER, Mfa, PasswordRules, Program, SessionLimits, SignIn, Smtp, User
from settings.model.stack import Settings
from settings.model.viewer import ViewerSettings
from settings.parsing import ConfigurationError

__all__ = [
    "CONSOLE_USER",
    "EVERY_NETWORK",
    "KEYS",
    "Acme",
    "Archive",
    "ArchiveKind",
    "Backup",
    "CharacterSet",
    "ConfigurationError",
    "DatabaseLogin",
    "DatabaseServer",
    "Dicom",
    "DicomTls",
    "Directory",
    "DirectoryKind",
    "DuckDns",
    "FilesBucket",
    "FilesFolder",
    "Keep",
    "LabelRule",
    "LinodeBucket",
    "LinodeZone",
    "Listeners",
    "LocalMachine",
    "LogServer",
    "LoginProvider",
    "Machine",
    "Mfa",
    "Network",
    "OpenIdProvider",
    "PasswordRules",
    "Program",
    "ProvidedCertificate",
    "Proxy",
    "ProxyProtocol",
    "Rights",
    "S3Access",
    "SamlProvider",
    "Server",
    "SessionLimits",
    "Settings",
    "SftpAccess",
    "ShareLinks",
    "SignIn",
    "Smtp",
    "User",
    "ViewerSettings",
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
        "proxy",
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
        "database",
        "files",
        "dicom",
        "users",
        "directory",
        "loginProviders",
        "programs",
        "downloadRoles",
        "auditDays",
        "logs",
        "rights",
        "sessionIdle",
        "sessionMax",
        "accessTokenLife",
        "mfa",
        "passkeys",
        "passwordRules",
        "smtp",
        "viewer",
        "backup",
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
    of_rights = kept_in.rights.realm_roles if kept_in.rights else {}
    host = addresses.host(config, machine_settings)
    http_port = parsing.integer(config, "port", at_least=1, at_most=65535)
    https_port = parsing.integer(config, "httpsPort", at_least=1, at_most=65535)
    bound = addresses.bind_addresses(config, machine_settings)
    in_front = proxy.proxy(config)
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
    if certificate is None and in_front is None and not isinstance(machine_settings, LocalMachine):
        pulumi.log.warn("tls is none: passwords and patients' data are sent unencrypted. Set ohif:tls and ohif:host.")
    secure = certificate is not None or in_front is not None
    mfa = parsing.choice(config, "mfa", Mfa)
    mail_server = users.smtp(config)
    table = images.images(config)
    loose = images.unpinned(table, kept_in.kind)
    if loose and not isinstance(machine_settings, LocalMachine):
        pulumi.log.warn(
            f"images without a digest: {', '.join(loose)}. Their registry decides what runs under these tags; "
            "`make pin` writes the digests of today into images.lock.json."
        )
    listeners = Listeners(
        addresses=bound,
        http_port=http_port,
        https_port=https_port,
        admin_networks=addresses.admin_networks(config, machine_settings, bound, behind_proxy=in_front is not None),
        dicom=dicom.dicom(config),
        proxy=in_front,
    )
    backups = backup.backup(config, machine_settings, mails=mail_server is not None)
    server = database.database(config, kept_in.kind)
    audit_days = parsing.integer(config, "auditDays", at_least=0, at_most=3650)
    rights.require_https(kept_in.rights, secure=secure or listeners.loopback_only)
    return Settings(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        machine=machine_settings,
        host=host,
        listeners=listeners,
        certificate=certificate,
        dns=dns.dns(config, host, machine_settings),
        archive=archive.within_volume(kept_in, machine_settings),
        database=server,
        files=files.place(config, kept_in.kind, machine_settings, backups, server),
        users=users.users(config, of_rights),
        directory=directory.directory(config, of_rights),
        login_providers=login_providers.login_providers(config, of_rights),
        programs=users.programs(config, of_rights),
        download_roles=users.download_roles(config),
        audit_days=audit_days,
        log_server=logs.log_server(config, audit_days),
        sessions=sessions,
        mfa=mfa,
        passkeys=users.passkeys(config, mfa, host, secure=secure),
        password_rules=users.password_rules(config),
        smtp=mail_server,
        viewer=viewer.viewer(config, secure=secure),
        backup=backups,
        protect_data=parsing.boolean(config, "protectData"),
        images=table,
    )
