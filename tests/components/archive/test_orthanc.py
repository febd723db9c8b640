"""Orthanc's file: closed where it could reach the machine, and nobody comes in without the credential."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.archive.orthanc_config import DICOMWEB_ROOT, ENCODINGS, PYTHON_SCRIPTS, OrthancConfig, index, render
from components.database.address import DatabaseAddress
from settings import CharacterSet

ROOT = Path(__file__).resolve().parents[3]

ORTHANC = OrthancConfig(
    name="Archive",
    user="gateway",
    password='p"w\\',
    database=index(
        DatabaseAddress(host="orthanc-db", port=5432, name="orthanc", user="orthanc", encrypted=False), "dbpw"
    ),
    storage_path="/var/lib/orthanc/db",
    ae_title="ARCHIVE",
    memory_mib=1024,
    callers=(),
    character_set=None,
    maximum_mb=36_000,
    restricted_password=None,
    further={},
)


def parsed(*callers: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(replace(ORTHANC, callers=callers)))
    return found


def test_ways_to_the_machine_are_closed() -> None:
    actual = parsed()
    for switch in ("ExecuteLuaEnabled", "RestApiWriteToFileSystemEnabled", "WebDavEnabled", "DicomServerEnabled"):
        assert actual[switch] is False, switch
    assert actual["OrthancPeers"] == {}


def test_scripts_are_the_programs_own_and_refuse_nothing_by_mistake() -> None:
    """Each is a file of the image's configuration folder, which the archive's own user cannot write."""
    actual = parsed()
    assert actual["LuaScripts"] == ["/etc/orthanc/one_identity.lua"]
    assert actual["Python"] == {"Path": "/etc/orthanc/plugin.py", "AllowThreads": True}
    for path in (*actual["LuaScripts"], *PYTHON_SCRIPTS):
        assert (ROOT / "assets/archive/orthanc" / Path(path).name).is_file()


def test_caches_and_buffers_fit_into_the_memory_of_the_container() -> None:
    actual = parsed()
    sizes = [actual[key] for key in actual if key.endswith(("CacheSize", "MemoryCapacity"))]
    assert len(sizes) == 6
    assert all(sizes)
    assert sum(sizes) < 1024 * 2 // 3


def test_credential_is_asked() -> None:
    actual = parsed()
    assert actual["AuthenticationEnabled"] is True
    assert actual["RegisteredUsers"] == {"gateway": 'p"w\\'}


def test_index_is_in_its_database_and_files_on_the_volume() -> None:
    actual = parsed()
    assert actual["StorageDirectory"] == "/var/lib/orthanc/db"
    plugin = actual["PostgreSQL"]
    assert (plugin["EnableIndex"], plugin["EnableStorage"]) == (True, False)
    assert (plugin["Host"], plugin["Database"], plugin["Username"], plugin["Password"]) == (
        "orthanc-db",
        "orthanc",
        "orthanc",
        "dbpw",
    )


def test_an_index_elsewhere_is_reached_by_tls_only() -> None:
    address = DatabaseAddress(host="db.example.org", port=5433, name="pacs", user="orthanc", encrypted=True)
    made = index(address, "a:b/c@d")
    assert made["ConnectionUri"] == (
        "postgresql://orthanc:a%3Ab%2Fc%40d@db.example.org:5433/pacs"
        "?sslmode=verify-full&sslrootcert=/etc/database-ca.pem"
    )
    # The lock of a machine that died would keep its successor out.
    assert made["Lock"] is False


def test_known_problem_19_waits_for_its_database() -> None:
    index = parsed()["PostgreSQL"]
    assert index["MaximumConnectionRetries"] * index["ConnectionRetryInterval"] >= 60


def test_dicomweb_is_where_the_gateway_looks_and_links_point_back_to_the_gateway() -> None:
    actual = parsed()["DicomWeb"]
    assert actual["Enable"] is True
    assert actual["Root"] == f"{DICOMWEB_ROOT}/"
    # PS3.18, 10.4.1.1.2: all attributes.
    assert (actual["StudiesMetadata"], actual["SeriesMetadata"]) == ("Full", "Full")
    assert actual["PublicRoot"] == "/pacs/"
    assert actual["EnableWado"] is False


def test_a_stored_instance_is_not_replaced_by_another_under_its_name() -> None:
    assert parsed()["OverwriteInstances"] is False


def test_a_full_archive_refuses_and_deletes_nothing() -> None:
    """Orthanc's own default deletes the oldest patients to make room."""
    actual = parsed()
    assert (actual["MaximumStorageSize"], actual["MaximumStorageMode"]) == (36_000, "Reject")
    assert json.loads(render(replace(ORTHANC, maximum_mb=0)))["MaximumStorageMode"] == "Reject"


def test_dicom_port_is_closed_without_callers() -> None:
    actual = parsed()
    assert actual["DicomServerEnabled"] is False
    of_the_port = [key for key in actual if key.startswith("Dicom") and not key.startswith("DicomParser")]
    assert sorted(of_the_port) == ["DicomServerEnabled", "DicomWeb"]


def test_callers_may_verify_and_store_and_nothing_else() -> None:
    actual = parsed("CT1", "MR_2")
    assert (actual["DicomServerEnabled"], actual["DicomPort"], actual["DicomAet"]) == (True, 4242, "ARCHIVE")
    assert actual["DicomCheckCalledAet"] is actual["StrictAetComparison"] is True
    assert set(actual["DicomModalities"]) == {"CT1", "MR_2"}
    for name, modality in actual["DicomModalities"].items():
        assert modality["AET"] == name
        assert {key for key, value in modality.items() if value is True} == {"AllowEcho", "AllowStore"}


def test_nobody_is_let_in_by_default() -> None:
    """Orthanc's own defaults let everybody verify and store."""
    actual = parsed("CT1")
    always = {key: value for key, value in actual.items() if key.startswith("DicomAlwaysAllow")}
    assert set(always) == {
        f"DicomAlwaysAllow{what}" for what in ("Echo", "Store", "Find", "FindWorklist", "Get", "Move")
    }
    assert not any(always.values())


def test_files_without_a_character_set_are_read_in_the_configured_one() -> None:
    assert "DefaultEncoding" not in parsed()
    assert set(ENCODINGS) == set(CharacterSet)
    assert json.loads(render(replace(ORTHANC, character_set=CharacterSet.UTF_8)))["DefaultEncoding"] == "Utf8"
