"""The gateway's templates: one for each handler, and a public folder that holds no secret."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.gateway import content_security, nginx_config
from components.gateway.model import GatewayConfig
from route import Handler
from tests.components.gateway.gateway_file import DIMSE, EXAMPLE, HTTPS_EXAMPLE
from tests.program.harness import run_program

TEMPLATES = Path(__file__).resolve().parents[3] / "assets/gateway"
MOST_LINES = 200


def test_every_handler_has_a_template_and_every_template_a_handler() -> None:
    assert {path.name for path in (TEMPLATES / "handlers").iterdir()} == {f"{it}.conf.j2" for it in Handler}


def test_handler_without_a_template_is_an_error() -> None:
    route = replace(EXAMPLE.routes[0], name="new", handler="teapot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"route new: .*handlers/teapot\.conf\.j2"):
        nginx_config.render(replace(EXAMPLE, routes=[*EXAMPLE.routes, route]))


def test_no_template_is_longer_than_a_reader_wants() -> None:
    templates = list(TEMPLATES.rglob("*.j2"))
    assert len(templates) > 30
    assert {path.name: lines for path in templates if (lines := len(path.read_text().splitlines())) > MOST_LINES} == {}


@pytest.mark.parametrize(
    "config", [EXAMPLE, HTTPS_EXAMPLE, replace(EXAMPLE, dimse=DIMSE)], ids=["http", "https", "dicom"]
)
def test_secrets_lie_outside_of_what_is_served(config: GatewayConfig) -> None:
    text = nginx_config.render(config)
    served = {line.split()[1].rstrip(";") for line in text.splitlines() if line.strip().startswith(("root ", "alias "))}
    assert "/etc/ohif/www" in served
    files = run_program({"archive": "orthanc"}).container("gateway").files
    secret = [path for path in files if not path.startswith("/etc/ohif/www/")]
    assert "/etc/ohif/archive-credential.conf" in secret
    assert [path for path in secret if any(path.startswith(f"{root}/") for root in served)] == []
    assert {path.split("/")[4].split(".")[0] for path in files if path not in secret} == {"app-config", "pages"}


def test_policy_is_written_as_browsers_read_it() -> None:
    policy = {"default-src": ["'none'"], "img-src": ["'self'", "data:"], "$archive_sandbox": []}
    assert content_security.header(policy) == "default-src 'none'; img-src 'self' data:; $archive_sandbox"


@pytest.mark.parametrize("handler", sorted(content_security.BY_HANDLER))
def test_every_policy_denies_what_it_does_not_name(handler: Handler) -> None:
    policy = content_security.BY_HANDLER[handler]
    assert policy["default-src"] == policy["frame-ancestors"] == ["'none'"]
    assert "*" not in content_security.header(policy)
