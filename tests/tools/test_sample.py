"""The sample series as a viewer reads it, and the client of the gateway."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from io import BytesIO

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from tools import dicomweb, phantom, sample

SOME = (0, 1, 59, 72, 119)


@pytest.fixture(scope="module")
def series() -> dict[int, FileDataset]:
    return {index: pydicom.dcmread(BytesIO(sample.encoded(index))) for index in SOME}


def test_series_is_one_volume(series: dict[int, FileDataset]) -> None:
    same = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ImageOrientationPatient")
    for keyword in same:
        assert len({str(ds[keyword].value) for ds in series.values()}) == 1, keyword
    assert len({ds.SOPInstanceUID for ds in series.values()}) == len(SOME)
    for index, ds in series.items():
        height = ds.ImagePositionPatient[2] - series[0].ImagePositionPatient[2]
        assert height == index * ds.SpacingBetweenSlices
        assert ds.InstanceNumber == index + 1
        assert (ds.Rows, ds.Columns, list(ds.PixelSpacing)) == (512, 512, [0.75, 0.75])
        assert ds.SliceThickness == ds.SpacingBetweenSlices == 2.5


def test_series_is_long_enough_for_a_volume_viewport() -> None:
    assert sample.SLICES >= 100


def test_file_meta_and_uids(series: dict[int, FileDataset]) -> None:
    for ds in series.values():
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert ds.file_meta.TransferSyntaxUID.is_little_endian
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", ds[keyword].value), keyword


def test_each_value_obeys_its_vr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    for element in pydicom.dcmread(BytesIO(sample.encoded(0))).iterall():
        assert element.value is not None, element


def test_pixels_are_an_anatomy_in_hounsfield_units(series: dict[int, FileDataset]) -> None:
    picture = series[72].pixel_array * float(series[72].RescaleSlope) + float(series[72].RescaleIntercept)
    assert picture.shape == (512, 512)

    def mean_at(x_mm: float, y_mm: float) -> float:
        column, row = (round(v / 0.75 + 255.5) for v in (x_mm, y_mm))
        return float(picture[row - 3 : row + 4, column - 3 : column + 4].mean())

    assert mean_at(-180, -180) == pytest.approx(-1000, abs=10), "air around the patient"
    assert mean_at(-84, -26) == pytest.approx(40, abs=15), "the lesion in the right lung"
    assert mean_at(0, 14) == pytest.approx(-1000, abs=20), "the trachea"
    assert mean_at(24, 46) > 120, "the aorta, with contrast"
    assert mean_at(0, 66) > 150, "a vertebral body"
    assert (picture > 350).sum() > 500, "bone"
    assert np.percentile(picture, 1) >= -1060


def test_neighbouring_slices_differ() -> None:
    first, second = phantom.hounsfield(0), phantom.hounsfield(2.5)
    assert (np.abs(first - second) > 50).sum() > 200


def test_same_series_at_each_run() -> None:
    assert hashlib.sha256(sample.encoded(7)).digest() == hashlib.sha256(sample.encoded(7)).digest()
    assert sample.study_uid() == sample.study_uid()


def test_another_length_is_another_study() -> None:
    assert sample.study_uid(20) != sample.study_uid()
    assert sample.instance(3, 20).SOPInstanceUID != sample.instance(3).SOPInstanceUID


def test_patient_is_clearly_fictitious(series: dict[int, FileDataset]) -> None:
    assert all("SYNTHETIC" in str(ds.PatientName) for ds in series.values())


def test_batches_are_the_whole_series() -> None:
    portions = list(sample.batches(35))
    assert [done for done, _ in portions] == [30, 35]
    assert [len(files) for _, files in portions] == [30, 5]


LOGIN_PAGE = """<html><body>
<form id="kc-form-login" action="http://127.0.0.1:8480/keycloak/x?a=1&amp;b=2" method="post">
<span id="input-error" class="pf">Invalid username <b></b>or password.</span></form></body></html>"""


def gateway_client(answer: Callable[[httpx.Request], httpx.Response], monkeypatch: pytest.MonkeyPatch) -> None:
    def transport(self: httpx.Client, *_: object, **__: object) -> httpx.BaseTransport:
        return httpx.MockTransport(answer)

    monkeypatch.setattr(httpx.Client, "_init_transport", transport)


def test_sign_in_sends_secure_cookies_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            cookie = {"Set-Cookie": "KC=1; Secure; Path=/keycloak/"}
            return httpx.Response(200, html=LOGIN_PAGE, headers=cookie)
        if request.url.path == "/keycloak/x":
            assert dict(request.url.params) == {"a": "1", "b": "2"}
            seen.append(request.headers.get("cookie", ""))
            return httpx.Response(302, headers={"Location": "/done", "Set-Cookie": "ohif_session=s; Path=/"})
        return httpx.Response(200)

    gateway_client(answer, monkeypatch)
    session = dicomweb.sign_in("http://127.0.0.1:8480", "viewer", "pw")
    assert session.cookies["ohif_session"] == "s"
    assert seen == ["KC=1"]


def test_a_rejected_sign_in_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway_client(lambda _: httpx.Response(200, html=LOGIN_PAGE), monkeypatch)
    with pytest.raises(dicomweb.GatewayClientError, match="sign-in of viewer was refused: Invalid username"):
        dicomweb.sign_in("http://127.0.0.1", "viewer", "wrong")


def test_no_gateway_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    gateway_client(refuse, monkeypatch)
    with pytest.raises(dicomweb.GatewayClientError, match=r"No answer from http://127\.0\.0\.1 .*make up"):
        dicomweb.sign_in("http://127.0.0.1", "viewer", "pw")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (httpx.Response(403, text="not yours"), "refused to store: 403 Forbidden. not yours"),
        (
            httpx.Response(200, json={"00081198": {"vr": "SQ", "Value": [{"00081197": {"Value": [272]}}]}}),
            "refused 1 instances, reason 272",
        ),
    ],
)
def test_a_rejected_store_has_status_and_reason(answer: httpx.Response, text: str) -> None:
    session = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(lambda _: answer))
    with session, pytest.raises(dicomweb.GatewayClientError, match=re.escape(text)):
        dicomweb.store(session, [b"x"])


def test_a_stopped_stack_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert sample.main(["--stack", "dev"]) == 1
    error = capsys.readouterr().err
    assert "make up" in error
    assert len(error.splitlines()) <= 2
