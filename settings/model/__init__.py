"""The configuration as frozen dataclasses. Nothing here reads or checks anything."""

from settings.model.archive import Archive, ArchiveKind, Dicom, DicomTls
from settings.model.entrance import Acme, Dns, DuckDns, LinodeZone, Listeners, ProvidedCertificate, Tls
from settings.model.machine import LocalMachine, Machine, Network, Server, Target, Vm
from settings.model.sign_in import CONSOLE_USER, Mfa, SessionLimits, SignIn, Smtp, User
from settings.model.stack import Settings

__all__ = [
    "CONSOLE_USER",
    "Acme",
    "Archive",
    "ArchiveKind",
    "Dicom",
    "DicomTls",
    "Dns",
    "DuckDns",
    "LinodeZone",
    "Listeners",
    "LocalMachine",
    "Machine",
    "Mfa",
    "Network",
    "ProvidedCertificate",
    "Server",
    "SessionLimits",
    "Settings",
    "SignIn",
    "Smtp",
    "Target",
    "Tls",
    "User",
    "Vm",
]
