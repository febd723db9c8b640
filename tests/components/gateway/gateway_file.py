"""The gateway's nginx configuration, parsed back, and read as nginx reads it."""

import ipaddress
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import crossplane

from access import ANY_ROLE, routes
from components.archive.archive import archive_roots
from components.gateway import nginx_config
from components.gateway.model import Dimse, GatewayConfig, TlsConfig
from route import Access, Role, Route, WithShareLink
from settings import ArchiveKind

READERS: Mapping[str, Access] = {"links": ANY_ROLE, "links without login": WithShareLink()}
"""Who may open share links."""

ROUTES: Mapping[str, tuple[Route, ...]] = {
    **{kind.value: routes(archive_roots(kind), frozenset({Role.REPORTER})) for kind in ArchiveKind},
    **{
        name: routes(archive_roots(ArchiveKind.ORTHANC), frozenset({Role.REPORTER}), readers)
        for name, readers in READERS.items()
    },
}
"""The table, by the archive that runs; with Orthanc there may be share links."""

EXAMPLE = GatewayConfig(
    scheme="http",
    tls=None,
    proxy=None,
    ipv6=False,
    trust_bridge_address=True,
    host="pacs.example.org",
    authority="pacs.example.org:8480",
    port=8480,
    routes=ROUTES["orthanc"],
    admin_networks=(),
    upstreams={
        "auth_proxy": "auth-proxy:4180",
        "keycloak": "keycloak:8080",
        "viewer": "viewer:8080",
        "archive": "orthanc:8042",
    },
    dicomweb_root="/dicom-web",
    rewrite_links=False,
    misreads_searches=True,
    unrestricted_roles=None,
    scripted_root="/scripted",
    zip_path="/scripted/studies/$study/archive",
    dimse=None,
    realm_path="/keycloak/realms/ohif",
    client_id="ohif_viewer",
    accept_tokens=True,
    session_cookie="ohif_session",
    audit_file=None,
    frame_ancestors=(),
    asset_root="/etc/ohif",
)
"""With Orthanc."""

OTHER_EXAMPLE = replace(
    EXAMPLE,
    routes=ROUTES["dcm4chee"],
    upstreams={**EXAMPLE.upstreams, "archive": "dcm4chee:8080"},
    dicomweb_root="/dcm4chee-arc/aets/DCM4CHEE/rs",
    rewrite_links=True,
    misreads_searches=False,
    unrestricted_roles=None,
    scripted_root=None,
    zip_path="/dcm4chee-arc/aets/DCM4CHEE/rs/studies/$study?accept=application/zip",
    accept_tokens=False,
)
"""With DCM4chee."""

