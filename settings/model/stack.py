"""The whole configuration of a stack."""

from collections.abc import Mapping
from dataclasses import dataclass

from images import Image
from public_endpoint import PublicEndpoint
from route import Role
from settings.model.archive import Archive
from settings.model.backup import Backup
from settings.model.database import DatabaseServer
from settings.model.entrance import Acme, DuckDns, LinodeZone, Listeners, ProvidedCertificate
from settings.model.federation import Directory, LoginProvider
from settings.model.files import FilesBucket, FilesFolder
from settings.model.logs import LogServer
from settings.model.machine import Machine
from settings.model.sign_in import Mfa, PasswordRules, Program, SessionLimits, SignIn, Smtp, User
from settings.model.viewer import ViewerSettings


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
    database: DatabaseServer | None
    """`None`: each service that needs one has a PostgreSQL server of its own."""
    files: FilesFolder | FilesBucket | None
    """Where the archive's files are; `None`: on a volume of the stack."""
    audit_days: int
    """How long lines about users' requests are kept on a volume; 0: they are not."""
    log_server: LogServer | None
    """Where all lines are sent; `None`: nowhere."""
    sessions: SessionLimits
    mfa: Mfa
    passkeys: bool
    password_rules: PasswordRules
    smtp: Smtp | None
    users: tuple[User, ...]
    directory: Directory | None
    login_providers: tuple[LoginProvider, ...]
    programs: tuple[Program, ...]
    download_roles: frozenset[Role]
    """Roles that are offered studies as ZIP files."""
    viewer: ViewerSettings
    backup: Backup | None
    protect_data: bool
    images: Mapping[str, Image]

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS."""
        return self.certificate is not None or self.listeners.proxy is not None

    @property
    def ca_certificate(self) -> str | None:
        """PEM of a private authority that signed the certificate which browsers see."""
        seen = self.listeners.proxy or self.certificate
        return seen.ca_certificate if seen else None

    @property
    def sign_in(self) -> SignIn:
        """Settings of the realm."""
        return SignIn(
            secure=self.secure,
            ca_certificate=self.ca_certificate,
            sessions=self.sessions,
            mfa=self.mfa,
            passkeys=self.passkeys,
            password_rules=self.password_rules,
            smtp=self.smtp,
            users=self.users,
            directory=self.directory,
            login_providers=self.login_providers,
            programs=self.programs,
            rights_roles=self.archive.rights.realm_roles if self.archive.rights else {},
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
        proxy = self.listeners.proxy
        own_port = self.listeners.https_port if self.certificate else self.listeners.http_port
        return PublicEndpoint(
            scheme="https" if self.secure else "http", host=host, port=proxy.port if proxy else own_port
        )
