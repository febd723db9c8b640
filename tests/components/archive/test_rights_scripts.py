"""Rights on studies in Orthanc's scripts: each of the two checks by itself, and which rule labels what."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.scripts import load

RESTRICTED, GATEWAY = "Basic cmVzdHJpY3RlZDpw", "Basic Z2F0ZXdheTpw"
SETTINGS = {
    "groups": ["radiology", "cardiology"],
    "rules": [
        {"when": {"InstitutionName": "*Mary*", "callingAeTitle": "CT_?"}, "labels": ["radiology"]},
        {"when": {"InstitutionalDepartmentName": "Cardio*"}, "labels": ["cardiology", "radiology"]},
    ],
}
LABELS: dict[str, list[set[str]]] = {
    "1.1": [{"radiology"}],
    "1.2": [{"cardiology"}],
    "1.3": [set()],
    "1.4": [{"radiology"}, {"cardiology"}],
}
"""Of each study by its UID; of the last there are two."""


class OrthancError(Exception):
    """What Orthanc raises."""


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script with an archive of four studies."""

    def get(path: str) -> bytes:
        uid, _, number = path.split("/")[2].partition("-")
        return json.dumps(sorted(LABELS[uid][int(number)])).encode()

    def found(level: str, query: dict[str, str]) -> list[str]:
        uid = query["StudyInstanceUID"]
        return [f"{uid}-{number}" for number in range(len(LABELS.get(uid, [])))]

    def nothing(*_: object) -> None:
        """In place of a registration."""

    methods = SimpleNamespace(GET=1, POST=2, DELETE=3, PUT=4)
    orthanc = SimpleNamespace(
        HttpMethod=methods,
        ChangeType=SimpleNamespace(ORTHANC_STARTED=1, DELETED=2),
        ResourceType=SimpleNamespace(STUDY=1),
        OrthancException=OrthancError,
        RestApiGet=get,
        RegisterIncomingHttpRequestFilter=nothing,
        RegisterRestCallback=nothing,
        RegisterOnStoredInstanceCallback=nothing,
        RegisterOnChangeCallback=nothing,
    )
    files = {"/etc/orthanc-rights.json": json.dumps(SETTINGS), "/etc/orthanc-restricted": RESTRICTED}
    read_text = Path.read_text
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "orthanc", orthanc)
        patch.setitem(sys.modules, "scripted", SimpleNamespace(found=found))
        patch.setattr(Path, "read_text", lambda path, *how: files.get(str(path)) or read_text(path, *how))
        made = load("archive/orthanc/rights.py")
        patch.setitem(sys.modules, "rights", made)
        yield made


def headers(*groups: str, authorization: str = RESTRICTED) -> dict[str, str]:
    return {"authorization": authorization, "x-user-roles": ",".join(["viewer", *(f"group:{it}" for it in groups)])}


def query(level: str, **values: str) -> bytes:
    return json.dumps({"Level": level, "Query": values}).encode()


@pytest.mark.parametrize(
    ("sent", "groups"),
    [
        (headers("radiology"), {"radiology"}),
        (headers("radiology", "cardiology"), {"radiology", "cardiology"}),
        (headers("radiology", "oncology"), {"radiology"}),
        (headers(), set()),
        ({"authorization": RESTRICTED}, set()),
        ({"authorization": RESTRICTED, "x-user-roles": "radiology,pacsadmin,group:,xgroup:radiology"}, set()),
        (headers("radiology", authorization=GATEWAY), None),
    ],
)
def test_groups_of_a_request(rights: ModuleType, sent: dict[str, str], groups: set[str] | None) -> None:
    assert rights.groups_of(sent) == groups


@pytest.mark.parametrize(
    ("uri", "passes"),
    [
        ("/dicom-web/studies", True),
        ("/dicom-web/studies/1.2/series", True),
        ("/dicom-web/studies/1.1/metadata", True),
        ("/scripted/studies/1.1/series/1/metadata", True),
        ("/dicom-web/studies/1.2/metadata", False),
        ("/scripted/studies/1.2/series/1/metadata", False),
        ("/dicom-web/studies/1.3", False),
        ("/dicom-web/studies/1.4/metadata", False),
        ("/dicom-web/studies/9.9/metadata", False),
        ("/dicom-web/series/1/metadata", False),
        ("/dicom-web/servers", False),
        ("/system", False),
        ("/studies", False),
        ("/dicom-web/studies/1.1\n/../../system", False),
    ],
)
def test_the_path_decides(rights: ModuleType, uri: str, passes: bool) -> None:
    """Without any help from the query."""
    assert rights.enter(uri, method=1, headers=headers("radiology")) is passes
    assert rights.enter(uri, method=1, headers=headers("radiology", authorization=GATEWAY)) is True
    for method in (3, 4):
        assert rights.enter(uri, method=method, headers=headers("radiology")) is False


