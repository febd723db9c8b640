"""Content security policies of the gateway's answers, as data.

Source: W3C, "Content Security Policy Level 3". Each route has its own policy, because the viewer, the archive's pages
and stored objects need different things, and all share one origin with Keycloak's console.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from route import ArchiveRoot, Handler, Route

Policy = Mapping[str, Sequence[str]]
"""Directives with their sources. `$name` is a variable of nginx."""

NOTHING: Policy = {"default-src": ["'none'"], "frame-ancestors": ["'none'"]}
"""For answers that are no documents: data, style sheets, scripts."""

ERROR_PAGE: Policy = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "form-action": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}

OWN_PAGE: Policy = {**ERROR_PAGE, "script-src": ["'self'"], "connect-src": ["'self'"]}
"""For the gateway's own pages that do something."""

VIEWER_PAGE: Policy = {
    "default-src": ["'none'"],
    # OHIF's inline scripts change with its version, so each answer has a nonce.
    "script-src": ["'self'", "'nonce-$request_id'", "'wasm-unsafe-eval'"],
    "worker-src": ["'self'", "blob:"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:", "blob:"],
    "font-src": ["'self'", "data:"],
    "connect-src": ["'self'", "blob:", "data:"],
    "media-src": ["'self'", "blob:"],
    "frame-src": ["'self'", "blob:"],
    # OHIF shows an encapsulated PDF as an object.
    "object-src": ["'self'", "blob:"],
    "manifest-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'self'"],
    "frame-ancestors": ["'none'"],
}

VIEWER_WORKER: Policy = {
    "default-src": ["'none'"],
    # A script's own policy applies only where it runs as a worker. OHIF's decoders of compressed images create
    # functions from text (Emscripten's embind).
    "script-src": ["'self'", "'unsafe-eval'"],
    "worker-src": ["'self'", "blob:"],
    "connect-src": ["'self'", "blob:", "data:"],
    "frame-ancestors": ["'none'"],
}

STORED_OBJECT: Policy = {
    "default-src": ["'none'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'unsafe-inline'"],
    "form-action": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "$archive_sandbox": [],
}
"""For what is stored in the archive: it is shown, and no script of it runs."""

BY_HANDLER: Mapping[Handler, Policy] = {
    Handler.PAGES: NOTHING,
    Handler.DICOMWEB: NOTHING,
    Handler.DOWNLOAD: NOTHING,
    Handler.VIEWER_CONFIG: NOTHING,
    Handler.VIEWER_ASSETS: VIEWER_WORKER,
    Handler.VIEWER_PAGE: VIEWER_PAGE,
    Handler.ARCHIVE_ADMIN: STORED_OBJECT,
    Handler.SHARE_LIST: OWN_PAGE,
    Handler.SHARE_LINK: OWN_PAGE,
    Handler.SHARES: NOTHING,
    Handler.SHARED_STUDY: NOTHING,
    Handler.SHARED_VIEWER: VIEWER_PAGE,
    Handler.SHARED_VIEWER_CONFIG: NOTHING,
    Handler.SHARED_DICOMWEB: NOTHING,
}


def archive_pages(root: ArchiveRoot, archive_urls: Sequence[str]) -> Policy:
    """For the archive's own pages: a script that an attacker gets into them must not reach Keycloak's console.

    Scripts are loaded from files only, send requests to the archive only, and open no other page.
    """
    return {
        "default-src": ["'none'"],
        "script-src": script_sources(root),
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": archive_urls,
        "form-action": archive_urls,
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        "sandbox": ["allow-scripts", "allow-same-origin", "allow-forms", "allow-modals", "allow-downloads"],
    }


def script_sources(root: ArchiveRoot) -> Sequence[str]:
    """Scripts that may run in the archive's own pages."""
    sources = ["'self'"]
    if root.evaluates:
        sources.append("'unsafe-eval'")
    if root.handlers:
        digests = (hashlib.sha256(handler.encode()).digest() for handler in root.handlers)
        # Exactly these texts, as event handlers.
        sources += ["'unsafe-hashes'", *(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)]
    return sources


def policies(
    routes: Sequence[Route], archive_urls: Sequence[str], frame_ancestors: Sequence[str] = ()
) -> Mapping[str, str]:
    """Header values by the names of the routes whose handler sets one; the others answer no documents of their own.

    `frame_ancestors`: origins whose pages may show the viewer's page in a frame, and that page alone.
    """
    texts = {}
    for route in routes:
        if route.handler is Handler.ARCHIVE_PAGES and route.archive_root:
            texts[route.name] = header(archive_pages(route.archive_root, archive_urls))
        elif route.handler is Handler.VIEWER_PAGE and frame_ancestors:
            texts[route.name] = header({**VIEWER_PAGE, "frame-ancestors": frame_ancestors})
        elif route.handler in BY_HANDLER:
            texts[route.name] = header(BY_HANDLER[route.handler])
    return texts


def header(policy: Policy) -> str:
    """The value of `Content-Security-Policy`."""
    return "; ".join(" ".join([directive, *sources]) for directive, sources in policy.items())
