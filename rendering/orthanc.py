"""Orthanc's configuration file.

Source of the keys: Orthanc Book, "Configuration", "Securing Orthanc", "Scalability", and the pages of the
plugins DICOMweb and PostgreSQL. A key that a version does not know is ignored by it.
"""

import json
from dataclasses import dataclass

PORT = 8042
DICOMWEB_ROOT = "/dicom-web"


@dataclass(frozen=True, kw_only=True)
class OrthancConfig:
    """What the file depends on."""

    name: str
    user: str
    password: str
    database_host: str
    database_name: str
    database_password: str
    storage_path: str


def render(config: OrthancConfig) -> str:
    """The file, in JSON."""
    return json.dumps(
        {
            "Name": config.name,
            "StorageDirectory": config.storage_path,
            "IndexDirectory": config.storage_path,
            "HttpServerEnabled": True,
            "HttpPort": PORT,
            "HttpThreadsCount": 50,
            "HttpTimeout": 60,
            # Compression is the gateway's work.
            "HttpCompressionEnabled": False,
            "KeepAlive": True,
            # Longer than the gateway keeps an idle connection: one that the archive closes first fails an upload.
            "KeepAliveTimeout": 15,
            "RemoteAccessAllowed": True,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {config.user: config.password},
            "DicomServerEnabled": False,
            # Ways from the HTTP interface to the machine itself.
            "ExecuteLuaEnabled": False,
            "RestApiWriteToFileSystemEnabled": False,
            "WebDavEnabled": False,
            "OrthancPeers": {},
            "HttpsVerifyPeers": True,
            "CheckRevisions": False,
            "OverwriteInstances": False,
            "StableAge": 30,
            "MaximumStorageCacheSize": 128,
            "SaveJobs": True,
            "JobsHistorySize": 20,
            "ConcurrentJobs": 2,
            "PostgreSQL": {
                "EnableIndex": True,
                "EnableStorage": False,
                "Host": config.database_host,
                "Port": 5432,
                "Database": config.database_name,
                "Username": config.database_name,
                "Password": config.database_password,
                "EnableSsl": False,
                "IndexConnectionsCount": 20,
                "MaximumConnectionRetries": 120,
                "ConnectionRetryInterval": 1,
            },
            "DicomWeb": {
                "Enable": True,
                "Root": f"{DICOMWEB_ROOT}/",
                "PublicRoot": "/pacs/",
                "EnableWado": False,
                "StudiesMetadata": "MainDicomTags",
                "SeriesMetadata": "Full",
                "EnableMetadataCache": True,
            },
            "OrthancExplorer2": {"Enable": True, "IsDefaultOrthancUI": True},
        },
        indent=2,
    )
