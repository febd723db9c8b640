"""assets/gateway/wait.js in a real nginx: a read waits for a service that is just starting, and is judged each time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.models.containers import Container

from tests.components.gateway.real_nginx import WAIT, engine, gateway
from tools.container_exec import run

pytestmark = pytest.mark.engine

SERVICE, JUDGE = 9000, 9001
TEMPORARY = "".join(f"{name}_temp_path /tmp/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
"""nginx's own folders are not the user's."""
CONFIGURATION = f"""
load_module /usr/lib/nginx/modules/ngx_http_js_module.so;
pid /tmp/nginx.pid;
events {{}}
http {{
    access_log off;
    {TEMPORARY}
    js_import wait from /etc/ohif/wait.js;
    js_var $pauses 0;
    server {{
        listen 127.0.0.1:8080;
        error_page 500 502 503 504 =503 /sorry;
        location = /sorry {{ internal; return 200 "sorry"; }}
        location = /judge {{ internal; proxy_pass http://127.0.0.1:9001/judge; }}
        location /pacs/ {{
            error_page 500 502 = @wait;
            recursive_error_pages on;
            auth_request /judge;
            rewrite ^/pacs(/.*)$ $1 break;
            proxy_pass http://127.0.0.1:9000;
        }}
        location @wait {{ js_content wait.wait; }}
    }}
}}
"""


def service(port: int) -> str:
    """The configuration of a service that answers the one path."""
    return f"""
        pid /tmp/{port}.pid;
        events {{}}
        http {{
            access_log off;
            {TEMPORARY}
            server {{
                listen 127.0.0.1:{port};
                location = /study {{ return 200 "study"; }}
                location = /judge {{ return 204; }}
            }}
        }}
    """


def serve(port: int) -> str:
    """The command that starts it."""
    return f"nginx -c /etc/ohif/{port}.conf -e /dev/stderr"


@contextmanager
def nginx() -> Iterator[Container]:
    files = {
        "/etc/ohif/nginx.conf": CONFIGURATION,
        **WAIT,
        **{f"/etc/ohif/{port}.conf": service(port) for port in (SERVICE, JUDGE)},
    }
    command = ["nginx", "-c", "/etc/ohif/nginx.conf", "-e", "/dev/stderr", "-g", "daemon off;"]
    with engine() as client, gateway(client, command, files) as container:
        time.sleep(0.5)
        yield container


def ask(container: Container, path: str, *options: str, start: str = "true", after: float = 0) -> tuple[str, float]:
    """What is answered, and after how many seconds; `start` runs meanwhile, that many seconds after the request."""
    script = f"(sleep {after}; {start}) & wget -q -O - -T 20 {' '.join(options)} 'http://127.0.0.1:8080{path}' 2>&1"
    began = time.monotonic()
    answer = run(container, ["/bin/sh", "-c", script])
    return answer.output.strip(), time.monotonic() - began


def test_a_read_waits_for_the_service_and_for_who_judges() -> None:
    with nginx() as container:
        said, seconds = ask(
            container, "/pacs/study?limit=1", start=f"{serve(JUDGE)}; sleep 1; {serve(SERVICE)}", after=1
        )
        assert said == "study"
        assert 2 < seconds < 6


def test_what_does_not_come_back_ends_in_an_error() -> None:
    """Nobody is let through because nobody judges."""
    with nginx() as container:
        said, seconds = ask(container, "/pacs/study", start=serve(SERVICE))
        assert "503" in said
        assert 6 < seconds < 10
        said, _ = ask(container, "/pacs/study", start=serve(JUDGE))
        assert said == "study"


@pytest.mark.parametrize(
    ("path", "options"),
    [("/pacs/study", "--post-data=it"), ("/pacs//study", ""), ("/pacs/%73tudy", ""), ("/pacs/.study", "")],
    ids=["a body", "two slashes", "an encoded letter", "a dot in front"],
)
def test_what_is_no_plain_read_does_not_wait(path: str, options: str) -> None:
    with nginx() as container:
        said, seconds = ask(container, path, options)
        assert "503" in said
        assert seconds < 4
