"""Modalities send by DICOM: the listed ones, from the listed networks, and nothing but that."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import docker
import httpx
import pytest
from docker.types import IPAMConfig, IPAMPool
from playwright.sync_api import Page, expect

from bootstrap.console import UserError
from components.gateway.limits import ASSOCIATIONS
from tests.e2e import screen
from tests.e2e.archive import delete
from tests.e2e.conftest import cannot
from tests.e2e.harness import NAME, Stack, wait_until
from tests.e2e.modality import Modality
from tools import debian_tools, sample
from tools.dicomweb import StackOutputs, sign_in

FOREIGN = "198.18.77.0/24"
"""A network that no configuration lists (RFC 2544: for tests)."""
GATEWAY_THERE = "198.18.77.9"


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    try:
        debian_tools.ensure("dcmtk")
    except UserError as error:
        cannot(f"no DCMTK: {error.problem}")


@pytest.fixture(scope="module")
def modality(stack: Stack) -> Modality:
    return Modality()


@pytest.fixture
def admin(stack: Stack, outputs: StackOutputs) -> Iterator[httpx.Client]:
    with closing(sign_in(stack.url, "pacsadmin", outputs.credentials["pacsadmin"])) as client:
        yield client


@pytest.fixture
def image(tmp_path: Path, admin: httpx.Client) -> Iterator[Path]:
    """A slice of a study that nobody has sent before; gone from the archive afterwards."""
    slice_ = sample.instance(sample.SLICES // 2)
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = sample.uid("dicom study"), sample.uid("dicom series")
    slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = sample.uid("dicom instance")
    file = tmp_path / "slice.dcm"
    slice_.save_as(file, enforce_file_format=True)
    yield file
    delete(admin, "Study", StudyInstanceUID=str(slice_.StudyInstanceUID))


def is_there(admin: httpx.Client) -> bool:
    found = admin.get("/pacs/studies", params={"StudyInstanceUID": str(sample.uid("dicom study"))})
    return found.status_code == 200 and len(found.json()) == 1


def test_listed_modality_verifies(modality: Modality) -> None:
    assert modality.verifies()


def test_listed_modality_stores_and_its_study_is_read(
    modality: Modality, image: Path, admin: httpx.Client, page: Page, outputs: StackOutputs
) -> None:
    assert not is_there(admin)
    assert modality.stores(image)
    wait_until(lambda: is_there(admin), "study of the modality", 10)
    page.goto(f"/ohif-viewer/viewer?StudyInstanceUIDs={sample.uid('dicom study')}")
    screen.log_in(page, "viewer", outputs.credentials["viewer"])
    screen.settled_picture(page)
    expect(page.get_by_text("SYNTHETIC").first).to_be_attached()
    screen.keep(page, "sent-by-modality")


@pytest.mark.parametrize("calling", ["UNKNOWN", "modality", "MODALITY2", "ANY-SCU", "IOCM_QUALITY"])
def test_unlisted_caller_is_refused(modality: Modality, image: Path, admin: httpx.Client, calling: str) -> None:
    stranger = replace(modality, calling=calling)
    assert not stranger.verifies()
    assert not stranger.stores(image)
    assert not is_there(admin)


@pytest.mark.parametrize("called", ["ANY-SCP", "IOCM_QUALITY", "IOCM_REGULAR_USE", "AS_RECEIVED", "WORKLIST"])
def test_only_the_archives_own_ae_title_is_answered(modality: Modality, image: Path, called: str) -> None:
    """DCM4chee has others, which show more than the first."""
    elsewhere = replace(modality, called=called)
    assert not elsewhere.verifies()
    assert not elsewhere.stores(image)


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("findscu", ("-S", "-k", "0008,0052=STUDY", "-k", "0010,0010=", "-k", "0020,000D=")),
        ("findscu", ("-P", "-k", "0008,0052=PATIENT", "-k", "0010,0010=")),
        ("findscu", ("-W", "-k", "0010,0010=")),
        ("movescu", ("-S", "-k", "0008,0052=STUDY", "-k", "0020,000D={study}", "-aem", "MODALITY")),
        ("getscu", ("-S", "-k", "0008,0052=STUDY", "-k", "0020,000D={study}")),
    ],
    ids=["find studies", "find patients", "find worklist", "move", "get"],
)
def test_who_may_store_may_not_ask_or_fetch(
    modality: Modality, tmp_path: Path, tool: str, options: tuple[str, ...]
) -> None:
    arguments = [option.replace("{study}", str(sample.study_uid())) for option in options]
    if tool == "getscu":
        arguments += ["-od", str(tmp_path)]
    done = modality.run(tool, *arguments)
    assert not re.search("SYNTHETIC|Pending|Received Final .*Success", done.stdout), done.stdout
    assert not list(tmp_path.iterdir())


@pytest.fixture
def foreign(stack: Stack, engine: docker.DockerClient) -> Iterator[None]:
    """A network between this machine and the gateway that the configuration does not list."""
    pool = IPAMPool(subnet=FOREIGN)
    network = engine.networks.create(f"ohif-{NAME}-foreign", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]))
    try:
        network.connect(stack.container("gateway"), ipv4_address=GATEWAY_THERE)
        yield
    finally:
        network.disconnect(stack.container("gateway"), force=True)
        network.remove()


@pytest.mark.usefixtures("foreign")
def test_unlisted_network_is_refused(modality: Modality, image: Path, admin: httpx.Client) -> None:
    """With a listed caller's name, which anybody can say."""
    outside = replace(modality, host=GATEWAY_THERE, port=11112)
    # The gateway is there: its web server answers, and so would its DICOM port, to others.
    assert httpx.get(f"http://{GATEWAY_THERE}:8080/").status_code == 421
    assert not outside.verifies()
    assert not outside.stores(image)
    assert not is_there(admin)
    assert modality.verifies()


