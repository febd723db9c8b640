"""A stand-in of DuckDNS's one call: `GET /update?domains=…&token=…[&ip=…][&ipv6=…]`, answered by `OK` or `KO`."""

from __future__ import annotations

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.rehearsal.resolver import Names

DOMAIN = "duckdns.org"
PORT = 8053


def update(names: Names, domains: dict[str, str], query: str, caller: str) -> str:
    """Carries out one call; `domains` holds the token of each. Without an address, the caller's is taken."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    wanted = [name.removesuffix(f".{DOMAIN}") for name in given.get("domains", "").split(",")]
    if not all(name in domains and domains[name] == given.get("token") for name in wanted):
        return "KO"
    try:
        found = {"A": str(ipaddress.IPv4Address(given.get("ip") or caller))}
        if given.get("ipv6"):
            found["AAAA"] = str(ipaddress.IPv6Address(given["ipv6"]))
    except ValueError:
        return "KO"
    for name in wanted:
        names.own.setdefault(f"{name}.{DOMAIN}", {}).update(found)
    return "OK"


def serve(names: Names, domains: dict[str, str], address: str) -> ThreadingHTTPServer:
    """Serves on this address until `shutdown()`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            known = parts.path == "/update"
            text = update(names, domains, parts.query, self.client_address[0]) if known else "not found"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the base class's name
            """Quiet."""

    server = ThreadingHTTPServer((address, PORT), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
