"""The gateway's route table: the only place that decides who may reach what.

Closed by default: a path that no route matches is 404, a method that no rule of its route names is 405.
`Rule.access` has no default, so a route cannot be added without deciding who may use it.
The gateway's configuration is rendered from this table (components/gateway/nginx_config.py) and the contract tests are
generated from it, so neither can drift from it.

Paths are matched after the gateway has decoded and normalised them, and what was matched is what is sent
upstream. DICOMweb is matched by the resources that DICOM PS3.18 defines, not by a prefix: a prefix alone lets
a viewer reach the archive's own API (`/pacs/..%5cpatients/…` deletes a patient on Orthanc).
"""

from collections.abc import Sequence

from route import Anyone, ArchiveRoot, FromAdminNetworks, Handler, Role, Route, Rule, SignedIn

VIEWER_PATH = "/ohif-viewer"
"""OHIF's single page."""
DICOMWEB_PATH = "/pacs"
"""DICOMweb, whichever archive answers."""
ADMIN_PATH = "/pacs-admin"
"""The archive's own pages, whichever archive it is."""
DOWNLOAD_PATH = "/download"
"""Studies as ZIP files, by StudyInstanceUID."""
KEYCLOAK_PATH = "/keycloak"
"""Keycloak: the login pages of realm `ohif` and, from admin networks, its console."""
AUTH_PROXY_PATH = "/oauth2"
"""oauth2-proxy: start, callback and end of a login."""
LINK_PATH = "/_gateway/link"
"""Where a login returns to that began with a link which oauth2-proxy or Keycloak would not carry."""

ANY_ROLE = SignedIn(frozenset(Role))
STORES = SignedIn(frozenset({Role.REPORTER, Role.PACSADMIN}))
ADMINISTERS = SignedIn(frozenset({Role.PACSADMIN}))

READ = frozenset({"GET", "HEAD"})

UID = r"(?=[0-9.]{1,64}(?:/|\.zip|(?![\s\S])))[0-9]+(?:\.[0-9]+)*"
"""A DICOM unique identifier (PS3.5 section 9)."""

_TAG = r"[0-9A-Fa-f]{8}"
_BULK_DATA = rf"bulk(?:data)?/{_TAG}(?:/[1-9][0-9]{{0,5}}/{_TAG})*"
_FRAMES = r"frames/[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*(?:/(?:rendered|thumbnail))?"
_INSTANCE = rf"instances/{UID}(?:/(?:metadata|rendered|thumbnail|{_BULK_DATA}|{_FRAMES}))?"
_SERIES = rf"series/{UID}(?:/(?:metadata|rendered|thumbnail|instances|{_INSTANCE}))?"
_STUDY = rf"studies/{UID}(?:/(?:metadata|rendered|thumbnail|series|instances|{_SERIES}))?"
_DICOMWEB_READ = rf"(?:studies|series|instances|{_STUDY}|{_SERIES})"

END = r"(?![\s\S])"
"""The very end of a path: `$` would also match before a line break there."""

_A_STUDY = "1.2.826.0.1.3680043.8.498.1"
_FREE_TEXT = r"[\w.~@:+ /-]*"
"""Characters of Keycloak's paths: no `;`, `%` or backslash, which servers interpret differently."""


