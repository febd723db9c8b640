"""DICOM over TLS: who shows no certificate of the hospital's authority, or asks for none, gets no association."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.console import UserError
from tests.certificates import Certificate, signed
from tests.e2e.conftest import Reconfigured, cannot
from tests.e2e.harness import CONFIG, Stack, wait_until
from tests.e2e.modality import Modality
from tools import debian_tools


def written(folder: Path, name: str, certificate: Certificate) -> tuple[str, str]:
    """Key and certificate as files."""
    key, public = folder / f"{name}-key.pem", folder / f"{name}.pem"
    key.write_text(certificate.key_pem)
    public.write_text(certificate.pem)
    return str(key), str(public)


def by(certificate: tuple[str, str], trusted: tuple[str, str]) -> tuple[str, ...]:
    """DCMTK's options: one's own certificate, and whom one trusts."""
    return ("+tls", *certificate, "-pw", "+cf", trusted[1])


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return signed("authority of the hospital")


@pytest.fixture
def encrypted(stack: Stack, reconfigured: Reconfigured, authority: Certificate) -> Iterator[None]:
    """The stack with TLS on its DICOM port, and as it was afterwards."""
    try:
        debian_tools.ensure("dcmtk")
    except UserError as error:
        cannot(f"no DCMTK: {error.problem}")
    own = signed("gateway", by=authority)
    tls = {"certificate": own.pem, "key": own.key_pem, "clientCa": authority.pem}
    reconfigured(dicom={**CONFIG["ohif:dicom"], "tls": tls})
    stack.up()
    yield
    reconfigured()
    stack.up()


@pytest.mark.usefixtures("encrypted")
def test_modalities_show_a_certificate_and_look_at_the_gateways(tmp_path: Path, authority: Certificate) -> None:
    ours = written(tmp_path, "authority", authority)
    stranger = signed("somebody else's authority")
    theirs = written(tmp_path, "stranger", stranger)
    modality = written(tmp_path, "modality", signed("modality", by=authority))
    impostor = written(tmp_path, "impostor", signed("modality", by=stranger))

    listed = Modality(tls=by(modality, ours))
    wait_until(listed.verifies, "association over TLS", 15)
    assert not Modality().verifies(), "without TLS"
    assert not Modality(tls=("+tla", "+cf", ours[1])).verifies(), "without a certificate"
    assert not Modality(tls=by(impostor, ours)).verifies(), "with another authority's certificate"
    assert not Modality(tls=by(modality, theirs)).verifies(), (
        "the modality itself refuses a gateway that it does not know"
    )
    assert not replace(listed, calling="UNKNOWN").verifies(), "a certificate does not replace the list of callers"
