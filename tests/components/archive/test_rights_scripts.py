"""Rights on studies in Orthanc's scripts: each of the two checks by itself, and which rule labels what."""

import json
import re
import sys
import threading
import time
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
    "1.5": [{"cardiology", "Share-f00"}],
}
"""Of each study by its UID; of one there are two."""
SECRET = "f" * 43


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
        opened = {f"{'0' * 16} {SECRET}": ("Share-f00", {"study": "1.5"})}
        patch.setitem(sys.modules, "share_links", SimpleNamespace(opened=opened.get))
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


def by_link(secret: str = SECRET, **also: str) -> dict[str, str]:
    return {"authorization": RESTRICTED, "x-share": f"{'0' * 16} {secret}", **also}


@pytest.mark.parametrize(
    ("uri", "passes"),
    [
        ("/dicom-web/studies", True),
        ("/dicom-web/studies/1.5/metadata", True),
        ("/scripted/studies/1.5/series/1/metadata", True),
        ("/shares/opened", True),
        ("/dicom-web/studies/1.1/metadata", False),
        ("/dicom-web/studies/9.9/metadata", False),
        ("/shares/list", False),
        ("/shares/studies/1.5", False),
        ("/system", False),
    ],
)
def test_a_share_link_reads_its_study(rights: ModuleType, uri: str, passes: bool) -> None:
    # Groups that a request brings besides do not count.
    for sent in (by_link(), by_link(**{"x-user-roles": "group:radiology,pacsadmin"})):
        assert rights.enter(uri, method=1, headers=sent) is passes
    for method in (2, 3, 4):
        assert rights.enter(uri, method=method, headers=by_link()) is False
    for sent in (by_link("x" * 43), by_link("", **{"x-user-roles": "group:radiology"})):
        assert rights.enter(uri, method=1, headers=sent) is False
        assert rights.restrict(query("Study"), sent) is None


def test_the_query_of_a_share_link_finds_its_study(rights: ModuleType) -> None:
    assert rights.enter("/dicom-web/studies", method=1, headers=by_link())
    assert json.loads(rights.restrict(query("Study"), by_link()))["Labels"] == ["Share-f00"]
    assert rights.restrict(query("Series", StudyInstanceUID="1.5"), by_link()) is not None
    assert rights.restrict(query("Series", StudyInstanceUID="1.2"), by_link()) is None


def test_links_are_made_by_restricted_users_and_opened_by_none_of_them(rights: ModuleType) -> None:
    for uri, passes in (("/shares/list", True), ("/shares/studies/1.1", True), ("/shares/opened", False)):
        assert rights.enter(uri, method=1, headers=headers("radiology")) is passes


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


@pytest.fixture
def share_links(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with an archive of one study, which has a link of a minute and one that has ended."""
    made: ModuleType
    now = int(time.time())

    def get(path: str) -> bytes:
        if path == "/studies/a/metadata":
            return b'["LastUpdate", "Shares"]'
        links = {made.label_of(SECRET): {"until": now + 60}, made.label_of("e" * 43): {"until": now}}
        return json.dumps(links).encode()

    def post(path: str, body: str) -> bytes:
        (label,) = json.loads(body)["Labels"]
        known = label in (made.label_of(SECRET), made.label_of("e" * 43))
        return json.dumps([{"ID": "a", "MainDicomTags": {"StudyInstanceUID": "1.5"}}] if known else []).encode()

    monkeypatch.setitem(sys.modules, "orthanc", SimpleNamespace(RestApiGet=get, RestApiPost=post))
    made = load("archive/orthanc/share_links.py")
    return made


def test_a_secret_opens_its_link(share_links: ModuleType) -> None:
    label = share_links.label_of(SECRET)
    assert re.fullmatch("Share-[0-9a-f]{40}", label)
    found_label, link = share_links.opened(f"{share_links.id_of(label)} {SECRET}")
    assert (found_label, link["study"]) == (label, "1.5")


@pytest.mark.parametrize("secret", ["e" * 43, "x" * 43, "", SECRET + "f", SECRET[1:], SECRET + "\n", "é" * 43])
def test_another_secret_or_one_whose_time_is_over_opens_none(share_links: ModuleType, secret: str) -> None:
    assert share_links.opened(f"{share_links.id_of(share_links.label_of(secret))} {secret}") is None
    assert share_links.opened(secret) is None


def test_a_secret_opens_no_other_path(share_links: ModuleType) -> None:
    assert share_links.opened(f"{'0' * 16} {SECRET}") is None
