"""Every container image of the program, in one table.

A name holds an exact version, never a moving tag. `ohif:images` replaces entries (a private mirror), and so
does the machine itself where no image registry can be reached (settings/, `OHIF_IMAGES`). A tag can still be given
another content by its registry: `make pin` writes the digest of each name into `images.lock.json`, which is then used.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Image:
    """One container image."""

    name: str
    """Reference with tag, and digest if wanted: `repository:tag[@sha256:…]`."""
    optimized: bool = False
    """Keycloak only: built beforehand by `kc.sh build`, which saves its start some 12 seconds."""
    archive: str | None = None
    """The archive that alone needs it, by its name in `ohif:archive`."""
    accepted: frozenset[str] = frozenset()
    """Known vulnerabilities (advisories.py) with which it is used all the same."""
    local: bool = False
    """Whether it was built on this machine, so that no registry could give another one."""

    @property
    def pinned(self) -> bool:
        """Whether nobody can put another content under its name."""
        return self.local or "@" in self.name


LOCK = Path(__file__).parent / "images.lock.json"
"""Digests by image name, written by `make pin`: `{"nginx:1.30.7-alpine": "sha256:…"}`. Not there: nothing is pinned."""


DEFAULT_IMAGES: dict[str, Image] = {
    "gateway": Image(name="nginx:1.30.7-alpine"),
    "auth-proxy": Image(name="quay.io/oauth2-proxy/oauth2-proxy:v7.15.2-alpine"),
    "sessions": Image(name="valkey/valkey:8.1.10-alpine"),
    "keycloak": Image(name="quay.io/keycloak/keycloak:26.7.3"),
    "postgres": Image(name="postgres:17.11-trixie"),
    "orthanc": Image(name="orthancteam/orthanc:26.9.1", archive="orthanc"),
    # The three belong together: the line (35) is the archive's minor version.
    "dcm4chee": Image(name="dcm4che/dcm4chee-arc-psql:5.35.2", archive="dcm4chee"),
    "dcm4chee-db": Image(name="dcm4che/postgres-dcm4chee:17.9-35", archive="dcm4chee"),
    "dcm4chee-ldap": Image(name="dcm4che/slapd-dcm4chee:2.6.14-35.2", archive="dcm4chee"),
    "viewer": Image(name="ohif/app:v3.13.8"),
    "certbot": Image(name="certbot/certbot:v5.8.0"),
    "logs": Image(name="balabit/syslog-ng:4.8.1"),
    "backup": Image(name="restic/restic:0.18.1"),
}
