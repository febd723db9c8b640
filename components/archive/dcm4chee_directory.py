"""The LDAP directory in which DCM4chee keeps its settings: devices, AE titles, who may call."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.archive.dcm4chee_images import AS_ROOT, ASSETS, DIMSE_PORT, STORAGE, secret_files
from components.archive.interface import ArchiveArgs
from components.backup.dump import DumpSource
from components.containers.healthcheck import Healthcheck
from components.containers.networks import data_volume
from components.containers.service import File, Service, ServiceArgs
from settings import Dicom

LDAP_PORT = 389
LDAP_URL = f"ldap://dcm4chee-ldap:{LDAP_PORT}"
BASE_DN = "dc=dcm4che,dc=org"


@dataclass(frozen=True)
class Directory:
    """The running directory, and how it is backed up."""

    service: Service
    dump: DumpSource


def make_directory(name: str, args: ArchiveArgs, network: docker.Network, parent: pulumi.Resource) -> Directory:
    """The directory, with its data and its own settings on volumes.

    Settings: README of dcm4che-dockerfiles/slapd-dcm4chee.
    """
    service = Service(
        name,
        ServiceArgs(
            stack=args.stack,
            image="dcm4chee-ldap",
            alias="dcm4chee-ldap",
            networks=[network],
            user=None,
            capabilities=AS_ROOT,
            entrypoint=["/bin/sh", "/start.sh"],
            command=["slapd", "-u", "ldap", "-g", "ldap"],
            environment={
                "LDAP_BASE_DN": BASE_DN,
                "ARCHIVE_DEVICE_NAME": args.settings.device_name,
                "AE_TITLE": args.settings.ae_title,
                "DICOM_PORT": str(DIMSE_PORT),
                "STORAGE_DIR": f"{STORAGE}/fs1",
                # Users of the directory, with known passwords, are for the variants with a login.
                "LDAP_INIT_USERS": "",
            },
            files=[
                File(path="/start.sh", content=(ASSETS / "start-directory.sh").read_text()),
                File(path="/callers", content=callers(args.dicom)),
                *secret_files(args.secrets, "archive-ldap", "archive-ldap-config"),
            ],
            volumes={
                "/var/lib/openldap/openldap-data": data_volume(f"{name}-volume", "dcm4chee-ldap", args.stack, parent),
                "/etc/openldap/slapd.d": data_volume(
                    f"{name}-settings-volume", "dcm4chee-ldap-settings", args.stack, parent
                ),
            },
            healthcheck=Healthcheck(
                # Served only once it is complete.
                command=[
                    *("ldapsearch", "-x", "-LLL", "-H", f"ldap://127.0.0.1:{LDAP_PORT}", "-s", "base"),
                    *(
                        "-b",
                        f"dicomDeviceName={args.settings.device_name},cn=Devices,cn=DICOM Configuration,{BASE_DN}",
                    ),
                    "dn",
                ],
                start_period=120,
            ),
            memory_mib=256,
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    dump = DumpSource(
        host="dcm4chee-ldap",
        image="dcm4chee-ldap",
        network=network,
        scripts="directory",
        password_file=args.secrets["archive-ldap"],
        environment={"LDAP_URL": LDAP_URL, "LDAP_ADMIN": f"cn=admin,{BASE_DN}", "LDAP_BASE": BASE_DN},
        healthy=["ldapsearch", "-x", "-LLL", "-H", LDAP_URL, "-s", "base", "-b", "", "namingContexts"],
        after=service,
    )
    return Directory(service=service, dump=dump)


def callers(dicom: Dicom | None) -> str:
    """AE titles that may call, one a line; an empty line, as no file may be empty, closes the archive's DICOM port."""
    return "\n".join(dicom.callers if dicom else ()) + "\n"
