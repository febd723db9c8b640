"""Roles, rules and handlers that rows of the route table consist of. The table itself is in access.py."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Role(StrEnum):
    """Realm roles of Keycloak."""

    VIEWER = "viewer"
    """Reads studies."""
    REPORTER = "reporter"
    """Reads studies and stores instances: OHIF's measurements and segmentations."""
    PACSADMIN = "pacsadmin"
    """Does all that the archive offers, in its own pages too."""


SHARER = "sharer"
"""The realm role of those who make share links."""


def group_role(group: str) -> str:
    """The realm role of those who read the studies of a group."""
    return f"group:{group}"


@dataclass(frozen=True)
class Anyone:
    """No session needed."""


@dataclass(frozen=True)
class FromAdminNetworks:
    """No session of realm `ohif` needed, but an address in `adminNetworks`; Keycloak asks for its own login."""


@dataclass(frozen=True)
class SignedIn:
    """A session whose user has at least one of the roles."""

    roles: frozenset[str]


@dataclass(frozen=True)
class WithShareLink:
    """No session needed, but the secret of a share link, which the archive checks."""


Access = Anyone | FromAdminNetworks | SignedIn | WithShareLink


@dataclass(frozen=True)
class Rule:
    """The access that some methods of a route require."""

    methods: frozenset[str] | None
    """`None`: every method that no earlier rule of the route names."""
    access: Access


@dataclass(frozen=True, kw_only=True)
class ArchiveRoot:
    """A part of the archive - its own pages, or the API that they call - that `pacsadmin` reaches."""

    route: str
    """Name of its route."""
    public: str
    """Where a browser finds it, without a trailing slash."""
    target: str
    """Where the archive has it, with a trailing slash."""
    example: str
    """A path below `public` that is there."""
    pages: bool = False
    """Whether it contains the archive's own pages and their scripts, and nothing that is stored."""
    evaluates: bool = False
    """Whether the pages' scripts create functions from text (`new Function`)."""
    handlers: tuple[str, ...] = ()
    """Inline event handlers of the pages, verbatim; no other runs."""


class Handler(StrEnum):
    """How a route is answered; assets/gateway/handlers has a template for each."""

    HOME = auto()
    """Redirects to the viewer."""
    VIEWER_PAGE = auto()
    """OHIF's single page, whatever the path below its root."""
    VIEWER_CONFIG = auto()
    """OHIF's `app-config.js`, rendered by the program and served by the gateway."""
    VIEWER_ASSETS = auto()
    DICOMWEB = auto()
    DOWNLOAD = auto()
    """A study as a ZIP file of DICOM files."""
    ARCHIVE_PAGES = auto()
    """The archive's own pages: scripts run."""
    ARCHIVE_ADMIN = auto()
    """The rest of the archive: its API, and what is stored. Nothing of it runs in a browser."""
    KEYCLOAK = auto()
    SIGN_IN = auto()
    """oauth2-proxy's start and callback: what fails there gets a page with a way to start again."""
    FOLLOWED_LINK = auto()
    """Redirects to the link that a login began with."""
    SESSION = auto()
    """oauth2-proxy's answers about the session, for programs."""
    SIGN_OUT = auto()
    """oauth2-proxy's own end of a session."""
    LOGOUT = auto()
    SHARE_LIST = auto()
    """The page on which share links are made, listed and revoked."""
    SHARES = auto()
    """What that page asks of the archive's scripts."""
    SHARE_LINK = auto()
    """The page that a share link leads to."""
    SHARE_OPENING = auto()
    """Puts the secret of a share link, which that page sends, into a cookie."""
    SHARED_STUDY = auto()
    """Which study a share link shows, and until when."""
    SHARED_VIEWER = auto()
    """OHIF's single page, for that study alone."""
    SHARED_VIEWER_CONFIG = auto()
    SHARED_DICOMWEB = auto()
    PAGES = auto()
    """Style sheets and scripts of the gateway's own pages; its error pages are internal."""
    HEALTH = auto()


OF_ARCHIVE = frozenset(
    {
        Handler.DICOMWEB,
        Handler.DOWNLOAD,
        Handler.ARCHIVE_PAGES,
        Handler.ARCHIVE_ADMIN,
        Handler.SHARES,
        Handler.SHARED_STUDY,
        Handler.SHARED_DICOMWEB,
    }
)
"""Handlers whose answers come from the archive."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One row of the table."""

    name: str
    path: str
    """Anchored regular expression over the decoded, normalised path (PCRE and Python alike)."""
    rules: tuple[Rule, ...]
    """The first rule that names the method decides; none does: 405."""
    handler: Handler
    example: str
    """A path that the route matches; the contract tests ask for it."""
    archive_root: ArchiveRoot | None = None
    """Set for the handlers `ARCHIVE_PAGES` and `ARCHIVE_ADMIN`."""

    @property
    def is_of_archive(self) -> bool:
        """Whether the archive answers; then the query is logged as well."""
        return self.handler in OF_ARCHIVE

    def access_for(self, method: str) -> Access | None:
        """The access that `method` requires; `None` if it is not allowed (405)."""
        for rule in self.rules:
            if rule.methods is None or method in rule.methods:
                return rule.access
        return None

    @property
    def methods(self) -> frozenset[str] | None:
        """The methods that any rule names; `None` if a rule takes every method."""
        if any(rule.methods is None for rule in self.rules):
            return None
        return frozenset().union(*(rule.methods for rule in self.rules if rule.methods))
