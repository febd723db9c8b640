"""Who may read which study: groups and labels, on every way to the archive that the DICOMweb plugin knows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset

from components.archive.orthanc import RESTRICTED_AUTHORIZATION_FILE
from components.archive.orthanc_config import PORT
from settings import ArchiveKind
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import Sessions, UpWith, sessions_at
from tests.e2e.harness import ARCHIVE, Stack, tool, wait_until
from tests.e2e.logs import line_of
from tests.e2e.measuring import measure_and_report, save_report
from tests.e2e.objects import file_of, picture, refused, stow
from tools import debian_tools
from tools.dicomweb import sign_in
from tools.sample import study_uid

pytestmark = pytest.mark.skipif(ARCHIVE is ArchiveKind.DCM4CHEE, reason="rights are Orthanc's")

DICOM_PORT = 8472
MODALITY, STRANGER = "CT_ER1", "MR1"
RULES = [
    {"when": {"InstitutionalDepartmentName": "Cardio*"}, "labels": ["cardiology"]},
    {"when": {"InstitutionName": "*Radio?ogy*"}, "labels": ["radiology"]},
    {"when": {"callingAeTitle": "CT_*", "Modality": "OT"}, "labels": ["radiology"]},
]
USERS: Mapping[str, list[str]] = {
    "pacsadmin": ["pacsadmin"],
    "radiologist": ["reporter", "group:radiology"],
    "cardiologist": ["reporter", "group:cardiology"],
    "both": ["viewer", "group:radiology", "group:cardiology"],
    "nobody": ["reporter"],
    "norole": [],
}
SEES: Mapping[str, set[str]] = {
    "pacsadmin": {"RADIOLOGY", "CARDIOLOGY", "BOTH", "UNLABELLED", "EARLIER"},
    "radiologist": {"RADIOLOGY", "BOTH", "EARLIER"},
    "cardiologist": {"CARDIOLOGY", "BOTH"},
    "both": {"RADIOLOGY", "CARDIOLOGY", "BOTH", "EARLIER"},
    "nobody": set(),
}
RADIOLOGY = {"InstitutionName": "St. Mary, Radiology"}
CARDIOLOGY = {"InstitutionalDepartmentName": "CARDIOLOGY II"}
ABSENT = "1.2.826.0.1.3680043.8.498.4711"
COUNTS = 5
"""Seconds after which a changed label counts."""

Studies = Mapping[str, Dataset]


@pytest.fixture(scope="module")
def earlier(stack: Stack, up_with: UpWith) -> Iterator[Dataset]:
    """A study of the time before there were rights."""
    # The file before may have left settings of its own, such as another host.
    up_with()
    made = picture(PatientID="EARLIER", PatientName="EARLIER", **RADIOLOGY)
    with closing(sign_in(stack.url, "pacsadmin", stack.outputs().credentials["pacsadmin"])) as admin:
        assert stow(admin, made).status_code == 200
    yield made
    with closing(sign_in(stack.url, "pacsadmin", stack.outputs().credentials["pacsadmin"])) as admin:
        delete(admin, "Study", StudyInstanceUID=str(made.StudyInstanceUID))


@pytest.fixture(scope="module")
def people(stack: Stack, earlier: Dataset, up_with: UpWith) -> Iterator[Sessions]:
    """Sessions with a stack where groups have their own studies."""
    up_with(
        rights={"groups": ["radiology", "cardiology"], "rules": RULES},
        users=[{"name": name, "roles": roles} for name, roles in USERS.items()],
        programs=[{"name": "triage", "roles": ["viewer", "group:cardiology"]}],
        downloadRoles=["reporter"],
        dicom={
            "enabled": True,
            "port": DICOM_PORT,
            "callers": [MODALITY, STRANGER],
            "networks": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        },
    )
    with sessions_at(stack.url, stack.outputs()) as made:
        yield made


@pytest.fixture(scope="module")
def studies(people: Sessions, earlier: Dataset) -> Iterator[Studies]:
    made = {
        "EARLIER": earlier,
        "RADIOLOGY": picture(PatientID="RADIOLOGY", PatientName="RADIOLOGY", **RADIOLOGY),
        "CARDIOLOGY": picture(PatientID="CARDIOLOGY", PatientName="CARDIOLOGY", **CARDIOLOGY),
        "BOTH": picture(PatientID="BOTH", PatientName="BOTH", **RADIOLOGY, **CARDIOLOGY),
        "UNLABELLED": picture(PatientID="UNLABELLED", PatientName="UNLABELLED"),
    }
    admin = people("pacsadmin")
    assert stow(admin, *(it for name, it in made.items() if name != "EARLIER")).status_code == 200
    wait_until(lambda: "EARLIER" in seen(people("radiologist")), "label of the earlier study", 20)
    yield made
    for it in made.values():
        delete(admin, "Study", StudyInstanceUID=str(it.StudyInstanceUID))


def seen(session: httpx.Client, query: str = "") -> set[str]:
    """Patient IDs that a search finds, but for what other tests left."""
    answer = session.get(f"/pacs/studies?{query}", headers={"Accept": "application/dicom+json"})
    assert answer.status_code in (200, 204), answer.text
    found = answer.json() if answer.status_code == 200 else []
    return {it["00100020"]["Value"][0] for it in found} & set().union(*SEES.values(), {"NEW", "SENT", "TAKEN"})


def paths(made: Dataset) -> dict[str, str]:
    """All that the gateway lets a reader ask for about an object, by its kind."""
    study = f"/pacs/studies/{made.StudyInstanceUID}"
    series = f"{study}/series/{made.SeriesInstanceUID}"
    instance = f"{series}/instances/{made.SOPInstanceUID}"
    return {
        "study": study,
        "series": series,
        "instance": instance,
        **{f"{kind} of a study": f"{study}/{kind}" for kind in ("metadata", "rendered", "thumbnail")},
        **{f"{kind} of a series": f"{series}/{kind}" for kind in ("metadata", "rendered", "thumbnail")},
        **{f"{kind} of an instance": f"{instance}/{kind}" for kind in ("metadata", "rendered", "thumbnail")},
        "frame": f"{instance}/frames/1",
        "rendered frame": f"{instance}/frames/1/rendered",
        "bulk data": f"{instance}/bulk/7fe00010",
        "ZIP file": f"/download/{made.StudyInstanceUID}.zip",
    }


@pytest.mark.parametrize("user", SEES)
def test_a_user_finds_the_studies_of_the_groups_and_no_other(people: Sessions, studies: Studies, user: str) -> None:
    assert seen(people(user)) == SEES[user]


@pytest.mark.parametrize("user", [it for it in SEES if it != "pacsadmin"])
def test_a_user_reads_the_studies_of_the_groups_and_no_other(people: Sessions, studies: Studies, user: str) -> None:
    """Another group's, one without a label and one that is not there are answered alike."""
    session = people(user)
    absent = picture(StudyInstanceUID=ABSENT, SeriesInstanceUID=f"{ABSENT}.1", SOPInstanceUID=f"{ABSENT}.1.1")
    of_absent = {kind: answer(session, path) for kind, path in paths(absent).items()}
    for patient, made in studies.items():
        for kind, path in paths(made).items():
            status, content = answer(session, path)
            if kind == "ZIP file" and "reporter" not in USERS[user]:
                assert status == 403
            elif patient in SEES[user]:
                assert status == 200, (patient, kind)
            else:
                assert (status, content) == of_absent[kind], (patient, kind)
                assert status in (403, 404)


