"""Orthanc's configuration file.

Source of the keys: Orthanc Book, "Configuration", "Securing Orthanc", "Scalability", and the pages of the
plugins DICOMweb and PostgreSQL. A key that a version does not know is ignored by it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.database.address import DatabaseAddress
from public_paths import DICOMWEB_PATH

PORT = 8042
DIMSE_PORT = 4242
DICOMWEB_ROOT = "/dicom-web"
IDENTITY_SCRIPT = "/etc/orthanc/one_identity.lua"
"""Refuses an instance whose UIDs are stored under another parent (assets/archive/orthanc)."""
SCRIPTED_ROOT = "/scripted"
"""Where scripts answer in place of the DICOMweb plugin."""
PYTHON_SCRIPTS = tuple(
    f"/etc/orthanc/{name}.py"
    for name in (
        *("plugin", "changes", "kept_metadata", "metadata", "restriction"),
        *("scripted", "search", "single_part", "study_zip"),
    )
)
"""The first is loaded and imports the others (assets/archive/orthanc)."""
RIGHTS_FILE = "/etc/orthanc-rights.json"
"""Outside of /etc/orthanc, whose JSON files the image takes for Orthanc's own."""
RIGHTS_SCRIPTS = tuple(
    f"/etc/orthanc/{name}" for name in ("rights.py", "share_links.py", "labels.py", "restricted_stores.lua")
)
"""In addition, where users may not read every study."""
SHARE_SCRIPTS = ("/etc/orthanc/shares.py",)
"""In addition, where there are share links."""
OPENED_SHARE_PATH = "/shares/opened"
"""Where that script says what the secret of a share link shows."""
RESTRICTED_USER = "restricted"
"""As which the gateway asks for them."""
INDEX_CONNECTIONS = 20
"""Connections to the database, taken in turn. Each that a restart of the database has ended fails one request with 503,
then opens again, and waits for the database meanwhile."""

HTTP_THREADS = 50
THREAD_STACKS_MIB = HTTP_THREADS * 8
"""What the kernel reserves for the stacks of its threads (`ulimit -s`)."""

ENCODINGS = {
    "ISO_IR 192": "Utf8",
    "ISO_IR 100": "Latin1",
    "ISO_IR 101": "Latin2",
    "ISO_IR 109": "Latin3",
    "ISO_IR 110": "Latin4",
    "ISO_IR 144": "Cyrillic",
    "ISO_IR 127": "Arabic",
    "ISO_IR 126": "Greek",
    "ISO_IR 138": "Hebrew",
    "ISO_IR 148": "Latin5",
    "ISO_IR 13": "Japanese",
    "ISO_IR 166": "Thai",
    "GB18030": "Chinese",
    "ISO 2022 IR 149": "Korean",
}
"""Orthanc's names of character sets ("DefaultEncoding") by DICOM's defined terms."""


@dataclass(frozen=True, kw_only=True)
class OrthancConfig:
    """Values in the file."""

    name: str
    user: str
    password: str
    database: Mapping[str, object]
    """Where the index is (`index`)."""
    storage_path: str
    ae_title: str
    memory_mib: int
    """Memory of the container; Orthanc's caches and buffers take shares of it."""
    callers: Sequence[str]
    """AE titles that may send by DICOM; empty: the DICOM port is closed."""
    character_set: str | None
    """Defined term of (0008,0005) for files that name none; `None`: Orthanc's default, Latin 1."""
    maximum_mb: int
    """Size of all stored files at which further ones are refused; 0: no limit."""
    restricted_password: str | None
    """Of the user for those who may not read every study; `None`: there are none."""
    further: Mapping[str, object]
    """Sections for the place of the files."""


def index(address: DatabaseAddress, password: str) -> Mapping[str, object]:
    """Keys of the PostgreSQL plugin. A server elsewhere would hold the lock of a machine that died for hours."""
    if address.encrypted:
        return {"ConnectionUri": address.uri(password), "Lock": False}
    return {
        "Host": address.host,
        "Port": address.port,
        "Database": address.name,
        "Username": address.user,
        "Password": password,
        "EnableSsl": False,
    }


