"""OHIF's configuration: the JSON in it, and that a JavaScript engine takes the whole."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from components.viewer.ohif_config import May, ViewerConfig, render

ROOT = Path(__file__).resolve().parents[3]
ASSIGNMENT = "window.config = "
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="needs node, to run JavaScript")

READER = May()


def text(
    *,
    may: May = READER,
    hidden_modes: Sequence[str] = (),
    options: dict[str, object] | None = None,
) -> str:
    behaviour = "".join(
        (ROOT / "assets/viewer" / name).read_text() for name in ("ndarray.js", "behaviour.js", "searches.js")
    )
    capabilities = {"supportsWildcard": True, "bulkDataURI": {"enabled": True}}
    return render(
        ViewerConfig(
            archive_name='A "B" </script>',
            capabilities=capabilities,
            may=may,
            session_idle=900,
            name=None,
            logo=None,
            hidden_modes=hidden_modes,
            options=options or {},
            behaviour=behaviour,
        )
    )


def settings(**options: Any) -> dict[str, Any]:
    whole = text(**options)
    assert whole.startswith(ASSIGNMENT)
    found, end = json.JSONDecoder().raw_decode(whole, len(ASSIGNMENT))
    assert whole[end] == ";"
    assert isinstance(found, dict)
    return found


def source(**options: Any) -> dict[str, Any]:
    (only,) = settings(**options)["dataSources"]
    configuration: dict[str, Any] = only["configuration"]
    return configuration


def test_roots_are_relative_and_are_the_gateways() -> None:
    assert {source()[root] for root in ("wadoUriRoot", "qidoRoot", "wadoRoot")} == {"/pacs"}
    assert settings()["routerBasename"] == "/ohif-viewer"


def test_known_problem_05_and_14_no_address_is_in_the_file() -> None:
    """So it is right under every address, and nothing is mixed content."""
    assert "://" not in json.dumps(settings())


def test_default_source_is_the_only_one() -> None:
    (only,) = settings()["dataSources"]
    assert only["sourceName"] == settings()["defaultDataSourceName"]


def test_capabilities_of_the_archive_are_configured() -> None:
    assert source()["supportsWildcard"] is True
    assert source()["bulkDataURI"] == {"enabled": True}
    assert source()["friendlyName"] == 'A "B" </script>'


@pytest.mark.parametrize("can_store", [True, False])
def test_only_those_who_may_store_are_offered_an_upload(can_store: bool) -> None:
    assert source(may=May(store=can_store))["dicomUploadEnabled"] is can_store
    own = settings(may=May(store=can_store))["ohifPulumi"]
    nothing = dict.fromkeys(("downloadPath", "sharesPath", "name", "logo"))
    assert own == {"canStore": can_store, "sessionIdleSeconds": 900, **nothing}
    assert settings(may=May(download=True))["ohifPulumi"]["downloadPath"] == "/download/*.zip"
    assert settings(may=May(share=True))["ohifPulumi"]["sharesPath"] == "/shares?study=*"


RUN = """
const made = [];
const element = () => ({ style: {}, setAttribute() {}, appendChild(it) { made.push(it); }, remove() {} });
globalThis.window = { location: { href: '/ohif-viewer/viewer?StudyInstanceUIDs=1.2' }, addEventListener() {} };
globalThis.document = {
  body: element(), getElementById: () => null, createElement: element, createTextNode: (text) => ({ text }),
  addEventListener() {},
};
globalThis.setTimeout = globalThis.setInterval = () => 0;
globalThis.XMLHttpRequest = class { open() {} };
require(process.argv[1]);
const actual = {};
for (const status of [401, 403, 404, 500]) {
  made.length = 0;
  window.config.httpErrorHandler({ status });
  actual[status] = made.map((it) => it.href || it.text || '').join('');
}
console.log(JSON.stringify({ actual }));
"""


@needs_node
@pytest.mark.parametrize("can_store", [True, False])
def test_known_problem_02_reader_sees_that_the_session_has_ended(tmp_path: Path, can_store: bool) -> None:
    file = tmp_path / "app-config.js"
    file.write_text(text(may=May(store=can_store)))
    assert NODE
    subprocess.run([NODE, "--check", file], check=True)
    done = subprocess.run([NODE, "-e", RUN, file], check=True, capture_output=True, text=True)
    seen = json.loads(done.stdout)
    actual = seen["actual"]
    assert "session has ended" in actual["401"]
    assert "/ohif-viewer/viewer?StudyInstanceUIDs=1.2" in actual["401"]
    assert "not store" in actual["403"]
    assert (actual["404"], actual["500"]) == ("", "")


SEARCH = """
const [file, path, url, answer] = process.argv.slice(1);
globalThis.window = { location: { pathname: path } };
globalThis.XMLHttpRequest = class {
  open(method, url) { this.readyState = 4; this.status = 200; this.url = url; }
  get response() { return this.responseType === 'json' ? JSON.parse(answer) : answer; }
  get responseText() { return answer; }
};
globalThis.XMLHttpRequest.DONE = 4;
require(file);
const seen = {};
for (const type of ['', 'json']) {
  const request = new XMLHttpRequest();
  request.responseType = type;
  request.open('GET', url, true);
  seen[type || 'text'] = type ? request.response : JSON.parse(request.response);
  if (!type) seen.responseText = JSON.parse(request.responseText);
  seen.url = request.url;
}
console.log(JSON.stringify(seen));
"""
LIST, STUDY = "/ohif-viewer/", "/ohif-viewer/viewer"


def searched(path: str, url: str, answer: object) -> tuple[Any, str]:
    """What OHIF sees of an answer to a search, the same by each property of the request; and what was asked."""
    assert NODE
    file = ROOT / "assets/viewer/searches.js"
    command = [NODE, "-e", SEARCH, str(file), path, url, json.dumps(answer)]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert seen["text"] == seen["json"] == seen["responseText"]
    return seen["text"], seen["url"]


def study(patient_id: str | None) -> dict[str, Any]:
    return {"00100020": {"vr": "LO"} if patient_id is None else {"vr": "LO", "Value": [patient_id]}}


@needs_node
def test_a_study_without_a_modality_has_an_empty_list_of_them() -> None:
    answer = [{"00080061": {"vr": "CS"}}, {"00080061": {"vr": "CS", "Value": ["CT"]}}, {}]
    seen, asked = searched(LIST, "/pacs/studies?limit=101&includefield=00081030%2C00080060", answer)
    assert [it.get("00080061", {}).get("Value") for it in seen] == [[], ["CT"], None]
    assert asked == "/pacs/studies?limit=101&includefield=00081030%2C00080060"


IDS = ["A,B", "A*", "*", "A?C", "A\\B", "A&B=C", "A%2CB", "A+B", 'A"<b>', "*A*", "Ä Ö", "患者"]


@needs_node
@pytest.mark.parametrize("patient", IDS)
def test_the_studies_of_a_patient_are_that_patients_only(patient: str) -> None:
    others = [study(it) for it in ("A", "B", "AB", "A-C", "a,b", "A?B", None) if it != patient]
    url = f"http://h/pacs/studies?00100020={quote(patient, safe='')}&limit=101"
    seen, asked = searched(STUDY, url, [study(patient), *others])
    assert seen == [study(patient)]
    assert not re.search("%(2C|26|25|5C)", asked)


@needs_node
@pytest.mark.parametrize(
    ("path", "query"),
    [
        (LIST, "00100020=*A*&limit=101"),
        (LIST, "PatientName=*A*"),
        (STUDY, "StudyInstanceUID=1.2%2C1.3"),
        (LIST, "limit=1"),
    ],
)
def test_another_search_is_left_alone(path: str, query: str) -> None:
    answer = [study("A"), study("xAx"), study(None)]
    seen, asked = searched(path, f"/pacs/studies?{query}", answer)
    assert seen == answer
    assert unquote(asked) == unquote(f"/pacs/studies?{query}")


@needs_node
@pytest.mark.parametrize("typed", ["A,B", "A&B", "a%b", "A\\B"])
def test_what_is_typed_is_found_as_it_is(typed: str) -> None:
    answer = [study(f"1{typed.upper()}2"), study("1A-B2"), study("B")]
    seen, asked = searched(LIST, f"/pacs/studies?00100020={quote(f'*{typed}*', safe='')}", answer)
    assert seen == answer[:1]
    assert unquote(asked) == f"/pacs/studies?00100020=*{typed[0]}?{typed[2]}*"


def named(name: str) -> dict[str, Any]:
    return {"00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]}}


@needs_node
@pytest.mark.parametrize("typed", ["SYNTHETIC, CHEST", "synthetic chest", "Synthetic^Chest", "tic,chest", "ETIC  CHE"])
def test_a_name_is_found_as_the_list_shows_it(typed: str) -> None:
    answer = [named("SYNTHETIC^CHEST"), named("SYNTHETIC^X^CHEST"), named("CHEST^SYNTHETIC"), study("A")]
    seen, asked = searched(LIST, f"/pacs/studies?PatientName={quote(f'*{typed}*', safe='')}", answer)
    assert seen == answer[:1]
    first, last = typed.upper().replace(",", " ").replace("^", " ").split()
    assert unquote(asked) == f"/pacs/studies?PatientName=*{first}*{last}*"


@needs_node
def test_what_is_no_list_of_studies_is_left_alone() -> None:
    for url, answer in (
        ("/pacs/studies?00100020=A", {"error": "x"}),
        ("/pacs/studies/1.2/series?limit=1", [{"00080061": {"vr": "CS"}}]),
    ):
        assert searched(STUDY, url, answer) == (answer, url)


def test_options_change_what_ohif_does_and_never_where_data_come_from() -> None:
    made = settings(options={"showStudyList": False, "hotkeys": []})
    assert (made["showStudyList"], made["hotkeys"]) == (False, [])
    assert made["dataSources"] == settings()["dataSources"]


def test_a_mode_is_hidden_next_to_other_changes_of_it() -> None:
    change = {"@ohif/mode-tmtv": {"displayName": {"$set": "PET"}}}
    made = settings(hidden_modes=["@ohif/mode-tmtv", "@ohif/mode-microscopy"], options={"modesConfiguration": change})
    hidden = {"hide": {"$set": True}}
    assert made["modesConfiguration"] == {
        "@ohif/mode-tmtv": {"displayName": {"$set": "PET"}, **hidden},
        "@ohif/mode-microscopy": hidden,
    }