@pytest.mark.parametrize(
    ("asked", "finds"),
    [
        (query("Series", StudyInstanceUID="1.1"), True),
        (query("Instance", **{"0020,000d": "1.1", "SOPInstanceUID": "5"}), True),
        (query("Series", StudyInstanceUID="1.2"), False),
        (query("Series", StudyInstanceUID="1.4"), False),
        (query("Series", StudyInstanceUID="9.9"), False),
        (query("Series", StudyInstanceUID="1.*"), False),
        (query("Series", StudyInstanceUID="1.1\\1.2"), False),
        (query("Series", **{"StudyInstanceUID": "1.1", "0020,000d": "1.2"}), False),
        (query("Series", SeriesInstanceUID="7"), False),
        (query("Series"), False),
        (query("Patient", StudyInstanceUID="1.1"), False),
        (query("", StudyInstanceUID="1.1"), False),
        (b'{"Level": "Series"}', False),
    ],
)
def test_the_query_decides(rights: ModuleType, asked: bytes, finds: bool) -> None:
    """Without any help from the path: by the headers, and by the thread where a script calls without headers."""
    of_radiology = rights.restrict(asked, headers("radiology"))
    assert of_radiology is None, "a thread that works on no request finds nothing"
    rights.of_threads[threading.get_ident()] = None
    assert (rights.restrict(asked, headers("radiology")) == asked) is finds
    assert rights.restrict(asked, headers("radiology", authorization=GATEWAY)) == asked
    rights.of_threads[threading.get_ident()] = frozenset({"radiology"})
    assert (rights.restrict(asked, {}) == asked) is finds
    # One that says less is believed.
    assert (rights.restrict(asked, headers("radiology", authorization=GATEWAY)) == asked) is finds
    assert rights.restrict(asked, headers("cardiology")) is None
    rights.of_threads[threading.get_ident()] = frozenset()
    assert rights.restrict(asked, headers("radiology")) is None


def test_a_search_for_studies_gets_the_labels(rights: ModuleType) -> None:
    rights.of_threads[threading.get_ident()] = frozenset({"radiology", "cardiology"})
    asked = json.loads(rights.restrict(query("Study", PatientID="*"), {}))
    assert asked["Labels"] == ["cardiology", "radiology"]
    assert asked["LabelsConstraint"] == "Any"
    assert asked["Query"] == {"PatientID": "*"}


def test_an_index_that_does_not_answer_opens_nothing(rights: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: str) -> bytes:
        raise OrthancError

    monkeypatch.setattr(rights.orthanc, "RestApiGet", fails)
    assert rights.enter("/dicom-web/studies/1.1/metadata", method=1, headers=headers("radiology")) is False


@pytest.mark.parametrize(
    ("tags", "caller", "labels"),
    [
        ({"InstitutionName": "ST. MARY "}, "CT_1", {"radiology"}),
        ({"InstitutionName": "St. Mary"}, "ct_1", {"radiology"}),
        ({"InstitutionName": "St. Mary"}, "CT_12", set()),
        ({"InstitutionName": "St. Mary"}, "", set()),
        ({"InstitutionalDepartmentName": "CARDIOLOGY"}, "", {"cardiology", "radiology"}),
        ({"InstitutionalDepartmentName": "not Cardio"}, "", set()),
        ({"InstitutionalDepartmentName": None}, "", set()),
        ({"InstitutionalDepartmentName": ["Cardio"]}, "", set()),
        ({}, "CT_1", set()),
    ],
)
def test_rules_label(rights: ModuleType, tags: dict[str, Any], caller: str, labels: set[str]) -> None:
    assert load("archive/orthanc/labels.py").by_rules(tags, caller) == labels
