"""OHIF's configuration: the JSON in it, and that a JavaScript engine takes the whole."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rendering.ohif import ViewerConfig, render

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENT = "window.config = "
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="needs node, to run JavaScript")


def text(*, can_store: bool = False) -> str:
    behaviour = (ROOT / "assets/ohif/behaviour.js").read_text()
    capabilities = {"supportsWildcard": True, "bulkDataURI": {"enabled": True}}
    return render(
        ViewerConfig(
            archive_name='A "B" </script>',
            capabilities=capabilities,
            can_store=can_store,
            session_idle=900,
            behaviour=behaviour,
        )
    )


def settings(*, can_store: bool = False) -> dict[str, Any]:
    whole = text(can_store=can_store)
    assert whole.startswith(ASSIGNMENT)
    found, end = json.JSONDecoder().raw_decode(whole, len(ASSIGNMENT))
    assert whole[end] == ";"
    assert isinstance(found, dict)
    return found


def source(**options: bool) -> dict[str, Any]:
    (only,) = settings(**options)["dataSources"]
    configuration: dict[str, Any] = only["configuration"]
    return configuration


def test_roots_are_relative_and_are_the_gateways() -> None:
    assert {source()[root] for root in ("wadoUriRoot", "qidoRoot", "wadoRoot")} == {"/pacs"}
    assert settings()["routerBasename"] == "/ohif-viewer"


def test_pain_05_and_14_no_address_is_in_the_file() -> None:
    """So it is right under every address, and nothing is mixed content."""
    assert "://" not in json.dumps(settings())


def test_default_source_is_the_only_one() -> None:
    (only,) = settings()["dataSources"]
    assert only["sourceName"] == settings()["defaultDataSourceName"]


def test_what_the_archive_can_do_is_told() -> None:
    assert source()["supportsWildcard"] is True
    assert source()["bulkDataURI"] == {"enabled": True}
    assert source()["friendlyName"] == 'A "B" </script>'


@pytest.mark.parametrize("can_store", [True, False])
def test_only_those_who_may_store_are_offered_an_upload(can_store: bool) -> None:
    assert source(can_store=can_store)["dicomUploadEnabled"] is can_store
    assert settings(can_store=can_store)["ohifPulumi"] == {"canStore": can_store, "sessionIdleSeconds": 900}


RUN = """
const made = [];
const element = () => ({ style: {}, setAttribute() {}, appendChild(it) { made.push(it); }, remove() {} });
globalThis.window = { location: { href: '/ohif-viewer/viewer?StudyInstanceUIDs=1.2' }, addEventListener() {} };
globalThis.document = {
  body: element(), getElementById: () => null, createElement: element, createTextNode: (text) => ({ text }),
  addEventListener() {},
};
globalThis.setTimeout = globalThis.setInterval = () => 0;
const opened = [];
globalThis.XMLHttpRequest = class { open(method, url) { opened.push([method, url]); } };
require(process.argv[1]);
new XMLHttpRequest().open('GET', '/pacs/studies?includefield=00081030%2C00080060&limit=101');
const told = {};
for (const status of [401, 403, 404, 500]) {
  made.length = 0;
  window.config.httpErrorHandler({ status });
  told[status] = made.map((it) => it.href || it.text || '').join('');
}
console.log(JSON.stringify({ told, opened }));
"""


@needs_node
@pytest.mark.parametrize("can_store", [True, False])
def test_pain_02_reader_is_told_when_the_session_has_ended(tmp_path: Path, can_store: bool) -> None:
    file = tmp_path / "app-config.js"
    file.write_text(text(can_store=can_store))
    assert NODE
    subprocess.run([NODE, "--check", file], check=True)
    done = subprocess.run([NODE, "-e", RUN, file], check=True, capture_output=True, text=True)
    seen = json.loads(done.stdout)
    told = seen["told"]
    assert seen["opened"] == [["GET", "/pacs/studies?includefield=00081030,00080060&limit=101"]]
    assert "session has ended" in told["401"]
    assert "/ohif-viewer/viewer?StudyInstanceUIDs=1.2" in told["401"]
    assert "not store" in told["403"]
    assert (told["404"], told["500"]) == ("", "")