HTTPS_EXAMPLE = replace(
    EXAMPLE,
    scheme="https",
    authority="pacs.example.org",
    port=443,
    ipv6=True,
    trust_bridge_address=False,
    admin_networks=[ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/48")],
    tls=TlsConfig(
        certificate="/certificates/served/pacs.example.org.pem",
        key="/certificates/served/pacs.example.org.pem",
        ocsp_stapling=False,
        webroot="/certificates/webroot",
    ),
)
"""On a VM, with a certificate of an authority's."""

DIMSE = Dimse(
    trust_bridge_address=True,
    upstream="orthanc:4242",
    networks=[ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("192.0.2.7/32")],
    tls=False,
    client_certificates=False,
)

LINKS_EXAMPLE = replace(HTTPS_EXAMPLE, routes=ROUTES["links"], unrestricted_roles=["pacsadmin"])
OPEN_LINKS_EXAMPLE = replace(LINKS_EXAMPLE, routes=ROUTES["links without login"])
"""With share links."""

EXAMPLES = {
    "orthanc": EXAMPLE,
    "dcm4chee": OTHER_EXAMPLE,
    "links": LINKS_EXAMPLE,
    "links without login": OPEN_LINKS_EXAMPLE,
}


@dataclass(frozen=True)
class Directive:
    """One directive with its block, if it has one."""

    name: str
    args: tuple[str, ...]
    block: tuple["Directive", ...]

    def all(self, name: str) -> list["Directive"]:
        """The directives of that name in the block itself."""
        return [it for it in self.block if it.name == name]

    def values(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each directive of that name in the block itself."""
        return [it.args for it in self.all(name)]

    def value(self, name: str) -> str:
        """The only argument of the only directive of that name in the block itself."""
        ((value,),) = self.values(name)
        return value

    def pairs(self, name: str) -> dict[str, str]:
        """Directives of two arguments (`add_header`, `proxy_set_header`) as a map; `always` is left out."""
        return {args[0]: args[1] for args in self.values(name)}

    def walk(self) -> Iterator["Directive"]:
        """Itself and everything in it."""
        yield self
        for it in self.block:
            yield from it.walk()

    @property
    def headers(self) -> dict[str, str]:
        """What it adds to answers, by name in small letters."""
        return {name.lower(): value for name, value in self.pairs("add_header").items()}


def parse(text: str) -> Directive:
    """The whole file as one directive without a name.

    Raises:
        AssertionError: crossplane refuses the file.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        parsed = crossplane.parse(file.name, single=True, strict=False)
    assert parsed["status"] == "ok", parsed["errors"]
    return Directive("", (), _directives(parsed["config"][0]["parsed"]))


def _directives(parsed: list[dict[str, Any]]) -> tuple[Directive, ...]:
    return tuple(
        Directive(it["directive"], tuple(it["args"]), _directives(it.get("block", [])))
        for it in parsed
        if it["directive"] != "#"
    )


@dataclass(frozen=True)
class Gateway:
    """The parsed file."""

    config: GatewayConfig = EXAMPLE

    @cached_property
    def text(self) -> str:
        """The file."""
        return nginx_config.render(self.config)

    @cached_property
    def http(self) -> Directive:
        """The block `http`."""
        (found,) = parse(self.text).all("http")
        return found

    @cached_property
    def server(self) -> Directive:
        """The block `server` of the endpoint."""
        (found,) = (it for it in self._servers if it.all("root"))
        return found

    @cached_property
    def redirect(self) -> Directive:
        """With HTTPS, the block `server` that answers the same name unencrypted."""
        (found,) = (it for it in self._servers if not it.all("root"))
        return found

    @property
    def _servers(self) -> list[Directive]:
        return [it for it in self.http.all("server") if it.values("server_name") == [(self.config.host,)]]

    @cached_property
    def locations(self) -> Mapping[tuple[str, ...], Directive]:
        """The endpoint's locations, by their arguments."""
        return {it.args: it for it in self.server.all("location")}

    @property
    def guarded(self) -> list[Directive]:
        """The locations of routes that need a session, without `/logout` and the page of a refusal, which only ask
        whether there is one."""
        others = ("/_auth/session", "/_auth/refused", "/_auth/share")
        asking = [it for it in self.server.all("location") if it.all("auth_request")]
        return [it for it in asking if it.value("auth_request") not in others]

    def location(self, path: str) -> Directive:
        """What serves a path that nginx has decoded: exact names, then expressions in order, then `/`."""
        public = [it for it in self.server.all("location") if not it.all("internal")]
        exact = [it for it in public if it.args == ("=", path)]
        matching = [it for it in public if it.args[0] == "~" and re.search(it.args[1], path, re.ASCII)]
        return [*exact, *matching, self.locations[("/",)]][0]

    def on_error(self, location: Directive, code: str) -> str | None:
        """Where an error of nginx's own leads: a location has its own list, or else all of the server's."""
        for *codes, target in location.values("error_page") or self.server.values("error_page"):
            if code in codes:
                return target
        return None

    def map(self, variable: str) -> Directive:
        """The `map` that fills `variable`."""
        (found,) = (it for it in self.http.all("map") if it.args[1] == variable)
        return found

    def look_up(self, variable: str, value: str) -> str:
        """What a map makes of a value."""
        entries = {it.name: it.args[0] for it in self.map(variable).block}
        if value in entries:
            return entries[value]
        for key, result in entries.items():
            # nginx tries none on an empty value.
            if key.startswith("~") and value:
                flags = re.ASCII | (re.IGNORECASE if key.startswith("~*") else 0)
                # Python's name for a named group.
                expression = re.sub(r"\(\?<(?![=!])", "(?P<", key.removeprefix("~").removeprefix("*"))
                if re.search(expression, value, flags):
                    return result
        return entries.get("default", "")

    def answer(self, method: str, path: str) -> int | str | frozenset[str]:
        """404, 405, "anyone", "admin networks", "share link", or the roles one of which the session must have."""
        location = self.location(path)
        if location.values("return") == [("404",)]:
            return 404
        conditions = {it.args: it for it in location.all("if")}
        for args, block in conditions.items():
            if args[:2] == ("$request_method", "!~") and not re.search(args[2], method):
                return int(block.value("return"))
        if location in self.guarded:
            question = self.locations[("=", location.value("auth_request"))]
            variable = "$" + question.value("proxy_pass").partition("?allowed_groups=$")[2]
            return frozenset(self.look_up(variable, method).split(","))
        if location.values("auth_request") == [("/_auth/share",)]:
            return "share link"
        if ("$from_admin_network", "!=", "1") in conditions:
            return "admin networks"
        return "anyone"