def test_a_connection_without_a_request_keeps_nobody_waiting(modality: Modality) -> None:
    """Orthanc accepts one association after the other, and would wait half a minute for each of these."""
    with ExitStack() as idle:
        for _ in range(4):
            idle.enter_context(socket.create_connection((modality.host, modality.port), timeout=5))
        time.sleep(0.5)
        started = time.monotonic()
        assert modality.verifies()
        assert time.monotonic() - started < 4


def test_one_address_does_not_take_all_associations(modality: Modality) -> None:
    """The rest of the archive's threads is for the others."""
    most = ASSOCIATIONS.of_one_client

    def are_taken() -> bool:
        """Whether so many are let in, and no more. Those of earlier tests may still be ending."""
        with ExitStack() as idle:
            answers = []
            for _ in range(most + 2):
                association = idle.enter_context(socket.create_connection((modality.host, modality.port), timeout=10))
                association.sendall(association_request(modality))
                # PS3.8, 9.3: the type of an acceptance; nothing if the connection is closed.
                answers.append(association.recv(1))
        assert answers.count(b"\x02") <= most
        return answers == [b"\x02"] * most + [b""] * 2

    wait_until(are_taken, "places for associations", 30)
    wait_until(modality.verifies, "association after the others have ended", 10)


def association_request(modality: Modality) -> bytes:
    """PS3.8, 9.3.2: for verification, in implicit VR."""

    def item(kind: int, data: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(data)) + data

    context = item(0x20, b"\1\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4"))
    names = modality.called.ljust(16).encode() + modality.calling.ljust(16).encode()
    body = struct.pack(">HH", 1, 0) + names + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BxI", 1, len(body)) + body


def test_associations_are_in_the_gateways_log(stack: Stack, modality: Modality) -> None:
    def associations() -> list[dict[str, object]]:
        said = bytes(stack.container("gateway").logs(stdout=True, stderr=False)).decode()
        return [line for line in map(json.loads, said.splitlines()) if line.get("protocol") == "dicom"]

    before = len(associations())
    assert modality.verifies()
    # Lines of earlier associations may still come.
    wait_until(lambda: len(associations()) > before, "line about the association", 5)
    line = associations()[-1]
    assert set(line) == {
        *("time", "address", "protocol", "status", "bytes_sent", "bytes_received", "seconds", "upstream"),
    }
    assert line["status"] == 200
    assert isinstance(line["bytes_received"], int)
    assert line["bytes_received"] > 100
