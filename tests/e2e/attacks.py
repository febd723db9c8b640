"""The attacks: one row each. To add one, add a row; test_attacks.py sends them all.

Every row is sent as it stands, byte by byte. Whatever its own expectation, it must also never get a 5xx, never
show what its sender may not see, never echo `EVIL` or a header that it tried to inject, never be allowed across
origins, and never change anything in the archive.

In a row's text these stand for what only the running stack knows: `{authority}` its host and port, `{origin}`,
`{other_scheme}` the scheme that is not its own, `{cookie}` the sender's session, `{study}` `{series}` `{instance}` the
sample's identifiers, `{patient}` the sample's patient in the archive's own API.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from settings import ArchiveKind
from tests.e2e.harness import ARCHIVE

ANONYMOUS = "anonymous"
WITHOUT_ROLE = "norole"
VIEWER = "viewer"
REPORTER = "reporter"
PACSADMIN = "pacsadmin"

EVIL = "evil.example"
"""An attacker's own site; if an answer names it, the attacker decides where a person goes."""
INJECTED = "X-Injected"
"""A header that only an attacker would set in an answer."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

Headers = tuple[tuple[str, str], ...]


def unchanged(cookie: str) -> str:
    """The session cookie as the gateway set it."""
    return cookie


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A request that is not meant well."""

    name: str
    expect: frozenset[int]
    """The statuses that are right, for every response that comes."""
    target: str = "/"
    """What stands in the request line, unencoded."""
    method: str = "GET"
    headers: Headers = ()
    body: str = ""
    identity: str = ANONYMOUS
    cookie: Callable[[str], str] = unchanged
    """Changes the value of the sender's session cookie."""
    host: str = "{authority}"
    raw: str | None = None
    """All of the request, instead of target, method, headers, body and host."""
    answers: int = 1
    """How many responses come: two where the server sees two requests."""
    ends: bool = True
    """Whether all of the request is sent; if not, it must be answered before."""
    reaches: bool = False
    """What the sender sees is what it may see: only the trick must fail. Effects are refused all the same."""

    def request(self, known: Mapping[str, str]) -> bytes:
        """The bytes to send; `known` gives the words in braces their values."""

        def fill(text: str) -> str:
            for word, value in known.items():
                text = text.replace(f"{{{word}}}", value)
            return text

        if self.raw is not None:
            return fill(self.raw).encode("latin-1")
        body = fill(self.body)
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        if self.identity != ANONYMOUS:
            lines.append("Cookie: {cookie}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if body and not {name.lower() for name, _ in self.headers} & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        return (fill("\r\n".join(lines)) + "\r\n\r\n" + body).encode("latin-1")


def expecting(*statuses: int) -> frozenset[int]:
    """Short for a set of statuses."""
    return frozenset(statuses)


def sent_by(identities: Iterable[str], rows: Iterable[tuple[str, int, int]]) -> Iterator[Attack]:
    """Rows of target, status for nobody, status for the viewer."""
    for identity in identities:
        for target, nobody, viewer in rows:
            status = nobody if identity == ANONYMOUS else viewer
            yield Attack(
                name=f"GET {target}", target=target, identity=identity, expect=expecting(status), reaches=status == 200
            )


# --- Paths ---

OF_DCM4CHEE = (401, 403) if ARCHIVE is ArchiveKind.DCM4CHEE else (404, 404)
"""What its own pages and API answer to nobody, and to the viewer: with another archive they are nowhere."""

MISSPELT_OF_DCM4CHEE = (400, 400) if ARCHIVE is ArchiveKind.DCM4CHEE else (404, 404)

SPELLINGS = (
    "/%70acs/studies",
    "//pacs/studies",
    "/pacs//studies",
    "/x/../pacs/studies",
    "/x/%2e%2e/pacs/studies",
    "/./pacs/studies",
    "/pacs/./studies",
    "/pacs%2fstudies",
    "/pacs/x/../studies",
    "/pacs/studies#",
    "http://{authority}//pacs/studies",
)
"""DICOMweb in other words than the log's."""

PATHS = tuple(
    sent_by(
        (ANONYMOUS, VIEWER),
        (
            # Steps up, in every spelling: out of DICOMweb, into the archive's own API.
            ("/pacs/../patients", 404, 404),
            ("/pacs/studies/../../patients", 404, 404),
            ("/pacs/%2e%2e/patients", 404, 404),
            ("/pacs/..%2fpatients", 404, 404),
            ("/pacs/%2e%2e%2fpatients", 404, 404),
            ("/pacs/..%5cpatients", 404, 404),
            ("/pacs/%2e%2e%5cpatients", 404, 404),
            ("/pacs/..\\patients", 404, 404),
            ("/pacs/studies/..\\..\\patients", 404, 404),
            ("/pacs/..%252fpatients", 404, 404),
            ("/pacs/..%255cpatients", 404, 404),
            ("/pacs/%252e%252e/patients", 404, 404),
            ("/pacs/%25252e%25252e%25252fpatients", 404, 404),
            ("/pacs/%c0%ae%c0%ae/patients", 404, 404),
            ("/pacs/..%c0%afpatients", 404, 404),
            ("/pacs/..%ef%bc%8fpatients", 404, 404),
            ("/pacs/%uff0e%uff0e/patients", 400, 400),
            ("/pacs/..;/patients", 404, 404),
            ("/pacs/.;/patients", 404, 404),
            ("/pacs/;/patients", 404, 404),
            ("/pacs;/studies", 404, 404),
            ("/pacs/studies;x=1", 404, 404),
            ("/pacs/studies;/../patients", 404, 404),
            ("/pacs/studies%3b", 404, 404),
            ("/pacs/./patients", 404, 404),
            ("//pacs//patients", 404, 404),
            ("/pacs/studies/1.2/../../../tools", 404, 404),
            # Almost a path of the table.
            ("/PACS/studies", 404, 404),
            ("/pacs/Studies", 404, 404),
            ("/pacs/studies/", 404, 404),
            ("/pacs/studies/.", 404, 404),
            ("/pacs/studies/..", 404, 404),
            ("/pacs/studies.", 404, 404),
            ("/pacs/studies..", 404, 404),
            ("/pacs/studies%20", 404, 404),
            ("/pacs/studies%09", 404, 404),
            ("/pacs/studies%0a", 404, 404),
            ("/pacs/studies%0d%0aX-Injected:1", 404, 404),
            ("/pacs/studies%00", 400, 400),
            ("/pacs/%00/../patients", 400, 400),
            ("/pacs/studies%", 400, 400),
            ("/pacs/studies%2", 400, 400),
            ("/pacs/studies%zz", 400, 400),
            ("/pacs/studies%3f/../../patients", 404, 404),
            ("/pacs/studies%23", 404, 404),
            ("/pacs/studies/*", 404, 404),
            ("/pacs/studies/1.2.x", 404, 404),
            ("/pacs/studies/.1", 404, 404),
            ("/pacs/studies/1..2", 404, 404),
            ("/pacs/studies/" + "1" * 65, 404, 404),
            ("/pacs/studies/{study}/archive", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/file", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/bulk/../../../../../patients", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/bulk/..%5c..%5cpatients", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/bulk/zzzz", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/frames/0", 404, 404),
            ("/pacs/studies/{study}/series/{series}/instances/{instance}/frames/1,,1", 404, 404),
            # Through a route that is open to more people.
            ("/healthz/../pacs-admin/system", 400, 400),
            ("/healthz/..%2fpacs-admin/system", 400, 400),
            ("/healthz/..;/pacs-admin/system", 404, 404),
            ("/healthz%2f..%2fpacs-admin%2fsystem", 400, 400),
            ("/healthz/", 404, 404),
            ("/healthz.json/../pacs-admin/system", 400, 400),
            ("/ohif-viewer/../pacs-admin/system", 400, 400),
            ("/ohif-viewer/%2e%2e/pacs-admin/system", 400, 400),
            ("/ohif-viewer/..%5cpacs-admin/system", 401, 200),
            ("/ohif-viewer/..;/pacs-admin/system", 401, 200),
            ("/ohif-viewer/..%252fpacs-admin/system", 401, 200),
            ("/ohif-viewer;/pacs-admin/system", 404, 404),
            ("/app-config.js/../pacs-admin/system", 400, 400),
            ("/app-config.js%2f..%2fpacs-admin/system", 400, 400),
            ("/assets/../pacs-admin/system", 400, 400),
            ("/assets/..%5c..%5cetc%5cpasswd", 404, 404),
            ("/assets/%2e%2e%2f%2e%2e%2fetc/passwd", 400, 400),
            ("/../../../../etc/passwd", 400, 400),
            ("/..%2f..%2f..%2fetc%2fpasswd", 400, 400),
            ("/logout/../pacs-admin/system", 400, 400),
            ("//pacs-admin//system", 400, 400),
            ("/./pacs-admin/system", 400, 400),
            ("/%70acs-admin/system", 400, 400),
            ("/pacs-admin%2fsystem", 400, 400),
            ("/pacs-admin/..%5csystem", 400, 400),
            ("/pacs-admin;/system", 404, 404),
            ("/PACS-ADMIN/system", 404, 404),
            ("/pacs-admin%00/system", 400, 400),
            ("/pacs-admin%0a/system", 404, 404),
            ("/pacs-admin\\system", 404, 404),
            # Files of the gateway itself.
            ("/archive-credential.conf", 404, 404),
            ("/nginx.conf", 404, 404),
            ("/www/app-config.store.js", 404, 404),
            ("/app-config.store.js", 401, 200),
            ("/pages/403.html", 404, 404),
            ("/_gateway/403.html", 404, 404),
            ("/_gateway/../archive-credential.conf", 404, 404),
            ("/_gateway/..%2farchive-credential.conf", 404, 404),
            ("/_gateway/..%5carchive-credential.conf", 404, 404),
            ("/_gateway/%2e%2e/%2e%2e/etc/passwd", 400, 400),
            # What only the gateway may ask.
            ("/_auth/session", 404, 404),
            ("/_auth/archive-admin", 404, 404),
            ("/%5fauth/dicomweb", 404, 404),
            ("/oauth2/auth", 404, 404),
            ("/oauth2/auth?allowed_groups=viewer", 404, 404),
            ("/oauth2/%61uth", 404, 404),
            ("/oauth2//auth", 404, 404),
            ("/oauth2/start/../auth", 404, 404),
            ("/oauth2/start%2f..%2fauth", 404, 404),
            ("/oauth2/start;/../auth", 404, 404),
            ("/oauth2/sign_in", 404, 404),
            ("/oauth2/static/css/bulma.min.css", 404, 404),
            ("/ping", 404, 404),
            ("/ready", 404, 404),
            ("/metrics", 404, 404),
            # Keycloak's private side and its other realms.
            ("/keycloak", 404, 404),
            ("/keycloak/metrics", 404, 404),
            ("/keycloak/health", 404, 404),
            ("/keycloak/health/live", 404, 404),
            ("/keycloak/realms/ohif/../../metrics", 404, 404),
            ("/keycloak/realms/ohif/..%2f..%2fmetrics", 404, 404),
            ("/keycloak/realms/ohif/..;/..;/metrics", 404, 404),
            ("/keycloak/realms/ohif/..%5c..%5cmetrics", 404, 404),
            ("/keycloak/realms/ohif/%252e%252e/%252e%252e/metrics", 404, 404),
            ("/keycloak/realms/ohif;/../../metrics", 404, 404),
            ("/keycloak/realms/other/account", 404, 404),
            ("/keycloak/realms/OHIF/account", 404, 404),
            ("/keycloak/realms/ohif2/account", 404, 404),
            ("/keycloak/realms/ohif/clients-registrations/default", 404, 404),
            ("/keycloak/realms/ohif//clients-registrations/default", 404, 404),
            ("/keycloak/realms/ohif/account/..%2fclients-registrations/default", 404, 404),
            ("/keycloak/resources/..;/realms/master", 404, 404),
            ("/keycloak:9000/health", 404, 404),
            ("/realms/ohif/account", 404, 404),
            ("/auth/realms/ohif/account", 404, 404),
            # Open in the recipes that this replaces, or searched by everybody who scans.
            ("/dicom-web/studies", 404, 404),
            ("/wado?requestType=WADO&studyUID={study}", 404, 404),
            ("/dcm4chee-arc/aets/DCM4CHEE/rs/studies", *OF_DCM4CHEE),
            ("/dcm4chee-arc/storage/fs1/changestatus?from=OK&to=TO_DELETE", *OF_DCM4CHEE),
            ("/dcm4chee-arc/ui2/", *OF_DCM4CHEE),
            ("/dcm4chee-arc/..%2fpacs/studies/1.2/../../../dcm4chee-arc/devices", *MISSPELT_OF_DCM4CHEE),
            ("/healthz/../dcm4chee-arc/ctrl/status", *MISSPELT_OF_DCM4CHEE),
            ("/dcm4chee-arc;/ctrl/status", 404, 404),
            ("/pacs/../../../ctrl/status", 400, 400),
            ("/pacs/..%2f..%2f..%2fctrl/status", 400, 400),
            ("/pacs/studies/..%2f..%2fwado", 404, 404),
            ("/console/", 404, 404),
            ("/management", 404, 404),
            ("/orthanc/system", 404, 404),
            ("/ui/app/", 404, 404),
            ("/app/explorer.html", 404, 404),
            ("/patients", 404, 404),
            ("/tools/execute-script", 404, 404),
            ("/.git/config", 404, 404),
            ("/.env", 404, 404),
            ("/server-status", 404, 404),
            ("/nginx_status", 404, 404),
        ),
    )
)

MISSPELT = tuple(
    Attack(
        name=f"search as {path}",
        target=f"{path}?PatientName=*",
        identity=identity,
        expect=expecting(400),
    )
    for identity in (ANONYMOUS, VIEWER, PACSADMIN)
    for path in (*SPELLINGS, "{admin}//studies", "{admin}/%73tudies", "{admin}/x/../studies")
)
"""A search that the log would not show as one."""

UNLOGGED = tuple(
    Attack(name=f"search {name}", target=f"{target}?{query}", identity=identity, expect=expecting(400))
    for identity in (VIEWER, PACSADMIN)
    for target in ("/pacs/studies", *(("{admin}/studies",) if identity == PACSADMIN else ()))
    for name, query in (
        (f"at {target} behind 3 kB", "x=" + "a" * 3_000 + "&PatientName=*"),
        (f"at {target} behind a byte that is no text", "x=\xff&PatientName=*"),
    )
)

OWN_API = (
    "/pacs/patients/{patient}",
    "/pacs/..%5cpatients/{patient}",
    "/pacs/..%255cpatients/{patient}",
    "/pacs/..%2fpatients/{patient}",
    "/pacs/%2e%2e/patients/{patient}",
    "/pacs/%252e%252e%252fpatients/{patient}",
    "/pacs/studies/..%5c..%5cpatients/{patient}",
    "/pacs/studies/{study}%5c..%5c..%5cpatients/{patient}",
    "/pacs/studies/{study}/..;/..;/patients/{patient}",
    "/pacs/servers",
    "/pacs/servers/attacker",
    "/pacs/tools/execute-script",
    "/pacs/tools/bulk-delete",
    "/pacs/tools/log-level",
    "/pacs/modalities/attacker",
    "/pacs/jobs",
)
"""The archive's own API, as a viewer tried to reach it through DICOMweb on the recipes."""

BODIES = {
    "/pacs/servers/attacker": '{"Url":"http://keycloak:9000/"}',
    "/pacs/tools/execute-script": "os.execute('id')",
    "/pacs/tools/bulk-delete": '{"Resources":["{patient}"]}',
    "/pacs/tools/log-level": "trace",
    "/pacs/modalities/attacker": '["AET","127.0.0.1",104]',
}

ARCHIVE_API = tuple(
    Attack(
        name=f"{method} {target}",
        method=method,
        target=target,
        identity=identity,
        body="" if method in ("GET", "HEAD", "TRACE") else BODIES.get(target, ""),
        # nginx answers TRACE itself.
        expect=expecting(405 if method == "TRACE" else 404),
    )
    for identity in (VIEWER, REPORTER)
    for target in OWN_API
    for method in METHODS
)

# --- Methods ---

WRITES = tuple(
    Attack(
        name=f"{method} {target}",
        method=method,
        target=target,
        identity=identity,
        body="" if method in ("DELETE", "OPTIONS") else "x",
        expect=expecting(401 if identity == ANONYMOUS else 403),
    )
    for identity, methods in (
        (ANONYMOUS, ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")),
        (WITHOUT_ROLE, ("GET", "POST", "DELETE")),
        (VIEWER, ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")),
        (REPORTER, ("PUT", "PATCH", "DELETE", "OPTIONS", "BREW")),
    )
    for target in ("/pacs/studies", "/pacs/studies/{study}", "{admin}/patients/{patient}")
    for method in methods
)

DELETES_BY_ANOTHER_NAME: tuple[tuple[str, Headers], ...] = (
    ("X-HTTP-Method-Override", (("X-HTTP-Method-Override", "DELETE"),)),
    ("X-HTTP-Method", (("X-HTTP-Method", "DELETE"),)),
    ("X-Method-Override", (("X-Method-Override", "DELETE"),)),
    ("X_HTTP_Method_Override", (("X_HTTP_Method_Override", "DELETE"),)),
)

METHOD_TRICKS = (
    *(
        Attack(
            name=f"POST as DELETE by {name}",
            method="POST",
            target="/pacs/studies/{study}",
            headers=headers,
            identity=VIEWER,
            expect=expecting(403),
        )
        for name, headers in DELETES_BY_ANOTHER_NAME
    ),
    *(
        Attack(
            name=f"GET as DELETE by {name}",
            target="/pacs/studies/{study}/series",
            headers=headers,
            identity=VIEWER,
            expect=expecting(200),
            reaches=True,
        )
        for name, headers in DELETES_BY_ANOTHER_NAME
    ),
    # Orthanc takes `_method` of the query for the method, of a GET too: a link could delete.
    *(
        Attack(
            name=f"{method} {target}?{query}",
            method=method,
            target=f"{target}?{query}",
            identity=identity,
            expect=expecting(400),
        )
        for method, identity, target in (
            ("GET", VIEWER, "/pacs/studies"),
            ("GET", VIEWER, "/pacs/studies/{study}/series"),
            ("HEAD", VIEWER, "/pacs/studies/{study}/series"),
            ("POST", REPORTER, "/pacs/studies/{study}"),
            ("GET", PACSADMIN, "{admin}/patients/{patient}"),
        )
        for query in (
            "_method=DELETE",
            "_method=PUT",
            "_method=POST",
            "limit=1&_method=DELETE",
            "%5fmethod=DELETE",
            "_%6dethod=DELETE",
            "_METHOD=DELETE",
            "x_method=DELETE",
        )
    ),
    *(
        Attack(name=f"method {method!r}", method=method, target="/pacs/studies", identity=VIEWER, expect=status)
        for method, status in (
            ("get", expecting(400)),
            ("Get", expecting(400)),
            ("delete", expecting(400)),
            ("DELETE\t", expecting(400)),
            ("GET\x00", expecting(400)),
            ("G" * 5000, expecting(403)),
            ("TRACE", expecting(405)),
            ("TRACK", expecting(403)),
            ("DEBUG", expecting(403)),
            ("PROPFIND", expecting(403)),
            ("MKCOL", expecting(403)),
            ("COPY", expecting(403)),
            ("MOVE", expecting(403)),
            ("PURGE", expecting(403)),
            ("LOCK", expecting(403)),
        )
    ),
    *(
        Attack(
            name=f"TRACE {target}",
            method="TRACE",
            target=target,
            headers=((INJECTED, "echo"), ("Cookie", "a=b")),
            expect=expecting(405),
        )
        for target in ("/", "/healthz", "/keycloak/realms/ohif/account", "/oauth2/start", "/nowhere")
    ),
)

# --- Headers that say who one is, or where one comes from ---

CLAIMS: Headers = (
    ("X-Forwarded-User", "pacsadmin"),
    ("X-Forwarded-Email", "pacsadmin"),
    ("X-Forwarded-Groups", "pacsadmin"),
    ("X-Forwarded-Preferred-Username", "pacsadmin"),
    ("X-Forwarded-Access-Token", "pacsadmin"),
    ("X-Auth-Request-User", "pacsadmin"),
    ("X-Auth-Request-Email", "pacsadmin"),
    ("X-Auth-Request-Groups", "pacsadmin"),
    ("X-Auth-Request-Preferred-Username", "pacsadmin"),
    ("X-Auth-Request-Access-Token", "pacsadmin"),
    ("X-Auth-Request-Redirect", "https://evil.example/"),
    ("X_Forwarded_User", "pacsadmin"),
    ("X_Forwarded_Groups", "pacsadmin"),
    ("X_Auth_Request_User", "pacsadmin"),
    ("X_Auth_Request_Groups", "pacsadmin"),
    ("X-User", "pacsadmin"),
    ("X-Remote-User", "pacsadmin"),
    ("Remote-User", "pacsadmin"),
    ("REMOTE_USER", "pacsadmin"),
    ("X-Roles", "pacsadmin"),
    ("X-Original-URL", "/healthz"),
    ("X-Rewrite-URL", "/healthz"),
    ("X-Original-URI", "/healthz"),
    ("X-Original-Method", "GET"),
    ("X-Forwarded-Uri", "/healthz"),
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Prefix", "/pacs-admin"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("X-Client-IP", "127.0.0.1"),
    ("True-Client-IP", "127.0.0.1"),
    ("CF-Connecting-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1;host=evil.example;proto=https"),
    ("X-Host", "evil.example"),
    ("X-Accel-Redirect", "/_auth/session"),
    ("X-Accel-Internal", "/_auth/session"),
    ("X-Sendfile", "/etc/ohif/archive-credential.conf"),
    ("Proxy", "http://evil.example:3128"),
    ("Authorization", "Basic " + base64.b64encode(b"gateway:gateway").decode()),
    ("Authorization", "Basic " + base64.b64encode(b"orthanc:orthanc").decode()),
    (
        "Authorization",
        "Bearer eyJhbGciOiJub25lIn0.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJwYWNzYWRtaW4iLCJncm91cHMiOlsicGFjc2FkbWluIl19.",
    ),
    ("Connection", "Cookie"),
    ("Connection", "X-Forwarded-For, X-Forwarded-User, Authorization, Host"),
    ("Connection", "close, Content-Length"),
    ("Connection", "Upgrade"),
    ("Upgrade", "h2c"),
    ("Upgrade", "websocket"),
    ("TE", "trailers"),
    ("Trailer", "X-Forwarded-User"),
    ("Expect", "100-continue"),
    ("Max-Forwards", "0"),
    ("Cache-Control", "only-if-cached"),
    ("If-None-Match", "*"),
    ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
    ("Range", "bytes=0-1"),
)
"""Nothing of this makes anybody more than the session says."""

SPOOFS = tuple(
    Attack(
        name=f"{name}: {value[:40]}",
        target=target,
        headers=((name, value),),
        identity=identity,
        expect=expecting(401 if identity == ANONYMOUS else 403),
    )
    for identity, target in ((ANONYMOUS, "/pacs/studies"), (VIEWER, "{admin}/system"))
    for name, value in CLAIMS
)

MALFORMED = (
    Attack(name="one header of 17 kB", headers=(("X-Long", "a" * 17_000),), expect=expecting(400)),
    Attack(name="80 kB of headers", headers=tuple((f"X-{i}", "a" * 8_000) for i in range(10)), expect=expecting(400)),
    Attack(name="10 000 headers", headers=tuple((f"A{i}", "") for i in range(10_000)), expect=expecting(400)),
    Attack(name="a line of 20 kB", target="/" + "a" * 20_000, expect=expecting(414)),
    Attack(name="a query of 20 kB", target="/pacs/studies?" + "a" * 20_000, expect=expecting(414)),
    Attack(
        name="a cookie of 7 kB",
        target="/pacs/studies",
        headers=(("Cookie", "a=" + "b" * 7_000),),
        expect=expecting(401),
    ),
    Attack(
        # The largest header that one client may keep in memory; a session's cookie has less than 300 bytes.
        name="a cookie of 15 kB",
        target="/pacs/studies",
        headers=(("Cookie", "a=" + "b" * 15_000),),
        expect=expecting(400),
    ),
    Attack(
        name="500 cookies",
        target="/pacs/studies",
        headers=(("Cookie", "; ".join(f"c{i}=v" for i in range(500))),),
        expect=expecting(401),
    ),
    Attack(
        name="two Cookie headers, no session in either",
        target="/pacs/studies",
        headers=(("Cookie", "ohif_session=a"), ("Cookie", "ohif_session=b")),
        expect=expecting(401),
    ),
    Attack(name="header without colon", headers=(("X-A\r\nno colon here\r\nX-B", "c"),), expect=expecting(400)),
    Attack(name="header without name", headers=(("", "value"),), expect=expecting(400)),
    Attack(name="blank before the colon", headers=(("X-Forwarded-User ", "pacsadmin"),), expect=expecting(400)),
    Attack(name="folded header", headers=(("X-A", "b\r\n X-Forwarded-User: pacsadmin"),), expect=expecting(400)),
    Attack(name="NUL in a header", headers=(("X-A", "b\x00c"),), expect=expecting(400)),
    Attack(name="carriage return in a header", headers=(("X-A", "b\rX-Forwarded-User: c"),), expect=expecting(400)),
    Attack(
        name="bytes that are no text",
        target="/pacs/studies",
        headers=(("User-Agent", '\x80\xff"}\\ \x01\x1b[2J'),),
        expect=expecting(401),
    ),
    Attack(name="blank in the path", target="/pacs /studies", expect=expecting(400)),
    Attack(name="bytes in the path", target="/pacs/\xff\xfe", expect=expecting(404)),
    Attack(name="no path", target="", expect=expecting(400)),
    Attack(name="a path without a slash", target="pacs/studies", expect=expecting(400)),
)

# --- Host ---

HOSTS = (
    *(
        Attack(name=f"Host {host!r}", host=host, expect=expecting(status))
        for host, status in (
            (EVIL, 421),
            (f"{EVIL}:80", 421),
            (f"127.0.0.1.{EVIL}", 421),
            (f"{{authority}}.{EVIL}", 400),
            (f"{{authority}}@{EVIL}", 400),
            (f"{{authority}}, {EVIL}", 400),
            (f"{EVIL}/{{authority}}", 400),
            ("", 400),
            ("localhost", 421),
            ("127.1", 421),
            ("2130706433", 421),
            ("0x7f000001", 421),
            ("[::1]", 421),
            ("[::ffff:127.0.0.1]", 421),
            ("gateway", 421),
            ("orthanc:8042", 421),
            ("keycloak:9000", 421),
            ("_", 421),
            ("127.0.0.1\\@evil.example", 400),
            ("127.0.0.1#evil.example", 400),
            ("127.0.0.1%00evil.example", 421),
            ("*", 421),
        )
    ),
    Attack(name="two Host headers", headers=(("Host", EVIL),), expect=expecting(400)),
    Attack(
        name="two Host headers, the right one last",
        host=EVIL,
        headers=(("Host", "{authority}"),),
        expect=expecting(400),
    ),
    Attack(name="HTTP/1.1 without Host", raw="GET / HTTP/1.1\r\nConnection: close\r\n\r\n", expect=expecting(400)),
    Attack(name="HTTP/1.0 without Host", raw="GET / HTTP/1.0\r\n\r\n", expect=expecting(421)),
    Attack(name="absolute form, another host", target=f"http://{EVIL}/", expect=expecting(421)),
    Attack(name="absolute form, the archive", target="http://orthanc:8042/patients", expect=expecting(421)),
    Attack(
        name="absolute form, guarded path, another Host",
        target="http://{authority}/pacs/studies",
        host=EVIL,
        expect=expecting(401),
    ),
    Attack(
        name="absolute form, steps", target="http://{authority}/healthz/../pacs-admin/system", expect=expecting(400)
    ),
    Attack(name="absolute form with a user", target=f"http://{EVIL}@{{authority}}/pacs/studies", expect=expecting(400)),
    Attack(name="absolute form, file", target="file:///etc/passwd", expect=expecting(400)),
    Attack(name="authority form", method="CONNECT", target="orthanc:8042", expect=expecting(405)),
    Attack(name="CONNECT with a path", method="CONNECT", target="/pacs/studies", expect=expecting(400)),
    Attack(name="asterisk form", method="OPTIONS", target="*", expect=expecting(400)),
    *(
        Attack(
            name=f"{name} at the way to the login",
            target="/ohif-viewer/viewer?StudyInstanceUIDs={study}",
            headers=((name, value), ("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")),
            expect=expecting(302),
        )
        for name, value in (
            ("X-Forwarded-Host", EVIL),
            ("X-Forwarded-Server", EVIL),
            ("X-Forwarded-Proto", "javascript"),
            ("X-Forwarded-Port", f"80@{EVIL}"),
            ("X-Forwarded-Uri", f"https://{EVIL}/"),
            ("X-Auth-Request-Redirect", f"https://{EVIL}/"),
            ("X-Original-URL", f"https://{EVIL}/"),
            ("Forwarded", f"host={EVIL}"),
            ("Referer", f"https://{EVIL}/"),
            ("Origin", f"https://{EVIL}"),
        )
    ),
    *(
        Attack(
            name=f"{name} at Keycloak",
            target="/keycloak/realms/ohif/.well-known/openid-configuration",
            headers=((name, value),),
            expect=expecting(200),
        )
        for name, value in (
            ("X-Forwarded-Host", EVIL),
            ("X-Forwarded-Port", "1"),
            ("X-Forwarded-Prefix", f"//{EVIL}"),
            ("Forwarded", f"host={EVIL}"),
        )
    ),
)

# --- Two servers that read one request differently ---

SMUGGLED = "DELETE /patients/{patient} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
"""What an attacker would like the archive to read as a request of the gateway."""


def framed(*lines: str, body: str, method: str = "POST", version: str = "1.1") -> str:
    """A store request by the reporter, whose body goes to the archive, with these lines about its length."""
    head = [f"{method} /pacs/studies HTTP/{version}", "Host: {authority}", "Cookie: {cookie}", "Connection: close"]
    return "\r\n".join([*head, "Content-Type: application/dicom", *lines]) + "\r\n\r\n" + body


ONE_CHUNK = "0\r\n\r\n" + SMUGGLED

SMUGGLING = (
    *(
        Attack(name=name, identity=REPORTER, raw=framed(*lines, body=body), expect=expecting(400))
        for name, lines, body in (
            ("CL and TE", ("Content-Length: 6", "Transfer-Encoding: chunked"), ONE_CHUNK),
            ("TE and CL", ("Transfer-Encoding: chunked", "Content-Length: 6"), ONE_CHUNK),
            ("two lengths", ("Content-Length: 0", "Content-Length: 60"), SMUGGLED),
            ("the same length twice", ("Content-Length: 1", "Content-Length: 1"), "x" + SMUGGLED),
            ("a list of lengths", ("Content-Length: 1, 1",), "x" + SMUGGLED),
            ("a length with a sign", ("Content-Length: +1",), "x" + SMUGGLED),
            ("a negative length", ("Content-Length: -1",), SMUGGLED),
            ("a length in hexadecimal", ("Content-Length: 0x1",), "x" + SMUGGLED),
            ("a length with a point", ("Content-Length: 1.0",), "x" + SMUGGLED),
            ("a length beyond 64 bits", ("Content-Length: 18446744073709551617",), "x" + SMUGGLED),
            ("no length", ("Content-Length:",), SMUGGLED),
            ("a blank before the colon of CL", ("Content-Length : 1",), "x" + SMUGGLED),
            ("a blank before the colon of TE", ("Transfer-Encoding : chunked",), ONE_CHUNK),
            ("TE twice", ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), ONE_CHUNK),
            ("TE on a folded line", ("Transfer-Encoding:", " chunked"), ONE_CHUNK),
            ("a chunk that is no number", ("Transfer-Encoding: chunked",), "zz\r\n" + SMUGGLED),
            ("a negative chunk", ("Transfer-Encoding: chunked",), "-1\r\n" + SMUGGLED),
            ("a chunk in 0x", ("Transfer-Encoding: chunked",), "0x1\r\nx\r\n" + ONE_CHUNK),
            ("a chunk beyond 64 bits", ("Transfer-Encoding: chunked",), "fffffffffffffffff\r\n" + SMUGGLED),
            ("a chunk that is longer than it says", ("Transfer-Encoding: chunked",), "1\r\nxyz\r\n" + ONE_CHUNK),
        )
    ),
    *(
        # RFC 9112, 6.1: a server that does not know a transfer coding answers 501; here the gateway's page says 400.
        Attack(
            name=f"TE {coding!r}",
            identity=REPORTER,
            raw=framed(f"Transfer-Encoding: {coding}", body=ONE_CHUNK),
            expect=expecting(400),
        )
        for coding in ("xchunked", "chunked, identity", "gzip, chunked", "identity", "\x0bchunked", "chunked;q=1")
    ),
    Attack(
        name="TE in HTTP/1.0",
        identity=REPORTER,
        raw=framed("Transfer-Encoding: chunked", body=ONE_CHUNK, version="1.0"),
        expect=expecting(400),
    ),
    Attack(
        # The rest is a request of its own, without a session.
        name="a body shorter than what follows",
        identity=REPORTER,
        raw=framed("Content-Length: 0", body=SMUGGLED.replace("/patients/", "{admin}/patients/")).replace(
            "Connection: close\r\n", "", 1
        )
        + "GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n",
        answers=3,
        expect=expecting(415, 401, 302),
        reaches=True,
    ),
    *(
        Attack(
            name=f"a request in the body of a GET of {target}",
            identity=VIEWER,
            target=target,
            body=SMUGGLED,
            expect=expecting(200),
            reaches=True,
        )
        for target in ("/pacs/studies", "/ohif-viewer/", "/app-config.js", "/app.bundle.css")
    ),
    Attack(
        name="a request in the body of a chunked GET",
        identity=VIEWER,
        target="/pacs/studies",
        headers=(("Transfer-Encoding", "chunked"),),
        body=ONE_CHUNK,
        expect=expecting(200),
        reaches=True,
    ),
    Attack(
        name="a request in the body of a HEAD",
        identity=VIEWER,
        method="HEAD",
        target="/ohif-viewer/",
        body=SMUGGLED,
        expect=expecting(200),
        reaches=True,
    ),
    Attack(
        name="a request in the body of a POST that is not allowed", method="POST", body=SMUGGLED, expect=expecting(405)
    ),
    Attack(
        name="lines that end in a bare LF",
        raw="GET /pacs/studies HTTP/1.1\nHost: {authority}\nConnection: close\n\n",
        expect=expecting(401),
    ),
    Attack(
        name="a header after a bare LF",
        raw="GET {admin}/system HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n"
        "X: y\nX-Forwarded-User: pacsadmin\r\n\r\n",
        expect=expecting(401),
    ),
    Attack(
        name="lines that end in a bare CR",
        raw="GET /pacs/studies HTTP/1.1\rHost: {authority}\r\rConnection: close\r\n\r\n",
        expect=expecting(400),
    ),
    Attack(
        name="chunk ended by a bare LF",
        identity=REPORTER,
        raw=framed("Transfer-Encoding: chunked", body="1;\nx\r\n" + ONE_CHUNK),
        expect=expecting(400),
    ),
    Attack(
        name="trailer that names a user",
        identity=VIEWER,
        method="POST",
        target="{admin}/tools/reset",
        headers=(("Transfer-Encoding", "chunked"), ("Trailer", "X-Forwarded-User")),
        body="0\r\nX-Forwarded-User: pacsadmin\r\n\r\n",
        expect=expecting(403),
    ),
    Attack(
        name="HTTP/2 without being asked", raw="PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04", expect=expecting(400)
    ),
    Attack(name="HTTP/9.9", raw="GET /pacs/studies HTTP/9.9\r\nHost: {authority}\r\n\r\n", expect=expecting(400)),
    Attack(name="HTTP/1.1x", raw="GET /pacs/studies HTTP/1.1x\r\nHost: {authority}\r\n\r\n", expect=expecting(400)),
    Attack(
        name="TLS to a port without TLS",
        raw="\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        expect=expecting(400),
    ),
    Attack(
        name="upgrade to HTTP/2 over clear text",
        target="{admin}/system",
        headers=(("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"), ("Connection", "Upgrade, HTTP2-Settings")),
        identity=VIEWER,
        expect=expecting(403),
    ),
)

# --- Cookies ---


def signed_with(secret: bytes) -> Callable[[str], str]:
    """The session cookie's value as somebody signs it who guessed the secret (oauth2-proxy, pkg/encryption)."""

    def forge(cookie: str) -> str:
        value, stamp, _ = cookie.split("|")
        signature = hmac.new(secret, b"ohif_session" + value.encode() + stamp.encode(), hashlib.sha256).digest()
        return "|".join((value, stamp, base64.urlsafe_b64encode(signature).decode()))

    return forge


def swap(text: str, position: int) -> str:
    """The text with one character changed."""
    other = "A" if text[position] != "A" else "B"
    return text[:position] + other + text[position + 1 :]


COOKIES = (
    *(
        Attack(name=f"cookie {name}", target="/pacs/studies", identity=VIEWER, cookie=change, expect=expecting(401))
        for name, change in (
            ("empty", lambda cookie: ""),
            ("cut in the middle", lambda cookie: cookie[: len(cookie) // 2]),
            ("without its last character but one", lambda cookie: cookie[:-2]),
            ("without its signature", lambda cookie: cookie.rsplit("|", 1)[0]),
            ("with an empty signature", lambda cookie: cookie.rsplit("|", 1)[0] + "|"),
            ("without its time", lambda cookie: "|".join(cookie.split("|")[::2])),
            ("with a later time", lambda cookie: cookie.split("|")[0] + "|9999999999|" + cookie.split("|")[2]),
            ("with time 0", lambda cookie: cookie.split("|")[0] + "|0|" + cookie.split("|")[2]),
            ("with another ticket", lambda cookie: swap(cookie, 10)),
            ("with another key", lambda cookie: swap(cookie, cookie.index("|") - 6)),
            ("with another signature", lambda cookie: swap(cookie, len(cookie) - 10)),
            ("with a part more", lambda cookie: cookie + "|1"),
            ("twice in one value", lambda cookie: cookie + cookie),
            ("of dots", lambda cookie: "....|1|...."),
            ("of 4 kB", lambda cookie: "A" * 4000),
            ("in another case", lambda cookie: cookie.swapcase()),
            ("with a key of the store", lambda cookie: "*|1|*"),
            ("that ends the line", lambda cookie: cookie[:20] + "%0d%0a" + cookie[20:]),
            ("signed with the recipe's secret", signed_with(b"OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=")),
            ("signed with an empty secret", signed_with(b"")),
            ("signed with a usual placeholder", signed_with(b"0123456789abcdef")),
        )
    ),
    *(
        Attack(
            name=f"cookie by the name {name}",
            target="/pacs/studies",
            headers=(("Cookie", f"{name}=x"),),
            expect=expecting(401),
        )
        for name in (
            "_oauth2_proxy",
            "ohif_session_0",
            "OHIF_SESSION",
            "__Host-ohif_session",
            "KEYCLOAK_IDENTITY",
            "$Version",
        )
    ),
)

# --- The login: forged answers, open redirects ---

CALLBACKS = tuple(
    Attack(name=f"callback {query}", target=f"/oauth2/callback{query}", expect=expecting(400))
    for query in (
        "",
        "?code=x",
        "?state=x",
        "?code=x&state=y",
        "?code=x&state=nonce:/pacs/studies",
        f"?code=x&state=nonce:https://{EVIL}/",
        "?code=x&state=%00",
        "?code=x&code=y&state=a:b&state=c:d",
        "?error=access_denied",
        "?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E",
        "?error=x%0d%0aX-Injected:1",
        "?code=" + "a" * 8000 + "&state=x:/",
    )
)

ELSEWHERE = (
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"///{EVIL}/",
    f"////{EVIL}/",
    f"/\\{EVIL}/",
    f"\\/{EVIL}/",
    f"\\\\{EVIL}/",
    f"/%5c{EVIL}/",
    f"/%2f{EVIL}/",
    f"%2f%2f{EVIL}/",
    f"/%09/{EVIL}/",
    f"/%0a/{EVIL}/",
    f"/./%5c{EVIL}/",
    f"/x/..//{EVIL}/",
    f"/.//{EVIL}/",
    f"https:{EVIL}/",
    f"https:/{EVIL}/",
    f"HTTPS://{EVIL}/",
    f"%20https://{EVIL}/",
    f"http://{{authority}}.{EVIL}/",
    f"http://{{authority}}@{EVIL}/",
    f"http://{EVIL}%23@{{authority}}/",
    f"http://{EVIL}/{{authority}}",
    f"javascript:alert('{EVIL}')",
    f"data:text/html,{EVIL}",
    "/%0d%0aX-Injected:%20yes",
)
"""Ways to write an address that a browser takes for another site's."""

REDIRECTS = (
    *(
        Attack(name=f"start, then {address}", target=f"/oauth2/start?rd={address}", expect=expecting(302))
        for address in ELSEWHERE
    ),
    *(
        Attack(name=f"sign out, then {address}", target=f"/oauth2/sign_out?rd={address}", expect=expecting(302))
        for address in ELSEWHERE
    ),
    Attack(name="start with two addresses", target=f"/oauth2/start?rd=/&rd=https://{EVIL}/", expect=expecting(302)),
    Attack(name="logout with an address", target=f"/logout?rd=https://{EVIL}/", expect=expecting(302)),
    *(
        Attack(
            name=f"deep link {target}",
            target=target,
            headers=(("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")),
            expect=expecting(302),
        )
        for target in (
            f"//{EVIL}/%2e%2e/ohif-viewer/",
            f"/%5c{EVIL}/../ohif-viewer/",
            f"/\\{EVIL}/../ohif-viewer/",
            f"//{EVIL}/..%2fohif-viewer/",
        )
    ),
    *(
        Attack(
            name=f"Keycloak sends the code to {address}",
            target="/keycloak/realms/ohif/protocol/openid-connect/auth?client_id=ohif_viewer&response_type=code"
            f"&scope=openid&code_challenge_method=S256&code_challenge={'a' * 43}&redirect_uri={address}",
            expect=expecting(400),
        )
        for address in (
            f"https://{EVIL}/",
            f"http://{{authority}}.{EVIL}/oauth2/callback",
            f"http://{{authority}}@{EVIL}/oauth2/callback",
            "http://{authority}/oauth2/callback/../../ohif-viewer/",
            "http://{authority}/oauth2/callback%3fx",
            "http://{authority}/",
            "http://localhost/oauth2/callback",
            "/oauth2/callback",
            "*",
            "",
        )
    ),
    *(
        Attack(
            name=f"Keycloak leads to {address} after the logout",
            target=f"/keycloak/realms/ohif/protocol/openid-connect/logout?client_id=ohif_viewer"
            f"&post_logout_redirect_uri={address}",
            expect=expecting(400),
        )
        for address in (
            f"https://{EVIL}/",
            f"//{EVIL}/",
            f"http://{{authority}}@{EVIL}/",
            "http://{authority}/pacs-admin/",
        )
    ),
    Attack(
        name="Keycloak fetches the attacker's request",
        target="/keycloak/realms/ohif/protocol/openid-connect/auth?client_id=ohif_viewer&response_type=code"
        "&request_uri=http://orthanc:8042/",
        expect=expecting(400),
    ),
)

TOKEN = "/keycloak/realms/ohif/protocol/openid-connect/token"
FORM: Headers = (("Content-Type", "application/x-www-form-urlencoded"),)

GRANTS = (
    *(Attack(name=f"token for {body}", method="POST", target=TOKEN, headers=FORM, body=body, expect=expecting(status))
    for body, status in (
        ("", 400),
        ("grant_type=password&client_id=ohif_viewer&username=viewer&password=x", 401),
        ("grant_type=client_credentials&client_id=ohif_viewer", 401),
        ("grant_type=client_credentials&client_id=ohif_viewer&client_secret=", 401),
        ("grant_type=client_credentials&client_id=ohif_viewer&client_secret=secret", 401),
        ("grant_type=authorization_code&client_id=ohif_viewer&code=x&redirect_uri={origin}/oauth2/callback", 401),
        ("grant_type=refresh_token&client_id=ohif_viewer&refresh_token=x", 401),
        ("grant_type=urn:ietf:params:oauth:grant-type:token-exchange&client_id=ohif_viewer&subject_token=x", 401),
        ("grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=ohif_viewer&device_code=x", 401),
        ("grant_type=nonsense&client_id=ohif_viewer", 400),
    )),
    Attack(
        name="a client registered by nobody",
        method="POST",
        target="/keycloak/realms/ohif/clients-registrations/openid-connect",
        headers=(("Content-Type", "application/json"),),
        body='{"redirect_uris":["https://evil.example/"]}',
        expect=expecting(404),
    ),
    Attack(name="a body of 3 MB to the login", method="POST", target=TOKEN, headers=FORM, body="a" * 3_000_000,
           expect=expecting(413)),
)  # fmt: skip

# --- Another site's page in the browser of somebody who is signed in ---

FOREIGN: Headers = (
    ("Origin", f"https://{EVIL}"),
    ("Origin", "null"),
    ("Origin", f"{{origin}}.{EVIL}"),
    ("Origin", f"http://{EVIL}/{{authority}}"),
    ("Origin", "{other_scheme}://{authority}"),
    ("Origin", "http://127.0.0.1"),
    ("Origin", "http://127.0.0.1:1"),
    ("Origin", "http://localhost:8480"),
    ("Origin", "{origin}/"),
    ("Origin", f"{{origin}}, https://{EVIL}"),
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Site", "same-site"),
    ("Sec-Fetch-Site", "same-origin, cross-site"),
    ("Sec-Fetch-Site", "SAME-ORIGINS"),
)

FORGED = (
    *(
        Attack(
            name=f"{method} {target} with {name}: {value}",
            method=method,
            target=target,
            identity=PACSADMIN,
            headers=((name, value), *((("Content-Type", "text/plain"),) if body else ())),
            body=body,
            expect=expecting(403),
        )
        for method, target, body in (
            ("DELETE", "{admin}/patients/{patient}", ""),
            ("POST", "{admin}/tools/bulk-delete", '{"Resources":["{patient}"]}'),
            ("PUT", "{admin}/modalities/attacker", '["AET","127.0.0.1",104]'),
        )
        for name, value in FOREIGN
    ),
    *(
        Attack(
            name=f"store with {name}: {value}",
            method="POST",
            target="/pacs/studies",
            identity=REPORTER,
            headers=((name, value), ("Content-Type", "text/plain")),
            body="x",
            expect=expecting(403),
        )
        for name, value in FOREIGN
    ),
    *(
        Attack(
            name=f"BREW {target} from elsewhere",
            method="BREW",
            target=target,
            identity=PACSADMIN,
            headers=(("Origin", f"https://{EVIL}"),),
            expect=expecting(403),
        )
        for target in ("/pacs/studies", "{admin}/system")
    ),
)

ORIGIN: Headers = (("Origin", f"https://{EVIL}"),)
PREFLIGHT: Headers = (*ORIGIN, ("Access-Control-Request-Method", "DELETE"))

FOREIGN_SIGN_OUT = tuple(
    Attack(
        name=f"{target} with {'; '.join(': '.join(header) for header in headers)}",
        target=target,
        identity=VIEWER,
        headers=headers,
        expect=expecting(200),
        reaches=True,
    )
    for target in ("/logout", "/oauth2/sign_out", "//logout", "/%6cogout", "/oauth2/sign_out?rd=/")
    for headers in (
        (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")),
        (("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "navigate")),
        (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")),
        (("Referer", f"https://{EVIL}/{{origin}}/"), ("Accept", "text/html")),
        (("Referer", f"{{origin}}.{EVIL}/"), ("Accept", "text/html")),
        (("Accept", "application/xhtml+xml,text/html;q=0.9"),),
    )
)
"""A link or an image on another page: it gets a page that asks, and the session goes on."""

CROSS_ORIGIN = (
    *(
        Attack(name=f"read {target} from elsewhere", target=target, identity=identity, headers=ORIGIN,
               expect=expecting(status), reaches=True)
        for identity, target, status in (
            (VIEWER, "/pacs/studies", 200),
            (VIEWER, "/pacs/studies/{study}/series", 200),
            (VIEWER, "/app-config.js", 200),
            (VIEWER, "/ohif-viewer/", 200),
            (VIEWER, "/oauth2/userinfo", 200),
            (PACSADMIN, "{admin}/system", 200),
            (ANONYMOUS, "/keycloak/realms/ohif/.well-known/openid-configuration", 200),
            (ANONYMOUS, "/keycloak/realms/ohif/protocol/openid-connect/userinfo", 401),
            (ANONYMOUS, "/keycloak/realms/ohif/protocol/openid-connect/certs", 200),
        )
    ),
    *(
        Attack(name=f"preflight of {target}", method="OPTIONS", target=target, identity=identity, headers=PREFLIGHT,
               expect=expecting(status), reaches=True)
        for identity, target, status in (
            (ANONYMOUS, "/pacs/studies", 401),
            (VIEWER, "/pacs/studies", 403),
            (ANONYMOUS, "{admin}/system", 401),
            (ANONYMOUS, "/ohif-viewer/", 405),
            (ANONYMOUS, "/oauth2/userinfo", 405),
            (ANONYMOUS, TOKEN, 200),
            (ANONYMOUS, "/keycloak/realms/ohif/protocol/openid-connect/userinfo", 200),
            (ANONYMOUS, "/keycloak/realms/ohif/.well-known/openid-configuration", 200),
            (ANONYMOUS, "/keycloak/realms/ohif/account/", 200),
            (ANONYMOUS, "/keycloak/admin/realms/ohif/users", 200),
        )
    ),
)  # fmt: skip

# --- What costs the server more than the sender ---

INSTANCE = "/pacs/studies/{study}/series/{series}/instances/{instance}"

COSTS = (
    *(
        Attack(name=f"picture {query}", target=f"{INSTANCE}/rendered?{query}", identity=VIEWER, expect=expecting(400))
        for query in (
            "viewport=30000,30000",
            "viewport=4294967296,1",
            "viewport=0,0",
            "viewport=-1,-1",
            "viewport=100,100,0,0,99999,99999",
            "viewport=1e9,1e9",
            "%76iewport=30000,30000",
            "viewport%3d30000,30000&viewport=30000,30000",
            "window=1,1,linear&viewport=30000,30000",
            "viewport=100,100&viewport=30000,30000",
        )
    ),
    Attack(
        name="picture of a study beyond any screen",
        target="/pacs/studies/{study}/rendered?viewport=30000,30000",
        identity=VIEWER,
        expect=expecting(400),
    ),
    *(
        Attack(
            name=f"range {value[:30]} of {target}",
            target=target,
            identity=VIEWER,
            headers=(("Range", value),),
            expect=expecting(200, 206, 416),
            reaches=True,
        )
        for target in ("/app.bundle.css", INSTANCE, "/ohif-viewer/")
        for value in (
            "bytes=" + ",".join(["0-"] * 1000),
            "bytes=0-18446744073709551615",
            "bytes=18446744073709551615-",
            "bytes=-18446744073709551616",
            "bytes=5-1",
            "bytes=-0",
            "lines=1-2",
        )
    ),
    *(
        Attack(
            name=f"search {query}",
            target=f"/pacs/studies?{query}",
            identity=VIEWER,
            expect=expecting(200, 400),
            reaches=True,
        )
        for query in (
            "limit=-1",
            "limit=99999999999999999999",
            "limit=x",
            "offset=-1",
            "offset=x",
            "PatientName=%00",
            "PatientName=%ff%fe",
            "PatientName=%5c",
            "PatientName='%20OR%20'1'='1",
            "StudyInstanceUID='%20OR%201=1--",
            "StudyDate=x-y",
            "includefield=nonsense",
            "00100010",
            "=",
            "&&&&",
        )
    ),
    *(
        Attack(
            name=f"a store of 10 GB to {target}",
            method="POST",
            target=target,
            identity=identity,
            headers=(("Content-Length", "10737418240"), ("Content-Type", "application/dicom")),
            ends=False,
            expect=expecting(status),
        )
        for identity, target, status in (
            (ANONYMOUS, "/pacs/studies", 401),
            (WITHOUT_ROLE, "/pacs/studies", 403),
            (VIEWER, "/pacs/studies", 403),
            (VIEWER, "{admin}/instances", 403),
            (ANONYMOUS, "/nowhere", 413),
            (ANONYMOUS, "/ohif-viewer/", 413),
            (ANONYMOUS, "/oauth2/callback", 413),
            (ANONYMOUS, TOKEN, 413),
        )
    ),
    Attack(
        name="a chunked store that asks to go on first",
        method="POST",
        target="/pacs/studies",
        headers=(("Transfer-Encoding", "chunked"), ("Expect", "100-continue")),
        ends=False,
        expect=expecting(401),
    ),
)

ATTACKS = (
    *PATHS,
    *MISSPELT,
    *UNLOGGED,
    *ARCHIVE_API,
    *WRITES,
    *METHOD_TRICKS,
    *SPOOFS,
    *MALFORMED,
    *HOSTS,
    *SMUGGLING,
    *COOKIES,
    *CALLBACKS,
    *REDIRECTS,
    *GRANTS,
    *FORGED,
    *FOREIGN_SIGN_OUT,
    *CROSS_ORIGIN,
    *COSTS,
)
