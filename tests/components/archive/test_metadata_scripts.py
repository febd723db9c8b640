"""Metadata that Orthanc's scripts keep: good ones are answered again, and no others."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tests.scripts import load

MIB = 1024 * 1024


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with room for 1 MiB."""
    orthanc = SimpleNamespace(
        ChangeType=SimpleNamespace(NEW_INSTANCE=1, DELETED=2, STABLE_STUDY=3),
        GetConfiguration=lambda: json.dumps({"MaximumStorageCacheSize": 4}),
    )
    monkeypatch.setitem(sys.modules, "orthanc", orthanc)
    monkeypatch.setitem(sys.modules, "changes", SimpleNamespace(on_change=lambda callback: None))
    return load("archive/orthanc/kept_metadata.py")


def keep(kept: ModuleType, path: str, body: bytes, instances: int = 1) -> None:
    kept.answers.keep(path, kept.Kept(body, instances, kept.answers.stores, whole=True), kept.answers.deletions)


def never() -> int:
    raise AssertionError("the index was asked")


def test_an_answer_is_given_again_without_the_index(kept: ModuleType) -> None:
    keep(kept, "a", b"[1]")
    assert kept.answers.get("a", never).body == b"[1]"
    assert kept.answers.get("b", never) is None


def test_a_store_anywhere_asks_the_index_once(kept: ModuleType) -> None:
    keep(kept, "a", b"[1]")
    kept._changed(1, None, "x")
    asked = iter([1])
    assert kept.answers.get("a", lambda: next(asked)).body == b"[1]"
    assert kept.answers.get("a", never).body == b"[1]"
    assert list(asked) == []
    # An instance's own never change by a store.
    keep(kept, "i", b"[2]")
    kept._changed(1, None, "x")
    assert kept.answers.get("i", None).body == b"[2]"


def test_a_series_that_has_grown_is_read_again(kept: ModuleType) -> None:
    keep(kept, "a", b"[1]")
    kept._changed(1, None, "x")
    assert kept.answers.get("a", lambda: 2) is None


def test_a_deletion_forgets_all(kept: ModuleType) -> None:
    keep(kept, "a", b"[1]")
    kept._changed(3, None, "x")
    assert kept.answers.get("a", never).body == b"[1]"
    kept._changed(2, None, "x")
    assert kept.answers.get("a", never) is None


def test_what_was_read_before_a_deletion_is_not_kept(kept: ModuleType) -> None:
    before = kept.answers.deletions
    kept._changed(2, None, "x")
    kept.answers.keep("a", kept.Kept(b"[1]", 1, 0, whole=True), before)
    assert kept.answers.get("a", never) is None


def test_the_longest_unused_goes_first_and_the_size_has_a_bound(kept: ModuleType) -> None:
    size = MIB // 16
    for number in range(16):
        keep(kept, str(number), bytes(size))
    # The same again takes no more room.
    keep(kept, "1", bytes(size))
    assert kept.answers.get("0", never) is not None
    keep(kept, "new", bytes(size))
    assert kept.answers.get("2", never) is None
    assert kept.answers.get("0", never) is not None
    assert kept.answers._size == 16 * size
    keep(kept, "large", bytes(MIB // 8 + 1))
    assert kept.answers.get("large", never) is None


FIRST, SECOND = '[{"a": 1}]', '[{"a": 1}, {"b": 2}]'


@pytest.mark.parametrize(
    ("answered", "requests", "asked"),
    [
        # Whole: read once, then kept.
        ([SECOND], 3, 1),
        # One instance that cannot be read: each attempt once, then compared only, and whole as soon as the plugin is.
        ([FIRST], 3, 1 + 3 + 2),
        ([FIRST] * 4 + [SECOND], 3, 1 + 3 + 1),
    ],
)
def test_metadata_are_read_as_often_as_needed(
    kept: ModuleType, monkeypatch: pytest.MonkeyPatch, answered: list[str], requests: int, asked: int
) -> None:
    """Two connections to the index, so three attempts."""
    calls: list[str] = []

    def from_plugin(uri: str) -> bytes:
        calls.append(uri)
        return answered[min(len(calls), len(answered)) - 1].encode()

    orthanc = sys.modules["orthanc"]
    monkeypatch.setattr(orthanc, "GetConfiguration", lambda: '{"PostgreSQL": {"IndexConnectionsCount": 2}}')
    monkeypatch.setattr(orthanc, "LogWarning", print, raising=False)
    monkeypatch.setattr(orthanc, "RestApiGet", lambda path: b"[]", raising=False)
    monkeypatch.setitem(sys.modules, "kept_metadata", kept)
    monkeypatch.setitem(sys.modules, "restriction", SimpleNamespace(of_this_thread=lambda: None))
    scripted = SimpleNamespace(found=lambda level, query: ["x", "y"], from_plugin=from_plugin, register=lambda *_: None)
    monkeypatch.setitem(sys.modules, "scripted", scripted)
    metadata = load("archive/orthanc/metadata.py").metadata
    request = {"headers": {"x-forwarded-proto": "http", "host": "pacs"}}
    for _ in range(requests):
        body = metadata("/scripted/studies/1.2/series/1.3/metadata", request, None)
    assert body == answered[-1].encode()
    assert len(calls) == asked
