"""The stack's configuration, read once and checked before anything is made.

This package alone reads `pulumi.Config`. Types, defaults and descriptions of the keys are
declared in `Pulumi.yaml`; here they become frozen dataclasses, and what does not fit together is refused
with the key's name and what to do about it. Nothing here asks which stack it is.

The one value that does not come from the stack's configuration is `OHIF_IMAGES`, a path in the
environment: images that exist on one machine only are that machine's matter, not the stack's
(docs/adr/0003-images-of-the-machine.md).
"""

import pulumi

from settings import archive, dicom, image_table, people, place, reading
from settings.model import (
    CONSOLE_USER,
    Archive,
    ArchiveKind,
    Dicom,
    DicomTls,
    Mfa,
    Network,
    PublicEndpoint,
    SessionLimits,
    Settings,
    Smtp,
    Target,
    User,
)
from settings.reading import ConfigurationError

__all__ = [
    "CONSOLE_USER",
    "KEYS",
    "Archive",
    "ArchiveKind",
    "ConfigurationError",
    "Dicom",
    "DicomTls",
    "Mfa",
    "Network",
    "PublicEndpoint",
    "SessionLimits",
    "Settings",
    "Smtp",
    "Target",
    "User",
    "load",
]

KEYS = frozenset(
    {
        "target",
        "host",
        "port",
        "bindAddress",
        "adminNetworks",
        "archive",
        "archiveMemory",
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
    bind_address = reading.address(config, "bindAddress")
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
    return Settings(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        target=reading.choice(config, "target", Target),
        endpoint=PublicEndpoint(
            scheme="http", host=place.host(config), port=reading.integer(config, "port", at_least=1, at_most=65535)
        ),
        bind_address=bind_address,
        admin_networks=place.admin_networks(config, bind_address),
        archive=archive.archive(config),
        dicom=dicom.dicom(config),
        users=people.users(config),
        sessions=sessions,
        mfa=reading.choice(config, "mfa", Mfa),
        smtp=people.smtp(config),
        protect_data=reading.boolean(config, "protectData"),
        images=image_table.images(config),
    )