def routes(archive_roots: Sequence[ArchiveRoot], download_roles: frozenset[Role] = frozenset()) -> tuple[Route, ...]:
    """The table, in the order in which it is tried, with the archive's own parts as that archive has them."""
    downloads = Route(
        name="download",
        path=rf"^{DOWNLOAD_PATH}/{UID}\.zip{END}",
        rules=(Rule(READ, SignedIn(download_roles)),),
        handler=Handler.DOWNLOAD,
        example=f"{DOWNLOAD_PATH}/{_A_STUDY}.zip",
    )
    return (
        Route(
            name="home",
            path=rf"^/{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.HOME,
            example="/",
        ),
        Route(
            name="health",
            path=rf"^/healthz{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.HEALTH,
            example="/healthz",
        ),
        Route(
            name="pages",
            path=rf"^/_gateway/[\w-]+\.css{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.PAGES,
            example="/_gateway/pages.css",
        ),
        Route(
            name="logout",
            path=rf"^/logout{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.LOGOUT,
            example="/logout",
        ),
        Route(
            name="sign-in",
            path=rf"^{AUTH_PROXY_PATH}/(?:start|callback){END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.SIGN_IN,
            example=f"{AUTH_PROXY_PATH}/start",
        ),
        Route(
            name="followed-link",
            path=rf"^{LINK_PATH}/[0-9a-f]{{8}}{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.FOLLOWED_LINK,
            example=f"{LINK_PATH}/0123abcd",
        ),
        Route(
            name="session",
            path=rf"^{AUTH_PROXY_PATH}/userinfo{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.SESSION,
            example=f"{AUTH_PROXY_PATH}/userinfo",
        ),
        Route(
            name="sign-out",
            path=rf"^{AUTH_PROXY_PATH}/sign_out{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.SIGN_OUT,
            example=f"{AUTH_PROXY_PATH}/sign_out",
        ),
        Route(
            name="keycloak-console",
            path=rf"^{KEYCLOAK_PATH}/(?:admin|realms/master)(?:/{_FREE_TEXT})?{END}",
            rules=(Rule(None, FromAdminNetworks()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/realms/master/.well-known/openid-configuration",
        ),
        Route(
            name="keycloak-realm",
            # The program creates the clients. Registration by others costs Keycloak a DNS lookup, which takes ten
            # seconds on a network without outbound access.
            path=rf"^{KEYCLOAK_PATH}/realms/ohif(?!/clients-registrations)(?:/{_FREE_TEXT})?{END}",
            rules=(Rule(None, Anyone()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/realms/ohif/.well-known/openid-configuration",
        ),
        Route(
            name="keycloak-resources",
            path=rf"^{KEYCLOAK_PATH}/resources/{_FREE_TEXT}{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/resources/ohif",
        ),
        Route(
            name="dicomweb-store",
            path=rf"^{DICOMWEB_PATH}/studies(?:/{UID})?{END}",
            rules=(
                Rule(READ, ANY_ROLE),
                Rule(frozenset({"POST"}), STORES),
                Rule(None, ADMINISTERS),
            ),
            handler=Handler.DICOMWEB,
            example=f"{DICOMWEB_PATH}/studies",
        ),
        Route(
            name="dicomweb",
            path=rf"^{DICOMWEB_PATH}/{_DICOMWEB_READ}{END}",
            rules=(Rule(READ, ANY_ROLE), Rule(None, ADMINISTERS)),
            handler=Handler.DICOMWEB,
            example=f"{DICOMWEB_PATH}/studies/{_A_STUDY}/series",
        ),
        *([downloads] if download_roles else []),
        *(
            Route(
                name=root.route,
                path=rf"^{root.public}(?:/.*)?{END}",
                rules=(Rule(None, ADMINISTERS),),
                handler=Handler.ARCHIVE_PAGES if root.pages else Handler.ARCHIVE_ADMIN,
                example=root.example,
                archive_root=root,
            )
            for root in archive_roots
        ),
        Route(
            name="viewer-config",
            path=rf"^/app-config\.js{END}",
            rules=(Rule(READ, ANY_ROLE),),
            handler=Handler.VIEWER_CONFIG,
            example="/app-config.js",
        ),
        Route(
            name="viewer-assets",
            path=(
                r"^/(?:[\w.-]+\.(?:js|css|map|wasm|json|svg|woff2)"
                rf"|(?:assets|customizations|dicom-microscopy-viewer|ort)/[\w./@-]+){END}"
            ),
            rules=(Rule(READ, ANY_ROLE),),
            handler=Handler.VIEWER_ASSETS,
            example="/app.bundle.css",
        ),
        Route(
            name="viewer",
            path=rf"^{VIEWER_PATH}(?:/.*)?{END}",
            rules=(Rule(READ, ANY_ROLE),),
            handler=Handler.VIEWER_PAGE,
            example=f"{VIEWER_PATH}/",
        ),
    )