def answer(session: httpx.Client, path: str) -> tuple[int, bytes]:
    """Status and content; an error page names its request."""
    got = session.get(path)
    return got.status_code, got.content


@pytest.mark.parametrize("of", ["CARDIOLOGY", "UNLABELLED"])
def test_no_search_finds_anything_of_a_study_of_others(people: Sessions, studies: Studies, of: str) -> None:
    session, other, own = people("radiologist"), studies[of], studies["RADIOLOGY"]
    study, series = str(other.StudyInstanceUID), str(other.SeriesInstanceUID)
    queries = [
        *(f"studies?{name}={study}" for name in ("StudyInstanceUID", "0020000D", "studyinstanceuid")),
        f"studies?StudyInstanceUID={own.StudyInstanceUID},{study}",
        f"studies?StudyInstanceUID={own.StudyInstanceUID}%2C{study}",
        f"studies?StudyInstanceUID={study}&includefield=all",
        *(f"studies?StudyInstanceUID={it}" for it in (f"{study[:-1]}*", f"{study[:-1]}?", "*")),
        *(f"studies?PatientID={it}" for it in (of, f"{of[:3]}*", f"{own.PatientID},{of}")),
        "studies?limit=1000&offset=0",
        *(f"studies/{study}/{it}" for it in ("series", "instances", f"series/{series}/instances")),
        f"studies/{own.StudyInstanceUID}/series/{series}/instances",
        f"studies/{own.StudyInstanceUID}/series?StudyInstanceUID={study}",
        f"studies/{own.StudyInstanceUID}/instances?SOPInstanceUID={other.SOPInstanceUID}",
        *(f"{level}?StudyInstanceUID={study}" for level in ("series", "instances")),
        *(f"{level}?SeriesInstanceUID={series}" for level in ("series", "instances")),
        "series",
        "instances",
        f"series/{series}/instances",
        f"instances?PatientID={of}",
    ]
    secrets = (study, series, str(other.SOPInstanceUID), f'"{of}"')
    for query in queries:
        got = session.get(f"/pacs/{query}", headers={"Accept": "application/dicom+json"})
        assert got.status_code in (200, 204, 400, 404), query
        # An error repeats what was asked for.
        assert not [it for it in secrets if it in got.text and it not in query], query
    mixed = f"studies/{own.StudyInstanceUID}/series/{series}/instances/{other.SOPInstanceUID}"
    for rest in ("", "/metadata", "/frames/1", "/rendered", "/bulk/7fe00010"):
        assert session.get(f"/pacs/{mixed}{rest}").status_code in (403, 404), rest


