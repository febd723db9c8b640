"""Where a database is, and how a client writes it down."""

from dataclasses import dataclass
from urllib.parse import quote

CA_FILE = "/etc/database-ca.pem"
"""Certificate of the authority that the server's certificate must be of, where the connection is encrypted."""


@dataclass(frozen=True, kw_only=True)
class DatabaseAddress:
    """A database and its user."""

    host: str
    port: int
    name: str
    user: str
    encrypted: bool
    """Whether the connection is, and the server must prove that it is the host."""

    @property
    def tls(self) -> str:
        """Parameters of a URI (libpq, "SSL Support"; the same in JDBC)."""
        return f"?sslmode=verify-full&sslrootcert={CA_FILE}" if self.encrypted else ""

    def uri(self, password: str) -> str:
        """All of it as a URI (libpq, "Connection URIs")."""
        login = f"{quote(self.user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(self.name, safe='')}{self.tls}"
