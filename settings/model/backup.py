"""Where backups go, when they are made, and which are kept."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class S3Access:
    """How an S3-compatible store is used."""

    access_key: pulumi.Input[str]
    secret_key: pulumi.Output[str]
    region: str | None = None
    """Named in signatures; `None`: the store is asked for it."""


@dataclass(frozen=True, kw_only=True)
class SftpAccess:
    """How an SFTP server is used."""

    private_key: pulumi.Output[str]
    """In OpenSSH's format, without a passphrase."""
    host_key: str
    """The server's line of `known_hosts` without the name: `ssh-ed25519 AAAA…`."""


@dataclass(frozen=True, kw_only=True)
class LinodeBucket:
    """A bucket that the program makes in the account of the stack's VM, with a key for it."""

    region: str


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How many backups are kept: the last one of each of so many days, weeks and months."""

    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Backups in a restic repository."""

    repository: str
    """As restic names it: `/srv/backup`, `sftp://user@host:22//path` or `s3:https://host/bucket/prefix`; `linode` where
    the program makes it."""
    access: S3Access | SftpAccess | LinodeBucket | None
    """`None`: a folder of the stack's machine."""
    ca_certificate: str | None
    """PEM of a private authority that signed the store's certificate."""
    times: tuple[int, ...]
    """Minutes after midnight, UTC, in ascending order."""
    keep: Keep
    mail_to: tuple[str, ...]
    """Who gets a mail when one fails or is overdue."""
    paused: bool
    """Whether backups are put back only, and none is made."""

    @property
    def folder(self) -> str | None:
        """The folder of the stack's machine that holds the repository; `None` if it is elsewhere."""
        return self.repository if self.access is None else None

    @property
    def longest_gap(self) -> int:
        """Seconds between two backups, at most."""
        day = 24 * 60
        following = [*self.times[1:], self.times[0] + day]
        return 60 * max(after - before for before, after in zip(self.times, following, strict=True))