@pytest.mark.parametrize(
    "forged",
    [
        {"X-User-Roles": "group:cardiology"},
        {"X-User-Roles": "pacsadmin"},
        {"Authorization": "Basic Z2F0ZXdheTp4"},
        {"X-Forwarded-Groups": "pacsadmin,group:cardiology"},
        {"X-Auth-Request-Groups": "pacsadmin,group:cardiology"},
        {"x-user-roles": "pacsadmin", "X-User-Roles": "group:cardiology"},
    ],
    ids=str,
)
def test_headers_of_a_client_change_nothing(people: Sessions, studies: Studies, forged: dict[str, str]) -> None:
    session = people("radiologist")
    got = session.get("/pacs/studies", headers={"Accept": "application/dicom+json", **forged})
    # A session is not looked at where a token is shown that is none.
    assert got.status_code in (200, 401)
    assert "CARDIOLOGY" not in got.text
    status = session.get(paths(studies["CARDIOLOGY"])["frame"], headers=forged).status_code
    assert status in (401, 403)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(people: Sessions, studies: Studies, method: str) -> None:
    for patient in ("RADIOLOGY", "CARDIOLOGY"):
        for path in paths(studies[patient]).values():
            assert people("radiologist").request(method, path).status_code in (403, 405), path


# The archive itself, as the gateway asks it for restricted users


def in_the_archive(stack: Stack, *command: str) -> str:
    """What a command in the archive's container prints."""
    result = stack.container("orthanc").exec_run(list(command))
    assert isinstance(result.output, bytes)
    assert result.exit_code == 0, result.output
    return result.output.decode(errors="replace")


@pytest.fixture(scope="module")
def archive(stack: Stack, studies: Studies) -> Iterator[httpx.Client]:
    container = stack.container("orthanc")
    container.reload()
    address = next(it["IPAddress"] for it in container.attrs["NetworkSettings"]["Networks"].values())
    authorization = in_the_archive(stack, "cat", RESTRICTED_AUTHORIZATION_FILE)
    with httpx.Client(
        base_url=f"http://{address}:{PORT}", headers={"Authorization": authorization}, trust_env=False, timeout=30
    ) as client:
        yield client


def routes_of_the_plugin(stack: Stack) -> list[str]:
    """The paths that the DICOMweb plugin registers, as regular expressions, out of the plugin itself."""
    library = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
    pattern = r"(studies|series|instances|servers|patients)/\(\[\^/]\*\)[][a-z/()^*.-]*"
    found = in_the_archive(stack, "grep", "-aoE", pattern, library).split()
    # What follows a text in the library may look like a part of it.
    return sorted({it for it in found if re.fullmatch(r"[a-z]+(?:/(?:[a-z]+|\(\[\^/]\*\)|\(\.\*\)))+", it)})


