"""nginx itself reads the gateway's file: what a parser takes, nginx may refuse (an expression too large, say)."""

import io
import ipaddress
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

from images import DEFAULT_IMAGES
from rendering import nginx
from tests.certificates import signed
from tests.rendering.gateway_file import DIMSE, EXAMPLE, OTHER_EXAMPLE

IPV6 = ipaddress.ip_network("2001:db8::/32")


def gateway_image() -> str:
    """The image that the program would use on this machine."""
    own = os.environ.get("OHIF_IMAGES")
    entries = json.loads(Path(own).read_text()) if own and Path(own).exists() else {}
    return str(entries.get("gateway", {"name": DEFAULT_IMAGES["gateway"].name})["name"])


def archive(files: dict[str, str]) -> bytes:
    """The files as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@pytest.mark.engine
@pytest.mark.parametrize(
    "config",
    [
        EXAMPLE,
        replace(EXAMPLE, admin_networks=[ipaddress.ip_network("10.0.0.0/8"), IPV6]),
        replace(EXAMPLE, scheme="https"),
        OTHER_EXAMPLE,
        replace(EXAMPLE, dimse=DIMSE),
        replace(OTHER_EXAMPLE, dimse=replace(DIMSE, tls=True, client_certificates=True)),
    ],
    ids=["nobody administers", "admin networks", "https", "dcm4chee", "dicom", "dicom over tls"],
)
def test_nginx_takes_the_file(config: nginx.GatewayConfig) -> None:
    try:
        engine = docker.from_env()
    except DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    command = ["-t", "-c", "/etc/ohif/nginx.conf", "-e", "/dev/stderr"]
    try:
        container = engine.containers.create(
            gateway_image(), command, entrypoint=["nginx"], user="101:101", tmpfs={"/tmp": ""}
        )
    except ImageNotFound:
        pytest.skip(f"image {gateway_image()} is not on this machine: make up gets it")
    try:
        own = signed("gateway")
        files = {
            "ohif/nginx.conf": nginx.render(config),
            "ohif/archive-credential.conf": "",
            "ohif/dicom/certificate.pem": own.pem,
            "ohif/dicom/key.pem": own.key_pem,
            "ohif/dicom/client-ca.pem": own.pem,
        }
        container.put_archive("/etc", archive(files))
        container.start()
        code = container.wait(timeout=60)["StatusCode"]
        said = container.logs().decode()
    finally:
        container.remove(force=True)
        engine.close()
    assert code == 0, said
    assert "warn" not in said
