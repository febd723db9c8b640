"""Versions of the images that must not be used any more, and why.

Only what can harm this stack as it is configured: oauth2-proxy's advisories about `skip_auth_routes`, for instance, are
not here, because the program sets none. Orthanc's images have dates as tags, so no version of them can be judged. A
scanner that looks into the images finds more (docs/how-to/update.md).
"""

import re
from dataclasses import dataclass

Version = tuple[int, ...]
TAG = re.compile(r"[^@]*:v?(\d+(?:\.\d+)*)(?=[-@]|$)")
"""The version in a reference; a registry's port is none."""


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """A vulnerability of an image."""

    image: str
    """Key in `images.DEFAULT_IMAGES`."""
    identifier: str
    fixed: tuple[str, ...]
    """The first version without it, of each line of releases that got one."""
    harm: str
    source: str

    def concerns(self, reference: str) -> bool:
        """Whether the version in an image's reference has it. A reference without a whole version is not judged."""
        version, fixed = version_of(reference), [_version(it) for it in self.fixed]
        if len(version) < len(fixed[0]):
            return False
        of_line = [it for it in fixed if it[:-1] == version[: len(it) - 1]]
        return version < (of_line[0] if of_line else max(fixed))


def version_of(reference: str) -> Version:
    """The version in the tag of an image's reference, without what is no number; empty if there is none."""
    found = TAG.match(reference)
    return _version(found[1]) if found else ()


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))


NGINX = "https://nginx.org/en/security_advisories.html"
ADVISORIES = (
    Advisory(
        image="gateway",
        identifier="CVE-2026-123007",
        fixed=("1.30.7", "1.31.9"),
        harm="a client can corrupt the memory of nginx over HTTP/2",
        source=NGINX,
    ),
    Advisory(
        image="gateway",
        identifier="CVE-2026-118899",
        fixed=("1.30.7", "1.31.9"),
        harm="a client can stop nginx over TLS 1.3",
        source=NGINX,
    ),
    Advisory(
        image="gateway",
        identifier="CVE-2026-42533",
        fixed=("1.30.4", "1.31.3"),
        harm="a request can overflow a buffer of nginx where a map has regular expressions, as the gateway's",
        source=NGINX,
    ),
    Advisory(
        image="keycloak",
        identifier="CVE-2026-18963",
        fixed=("26.4.15", "26.6.6", "26.7.2"),
        harm="anybody can take over an account by its name where 'forgot password' is offered",
        source="https://access.redhat.com/security/cve/cve-2026-18963",
    ),
    Advisory(
        image="postgres",
        identifier="CVE-2026-18408",
        fixed=("14.24", "15.19", "16.15", "17.11", "18.6"),
        harm="a dump of a manipulated database runs commands where it is restored",
        source="https://www.postgresql.org/support/security/",
    ),
    Advisory(
        image="sessions",
        identifier="CVE-2025-49844",
        fixed=("7.2.11", "8.0.6", "8.1.4"),
        harm="who may use the store of sessions can run code in it",
        source="https://github.com/valkey-io/valkey/releases/tag/8.1.4",
    ),
)