def render(config: OrthancConfig) -> str:
    """The file, in JSON."""
    return json.dumps(
        {
            "Name": config.name,
            "StorageDirectory": config.storage_path,
            "IndexDirectory": config.storage_path,
            "HttpServerEnabled": True,
            "HttpPort": PORT,
            "HttpThreadsCount": HTTP_THREADS,
            "HttpTimeout": 60,
            # Compression is the gateway's work.
            "HttpCompressionEnabled": False,
            "KeepAlive": True,
            # Longer than the gateway keeps an idle connection: one that the archive closes first fails an upload.
            "KeepAliveTimeout": 15,
            "RemoteAccessAllowed": True,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {config.user: config.password, **restricted(config)},
            **dimse(config),
            # Ways from the HTTP interface to the machine itself.
            "ExecuteLuaEnabled": False,
            "RestApiWriteToFileSystemEnabled": False,
            "WebDavEnabled": False,
            "OrthancPeers": {},
            "HttpsVerifyPeers": True,
            "CheckRevisions": False,
            "OverwriteInstances": False,
            "LuaScripts": [
                IDENTITY_SCRIPT,
                *(path for path in RIGHTS_SCRIPTS if restricted(config) and path.endswith(".lua")),
            ],
            **({"UserMetadata": {"Labelled": 4400, "Shares": 4401}} if restricted(config) else {}),
            # Without `AllowThreads` one search waits for the other.
            "Python": {"Path": PYTHON_SCRIPTS[0], "AllowThreads": True},
            **({} if config.character_set is None else {"DefaultEncoding": ENCODINGS[config.character_set]}),
            "StableAge": 30,
            # At the limit nothing is deleted to make room: a store fails with 507, or 0xA700 by DICOM.
            "MaximumStorageSize": config.maximum_mb,
            "MaximumStorageMode": "Reject",
            **memory(config.memory_mib),
            # A ZIP or gzip file that expands to more is refused before its memory is taken.
            "MaximumFileSizeInArchiveMB": config.memory_mib // 4,
            "SaveJobs": True,
            "JobsHistorySize": 20,
            "ConcurrentJobs": 2,
            "PostgreSQL": {
                "EnableIndex": True,
                "EnableStorage": False,
                **config.database,
                "IndexConnectionsCount": INDEX_CONNECTIONS,
                "MaximumConnectionRetries": 120,
                "ConnectionRetryInterval": 1,
            },
            "DicomWeb": {
                "Enable": True,
                "Root": f"{DICOMWEB_ROOT}/",
                "PublicRoot": f"{DICOMWEB_PATH}/",
                "EnableWado": False,
                "StudiesMetadata": "Full",
                "SeriesMetadata": "Full",
                "EnableMetadataCache": True,
            },
            "OrthancExplorer2": {"Enable": True, "IsDefaultOrthancUI": True},
            **config.further,
        },
        indent=2,
    )


def restricted(config: OrthancConfig) -> dict[str, str]:
    """The second registered user, if there is one."""
    return {} if config.restricted_password is None else {RESTRICTED_USER: config.restricted_password}


def rights(
    groups: Sequence[str], rules: Sequence[tuple[Mapping[str, str], Sequence[str]]], share_days: int | None
) -> str:
    """The scripts' own file, in JSON: groups, rules with their conditions and labels, and the longest share link."""
    written = [{"when": dict(when), "labels": list(labels)} for when, labels in rules]
    return json.dumps({"groups": list(groups), "rules": written, "shareDays": share_days}, indent=2)


def memory(mib: int) -> dict[str, int]:
    """Sizes in MiB of caches and buffers: together less than two thirds of the container's memory.

    Orthanc's own defaults add up to 1.6 GiB. An object larger than a buffer exceeds it.
    """
    eighth, sixteenth = mib // 8, mib // 16
    return {
        "MaximumStorageCacheSize": eighth,
        "StorageMemoryCapacity": eighth,
        "DicomParserMemoryCapacity": eighth,
        "DicomParserCacheSize": sixteenth,
        "TranscoderMemoryCapacity": eighth,
        "TranscoderCacheSize": sixteenth,
    }


def dimse(config: OrthancConfig) -> dict[str, object]:
    """The DICOM port: closed, or open for the listed callers to verify and to store, and for nothing else.

    Callers may neither query nor retrieve: that would bypass the login.
    """
    if not config.callers:
        return {"DicomServerEnabled": False}
    return {
        "DicomServerEnabled": True,
        "DicomPort": DIMSE_PORT,
        "DicomAet": config.ae_title,
        "DicomCheckCalledAet": True,
        "StrictAetComparison": True,
        # All associations come from the gateway, which has looked at their address.
        "DicomCheckModalityHost": False,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowFindWorklist": False,
        "DicomAlwaysAllowGet": False,
        "DicomAlwaysAllowMove": False,
        "DicomModalitiesInDatabase": False,
        "DicomModalities": {
            caller: {
                "AET": caller,
                # Orthanc requires an address to send to; it has no outbound access, and nothing is sent.
                "Host": "127.0.0.1",
                "Port": 104,
                "AllowEcho": True,
                "AllowStore": True,
                "AllowFind": False,
                "AllowFindWorklist": False,
                "AllowGet": False,
                "AllowMove": False,
                "AllowStorageCommitment": False,
                "AllowTranscoding": False,
            }
            for caller in config.callers
        },
        # Seconds without a word from the other side.
        "DicomScpTimeout": 60,
        "DicomScuTimeout": 10,
        # An association each. The gateway lets in no more than there are threads (components/gateway/limits.py).
        "DicomThreadsCount": 16,
    }
