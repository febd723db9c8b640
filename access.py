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

from public_paths import (
    A_SHARE,
    A_SHARE_ID,
    A_STUDY,
    AUTH_PROXY_PATH,
    DICOMWEB_PATH,
    DICOMWEB_READ,
    DOWNLOAD_PATH,
    END,
    FREE_TEXT,
    KEYCLOAK_PATH,
    LINK_PATH,
    SHARE_ID,
    SHARED_PATH,
    SHARES_PATH,
    UID,
    VIEWER_PATH,
)
from route import (
    SHARER,
    Access,
    Anyone,
    ArchiveRoot,
    FromAdminNetworks,
    Handler,
    Role,
    Route,
    Rule,
    SignedIn,
    WithShareLink,
)

ANY_ROLE = SignedIn(frozenset(Role))
STORES = SignedIn(frozenset({Role.REPORTER, Role.PACSADMIN}))
ADMINISTERS = SignedIn(frozenset({Role.PACSADMIN}))
SHARES = SignedIn(frozenset({SHARER, Role.PACSADMIN}))

READ = frozenset({"GET", "HEAD"})
POST = frozenset({"POST"})


def routes(
    archive_roots: Sequence[ArchiveRoot],
    download_roles: frozenset[Role] = frozenset(),
    share_readers: Access | None = None,
) -> tuple[Route, ...]:
    """The table, in the order in which it is tried, with the archive's own parts as that archive has them.

    `share_readers`: who may open share links; `None`: there are none.
    """
    downloads = Route(
        name="download",
        path=rf"^{DOWNLOAD_PATH}/{UID}\.zip{END}",
        rules=(Rule(READ, SignedIn(download_roles)),),
        handler=Handler.DOWNLOAD,
        example=f"{DOWNLOAD_PATH}/{A_STUDY}.zip",
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
            path=rf"^/_gateway/[\w-]+\.(?:css|js){END}",
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
            path=rf"^{KEYCLOAK_PATH}/(?:admin|realms/master)(?:/{FREE_TEXT})?{END}",
            rules=(Rule(None, FromAdminNetworks()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/realms/master/.well-known/openid-configuration",
        ),
        Route(
            name="keycloak-realm",
            # The program creates the clients. Registration by others costs Keycloak a DNS lookup, which takes ten
            # seconds on a network without outbound access.
            path=rf"^{KEYCLOAK_PATH}/realms/ohif(?!/clients-registrations)(?:/{FREE_TEXT})?{END}",
            rules=(Rule(None, Anyone()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/realms/ohif/.well-known/openid-configuration",
        ),
        Route(
            name="keycloak-resources",
            path=rf"^{KEYCLOAK_PATH}/resources/{FREE_TEXT}{END}",
            rules=(Rule(READ, Anyone()),),
            handler=Handler.KEYCLOAK,
            example=f"{KEYCLOAK_PATH}/resources/ohif",
        ),
        Route(
            name="dicomweb-store",
            path=rf"^{DICOMWEB_PATH}/studies(?:/{UID})?{END}",
            rules=(
                Rule(READ, ANY_ROLE),
                Rule(POST, STORES),
                Rule(None, ADMINISTERS),
            ),
            handler=Handler.DICOMWEB,
            example=f"{DICOMWEB_PATH}/studies",
        ),
        Route(
            name="dicomweb",
            path=rf"^{DICOMWEB_PATH}/{DICOMWEB_READ}{END}",
            rules=(Rule(READ, ANY_ROLE), Rule(None, ADMINISTERS)),
            handler=Handler.DICOMWEB,
            example=f"{DICOMWEB_PATH}/studies/{A_STUDY}/series",
        ),
        *([downloads] if download_roles else []),
        *(shares(share_readers) if share_readers else []),
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
            # OHIF's own, the same everywhere: who opens a share link without a login needs them too.
            rules=(Rule(READ, Anyone() if isinstance(share_readers, WithShareLink) else ANY_ROLE),),
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


def shares(readers: Access) -> tuple[Route, ...]:
    """The rows for share links. The archive's scripts look at each secret themselves in any case."""
    share = f"{SHARED_PATH}/{SHARE_ID}"
    of_studies = f"{SHARES_PATH}/studies"
    rows: Sequence[tuple[str, Handler, str, str, Rule]] = (
        ("share-list", Handler.SHARE_LIST, SHARES_PATH, SHARES_PATH, Rule(READ, SHARES)),
        ("shares", Handler.SHARES, f"{SHARES_PATH}/list", f"{SHARES_PATH}/list", Rule(READ, SHARES)),
        ("share-making", Handler.SHARES, f"{of_studies}/{UID}", f"{of_studies}/{A_STUDY}", Rule(POST, SHARES)),
        (
            "share-revoking",
            Handler.SHARES,
            f"{SHARES_PATH}/{SHARE_ID}/revoke",
            f"{SHARES_PATH}/{A_SHARE_ID}/revoke",
            Rule(POST, SHARES),
        ),
        ("share-link", Handler.SHARE_LINK, share, A_SHARE, Rule(READ, Anyone())),
        ("share-opening", Handler.SHARE_OPENING, f"{share}/open", f"{A_SHARE}/open", Rule(POST, Anyone())),
        ("shared-study", Handler.SHARED_STUDY, f"{share}/study", f"{A_SHARE}/study", Rule(READ, readers)),
        ("shared-viewer", Handler.SHARED_VIEWER, f"{share}/viewer", f"{A_SHARE}/viewer", Rule(READ, readers)),
        (
            "shared-viewer-config",
            Handler.SHARED_VIEWER_CONFIG,
            rf"{share}/app-config\.js",
            f"{A_SHARE}/app-config.js",
            Rule(READ, readers),
        ),
        (
            "shared-dicomweb",
            Handler.SHARED_DICOMWEB,
            f"{share}{DICOMWEB_PATH}/{DICOMWEB_READ}",
            f"{A_SHARE}{DICOMWEB_PATH}/studies/{A_STUDY}",
            Rule(READ, readers),
        ),
    )
    return tuple(
        Route(name=name, path=rf"^{path}{END}", rules=(rule,), handler=handler, example=example)
        for name, handler, path, example, rule in rows
    )
