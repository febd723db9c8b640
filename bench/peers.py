"""Other ways to the same archive, to compare the gateway with: the archive alone, and two nginx in front of it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from bootstrap.console import UserError
from components.archive import orthanc_config
from components.archive.orthanc import AUTHORIZATION_FILE
from components.auth_proxy import oauth2_proxy_config
from components.gateway.nginx_config import HTTP_PORT
from public_paths import AUTH_PROXY_PATH, DICOMWEB_PATH
from tools import preflight
from tools.container_exec import run
from tools.dicomweb import StackOutputs, session_cookie, sign_in

PORT = 8080
NGINX = """
worker_processes 2;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    resolver 127.0.0.11 valid=2s ipv6=off;
    proxy_temp_path /tmp/proxy;
    client_body_temp_path /tmp/body;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    client_max_body_size 0;
    gzip on;
    gzip_types application/dicom+json application/json;
    {http}
    server {{
        listen {port};
        {server}
    }}
}}
"""
WITHOUT_A_GATE = (
    "upstream archive {{ server {archive}; keepalive 32; }}",
    """
        location {path}/ {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header Authorization "{authorization}";
            proxy_buffers 4 16k;
            proxy_max_temp_file_size 0;
            proxy_request_buffering off;
            proxy_pass http://archive{root}/;
        }}
""",
)
RECIPE = (
    "",
    """
        location = {auth_path}/auth {{
            internal;
            proxy_pass http://{auth_proxy};
            proxy_set_header Host $http_host;
            proxy_set_header Content-Length "";
            proxy_pass_request_body off;
        }}
        location {path}/ {{
            auth_request {auth_path}/auth;
            proxy_set_header Host $http_host;
            proxy_set_header Authorization "{authorization}";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_pass http://{archive}{root}/;
        }}
""",
)
"""As the OHIF recipe "User Account Control" has it: each request asks oauth2-proxy, each on a new connection."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Where a request goes, and with what."""

    name: str
    address: str
    """`host:port`."""
    root: str
    """Of DICOMweb."""
    headers: Mapping[str, str]


def _address(engine: docker.DockerClient, container: Container, *, internal: bool) -> str:
    """The container's address on a network of this kind. The gateway answers on the one that leads outside."""
    container.reload()
    for name, network in container.attrs["NetworkSettings"]["Networks"].items():
        if engine.networks.get(name).attrs["Internal"] is internal and network["IPAddress"]:
            return str(network["IPAddress"])
    raise UserError(f"{container.name} has no address to be measured at", "`make up`.")


@contextmanager
def peers(stack: str, outputs: StackOutputs) -> Iterator[list[Peer]]:
    """All of them, until the end of the context. Raises UserError, GatewayClientError."""
    engine = preflight.connect()
    parts = preflight.by_alias(engine, stack)
    if "orthanc" not in parts:
        raise UserError(f"stack {stack} has no Orthanc", "Measure a stack with Orthanc, which is the default.")
    gateway, archive = parts["gateway"], parts["orthanc"]
    authorization = run(archive, ["cat", AUTHORIZATION_FILE]).standard_output.decode()
    with closing(sign_in(outputs.base_url, "viewer", outputs.credentials["viewer"])) as session:
        cookie = session_cookie(session)
    host = outputs.base_url.partition("://")[2]
    values = {
        "archive": f"orthanc:{orthanc_config.PORT}",
        "auth_path": AUTH_PROXY_PATH,
        "auth_proxy": f"auth-proxy:{oauth2_proxy_config.PORT}",
        "authorization": authorization,
        "path": DICOMWEB_PATH,
        "port": PORT,
        "root": orthanc_config.DICOMWEB_ROOT,
    }
    made: list[Container] = []
    try:
        for http, server in (WITHOUT_A_GATE, RECIPE):
            made.append(_nginx(engine, gateway, http.format(**values), server.format(**values)))
        plain, recipe = made
        yield [
            Peer(
                name="archive alone",
                address=f"{_address(engine, archive, internal=True)}:{orthanc_config.PORT}",
                root=orthanc_config.DICOMWEB_ROOT,
                headers={"Authorization": authorization, "Host": host},
            ),
            Peer(
                name="nginx, no gate",
                address=f"{_address(engine, plain, internal=False)}:{PORT}",
                root=DICOMWEB_PATH,
                headers={"Host": host},
            ),
            Peer(
                name="recipe",
                address=f"{_address(engine, recipe, internal=False)}:{PORT}",
                root=DICOMWEB_PATH,
                headers={"Cookie": cookie, "Host": host},
            ),
            Peer(
                name="this stack",
                address=f"{_address(engine, gateway, internal=False)}:{HTTP_PORT}",
                root=DICOMWEB_PATH,
                headers={"Cookie": cookie, "Host": host},
            ),
        ]
    finally:
        for container in made:
            container.remove(force=True, v=True)


def _nginx(engine: docker.DockerClient, gateway: Container, http: str, server: str) -> Container:
    """An nginx of the gateway's image in the gateway's networks."""
    first, *others = gateway.attrs["NetworkSettings"]["Networks"]
    container = engine.containers.create(
        gateway.attrs["Image"],
        ["nginx", "-c", "/bench.conf", "-g", "daemon off;"],
        entrypoint="",
        user="101:101",
        network=first,
    )
    for network in others:
        engine.networks.get(network).connect(container)
    content = NGINX.format(http=http, server=server, port=PORT).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        entry = tarfile.TarInfo("bench.conf")
        entry.size, entry.mode = len(content), 0o644
        packed.addfile(entry, io.BytesIO(content))
    container.put_archive("/", archive.getvalue())
    container.start()
    return container