def filled(route: str, made: Dataset) -> str:
    """A path that a route of the plugin takes."""
    values = {
        "studies": made.StudyInstanceUID,
        "series": made.SeriesInstanceUID,
        "instances": made.SOPInstanceUID,
        "frames": 1,
        "bulk": "7fe00010",
    }

    def value(match: re.Match[str]) -> str:
        return f"{match[1]}/{values.get(match[1], 'x')}"

    return "/dicom-web/" + re.sub(r"([a-z]+)/\((?:\[\^/]|\.)\*\)", value, route)


def test_every_route_of_the_plugin_is_closed_to_others(stack: Stack, archive: httpx.Client, studies: Studies) -> None:
    routes = routes_of_the_plugin(stack)
    assert len(routes) >= 25
    absent = picture(StudyInstanceUID=ABSENT, SeriesInstanceUID=f"{ABSENT}.1", SOPInstanceUID=f"{ABSENT}.1.1")
    own, other = studies["RADIOLOGY"], studies["CARDIOLOGY"]
    groups = {"X-User-Roles": "reporter,group:radiology"}
    read = 0
    for route in routes:
        mine, theirs, nobodys = (archive.get(filled(route, it), headers=groups) for it in (own, other, absent))
        assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content), route
        assert theirs.status_code in (403, 404) or theirs.json() == [], route
        read += mine.status_code == 200 and mine.content != b"[]"
        for roles in ({}, {"X-User-Roles": ""}, {"X-User-Roles": "reporter,pacsadmin,radiology,group:,group:x"}):
            got = archive.get(filled(route, own), headers=roles)
            assert got.status_code in (403, 404) or got.json() == [], (route, roles)
        for method in ("PUT", "DELETE"):
            assert archive.request(method, filled(route, own), headers=groups).status_code == 403, (route, method)
    assert read >= 18


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/app/explorer.html", "/ui/app/", "/system", "/statistics", "/changes", "/exports", "/plugins", "/jobs"),
        *(
            "/patients",
            "/studies",
            "/series",
            "/instances",
            "/tools/find",
            "/tools/lookup",
            "/tools/now",
            "/modalities",
        ),
        *("/peers", "/queries", "/wado", "/dicom-web/servers", "/dicom-web/info", "/dicom-web/app/client/index.html"),
        *("/rights/may-store", "/dicom-web/studies/../../system", "/dicom-web/studies/../../studies"),
        *("/dicom-web/Studies", "/dicom-web/studies/", "/dicom-web/studies/1.2;x/metadata"),
        *("/dicom-web/studies/*/metadata", "/dicom-web/studies/1.2.*/series/1/metadata"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_the_rest_of_the_archive_is_closed_to_restricted_users(archive: httpx.Client, path: str, method: str) -> None:
    got = archive.request(method, path, headers={"X-User-Roles": "group:radiology,group:cardiology"})
    assert got.status_code in (400, 403, 404, 405), got.text[:100]
    assert "RADIOLOGY" not in got.text


def test_methods_in_the_query_and_headers_do_not_write(
    archive: httpx.Client, people: Sessions, studies: Studies
) -> None:
    made = studies["RADIOLOGY"]
    (identifier,) = (
        people("pacsadmin")
        .post("/pacs-admin/tools/find", json={"Level": "Study", "Query": {"PatientID": "RADIOLOGY"}})
        .json()
    )
    groups = {"X-User-Roles": "group:radiology"}
    archive.get(f"/studies/{identifier}?_method=DELETE", headers=groups)
    archive.get(f"/studies/{identifier}/archive?_method=DELETE", headers=groups)
    archive.post(f"/studies/{identifier}", headers={**groups, "X-HTTP-Method-Override": "DELETE"})
    archive.get(f"/dicom-web/studies/{made.StudyInstanceUID}?_method=DELETE", headers=groups)
    assert "RADIOLOGY" in seen(people("pacsadmin"))


# Storing


def test_a_reporter_stores_into_studies_of_the_groups_and_into_new_ones(people: Sessions, studies: Studies) -> None:
    session, admin = people("radiologist"), people("pacsadmin")

    def into(made: Dataset) -> Dataset:
        return picture(StudyInstanceUID=made.StudyInstanceUID, PatientID=made.PatientID)

    assert refused(stow(session, into(studies["RADIOLOGY"]))) == []
    for patient in ("CARDIOLOGY", "UNLABELLED"):
        intruder = into(studies[patient])
        assert refused(stow(session, intruder)) == [intruder.SOPInstanceUID], patient
        got = admin.get(f"/pacs/studies/{intruder.StudyInstanceUID}/instances")
        assert str(intruder.SOPInstanceUID) not in got.text
        # Nor does the label of a foreign department that the header names open anything.
        assert patient not in seen(session)
    new = picture(PatientID="NEW", **CARDIOLOGY)
    try:
        assert refused(stow(session, new)) == []
        assert "NEW" in seen(session)
        assert "NEW" not in seen(people("cardiologist"))
        assert "NEW" not in seen(people("nobody"))
    finally:
        delete(admin, "Study", PatientID="NEW")


def test_a_store_in_chunks_is_checked_as_well(people: Sessions, studies: Studies) -> None:
    made = studies["CARDIOLOGY"]
    intruder = picture(StudyInstanceUID=made.StudyInstanceUID, PatientID=made.PatientID)
    head = b"--x\r\nContent-Type: application/dicom\r\n\r\n"

    def chunks() -> Iterator[bytes]:
        yield head
        yield from (file_of(intruder)[at : at + 4096] for at in range(0, len(file_of(intruder)), 4096))
        yield b"\r\n--x--\r\n"

    headers = {
        "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
        "Accept": "application/dicom+json",
    }
    answer = people("radiologist").post("/pacs/studies", content=chunks(), headers=headers)
    assert refused(answer) == [intruder.SOPInstanceUID]
    found = people("pacsadmin").get(f"/pacs/studies/{made.StudyInstanceUID}/instances")
    assert str(intruder.SOPInstanceUID) not in found.text


def test_a_new_study_is_read_at_once(people: Sessions, studies: Studies) -> None:
    new, session = picture(PatientID="NEW"), people("radiologist")
    frame = paths(new)["frame"]
    try:
        assert session.get(frame).status_code == 403
        assert refused(stow(session, new)) == []
        assert session.get(frame).status_code == 200
    finally:
        delete(people("pacsadmin"), "Study", PatientID="NEW")


def test_a_user_without_a_group_stores_nothing(people: Sessions, studies: Studies) -> None:
    made = picture(PatientID="NEW")
    assert refused(stow(people("nobody"), made)) == [made.SOPInstanceUID]
    assert "NEW" not in seen(people("pacsadmin"))


def test_a_study_taken_before_the_modality_sends_it_goes_to_those_of_the_rules(
    people: Sessions, studies: Studies
) -> None:
    taken = picture(PatientID="TAKEN")
    images = picture(PatientID="TAKEN", StudyInstanceUID=taken.StudyInstanceUID, **CARDIOLOGY)
    try:
        assert refused(stow(people("radiologist"), taken)) == []
        assert "TAKEN" in seen(people("radiologist"))
        assert stow(people("pacsadmin"), images).status_code == 200
        assert "TAKEN" in seen(people("cardiologist"))
        assert "TAKEN" not in seen(people("radiologist"))
    finally:
        delete(people("pacsadmin"), "Study", PatientID="TAKEN")


# Labels


def test_the_first_instance_decides_and_a_later_one_opens_nothing(people: Sessions, studies: Studies) -> None:
    later = picture(
        StudyInstanceUID=studies["RADIOLOGY"].StudyInstanceUID,
        PatientID="RADIOLOGY",
        PatientName="RADIOLOGY",
        **RADIOLOGY,
        **CARDIOLOGY,
    )
    assert stow(people("pacsadmin"), later).status_code == 200
    assert "RADIOLOGY" not in seen(people("cardiologist"))


@pytest.mark.parametrize(("caller", "user"), [(MODALITY, "radiologist"), (STRANGER, None)])
def test_what_a_modality_sends_gets_the_label_of_its_rule(
    people: Sessions, studies: Studies, tmp_path: Path, caller: str, user: str | None
) -> None:
    debian_tools.ensure("dcmtk")
    file = tmp_path / "sent.dcm"
    file.write_bytes(file_of(picture(PatientID="SENT")))
    command = ["storescu", "-aet", caller, "-aec", "ORTHANC", "127.0.0.1", str(DICOM_PORT), str(file)]
    try:
        assert subprocess.run(command, check=False, timeout=60).returncode == 0
        assert "SENT" in seen(people("pacsadmin"))
        found = {it for it in ("radiologist", "cardiologist", "nobody") if "SENT" in seen(people(it))}
        assert found == ({user} if user else set())
    finally:
        delete(people("pacsadmin"), "Study", PatientID="SENT")


def test_an_administrator_changes_labels_which_counts_soon_and_is_logged(
    stack: Stack, people: Sessions, studies: Studies
) -> None:
    admin, frame = people("pacsadmin"), paths(studies["UNLABELLED"])["frame"]
    query = {"Level": "Study", "Query": {"PatientID": "UNLABELLED"}}
    (identifier,) = admin.post("/pacs-admin/tools/find", json=query).json()
    label = f"/pacs-admin/studies/{identifier}/labels/cardiology"
    assert people("cardiologist").get(frame).status_code == 403
    line, changed = line_of(stack, admin, "PUT", label)
    assert changed.status_code == 200
    assert (line["user"], line["method"], line["path"]) == ("pacsadmin", "PUT", label)
    wait_until(lambda: people("cardiologist").get(frame).status_code == 200, "label that counts", COUNTS)
    assert "UNLABELLED" in seen(people("cardiologist"))
    assert people("radiologist").get(frame).status_code == 403
    assert admin.delete(label).status_code == 200
    wait_until(lambda: people("cardiologist").get(frame).status_code == 403, "label that is gone", COUNTS)
    assert "UNLABELLED" not in seen(people("cardiologist"))


def test_a_program_reads_the_studies_of_its_group(stack: Stack, people: Sessions, studies: Studies) -> None:
    outputs = stack.outputs()
    token = httpx.post(
        f"{stack.url}/keycloak/realms/ohif/protocol/openid-connect/token",
        data={"grant_type": "client_credentials"},
        auth=("triage", outputs.programs["triage"]),
    ).json()["access_token"]
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}) as program:
        assert seen(program) == {"CARDIOLOGY", "BOTH"}
        assert program.get(paths(studies["RADIOLOGY"])["frame"]).status_code == 403


