"""The whole configuration of a stack."""

from collections.abc import Mapping
from dataclasses import dataclass

from images import Image
from public_endpoint import PublicEndpoint
from route import Role
from settings.model.archive import Archive
from settings.model.entrance import Acme, DuckDns, LinodeZone, Listeners, ProvidedCertificate
from settings.model.machine import Machine
from settings.model.sign_in import Mfa, Program, SessionLimits, SignIn, Smtp, User


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of a stack."""

    project: str
    stack: str
    machine: Machine
    host: str | None
    """Name or address that browsers use; `None`: the machine's own address."""
    listeners: Listeners
    certificate: Acme | ProvidedCertificate | None
    """`None`: HTTP, patients' data is sent unencrypted."""
    dns: LinodeZone | DuckDns | None
    archive: Archive
    sessions: SessionLimits
    mfa: Mfa
    smtp: Smtp | None
    users: tuple[User, ...]
    programs: tuple[Program, ...]
    download_roles: frozenset[Role]
    """Roles that are offered studies as ZIP files."""
    protect_data: bool
    images: Mapping[str, Image]

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS."""
        return self.certificate is not None

    @property
    def sign_in(self) -> SignIn:
        """Settings of the realm."""
        return SignIn(
            secure=self.secure,
            ca_certificate=self.certificate.ca_certificate if self.certificate else None,
            sessions=self.sessions,
            mfa=self.mfa,
            smtp=self.smtp,
            users=self.users,
            programs=self.programs,
        )

    @property
    def user_names(self) -> tuple[str, ...]:
        """User names of realm `ohif`."""
        return tuple(user.name for user in self.users)

    @property
    def program_names(self) -> tuple[str, ...]:
        """Names of the programs that have a secret."""
        return tuple(program.name for program in self.programs if program.roles is not None)

    def endpoint(self, host: str) -> PublicEndpoint:
        """The public endpoint under this host."""
        return PublicEndpoint(
            scheme="https" if self.secure else "http",
            host=host,
            port=self.listeners.https_port if self.secure else self.listeners.http_port,
        )
