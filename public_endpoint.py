"""The public address of the system."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublicEndpoint:
    """The one address under which browsers reach the system.

    Redirect URIs, issuer, cookie flags, listeners and links all derive from it, so they cannot contradict
    each other.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host, with the port unless it is the scheme's own: what a browser sends as `Host`."""
        usual = 443 if self.secure else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, without a trailing slash (RFC 6454)."""
        return f"{self.scheme}://{self.authority}"

    @property
    def secure(self) -> bool:
        """Whether the browser's connection is encrypted."""
        return self.scheme == "https"