def test_the_smoke_test_finds_that_a_role_alone_reads_nothing(people: Sessions, studies: Studies) -> None:
    done = tool("smoke")
    assert done.returncode == 0, done.stdout
    assert "viewer: signs in, reads, is refused the rest" in done.stdout


# The viewer


def test_the_viewer_lists_own_studies_and_says_that_another_is_not_there(
    stack: Stack, browser: Browser, people: Sessions, studies: Studies
) -> None:
    context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.goto("/")
        page.fill("#username", "radiologist")
        page.fill("#password", stack.outputs().credentials["radiologist"])
        page.click("#kc-login")
        page.wait_for_url(f"{stack.url}/**")
        expect(page.get_by_text("RADIOLOGY", exact=True).first).to_be_visible(timeout=30_000)
        expect(page.get_by_text("CARDIOLOGY", exact=True)).to_have_count(0)
        screen.keep(page, "rights-own-list")
        page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={studies['CARDIOLOGY'].StudyInstanceUID}")
        expect(page.get_by_text(re.compile("not (?:found|available|valid)", re.IGNORECASE)).first).to_be_visible(
            timeout=30_000
        )
        screen.keep(page, "rights-another-study")
        page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={studies['RADIOLOGY'].StudyInstanceUID}")
        expect(page.locator("canvas").first).to_be_visible(timeout=30_000)
    finally:
        context.close()


def test_a_reporter_saves_a_measurement_into_a_study_of_the_group(
    stack: Stack, page: Page, people: Sessions, studies: Studies
) -> None:
    admin, series = people("pacsadmin"), f"/pacs/studies/{study_uid()}/series"
    query = {"Level": "Study", "Query": {"StudyInstanceUID": str(study_uid())}}
    (identifier,) = admin.post("/pacs-admin/tools/find", json=query).json()
    label = f"/pacs-admin/studies/{identifier}/labels/radiology"
    assert admin.put(label).status_code == 200
    try:
        wait_until(lambda: bool(people("radiologist").get(series).json()), "label that counts", COUNTS)
        measure_and_report(page, stack.url, "radiologist", stack.outputs().credentials["radiologist"])
        save_report(page)
        assert len(people("radiologist").get(f"{series}?Modality=SR").json()) == 1
        assert people("cardiologist").get(f"{series}?Modality=SR").json() == []
    finally:
        delete(admin, "Series", StudyInstanceUID=str(study_uid()), Modality="SR")
        admin.delete(label)
