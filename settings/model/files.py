"""Where the archive's files are, if not on a volume of the stack."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class FilesFolder:
    """A folder of the stack's machine."""

    path: str

    @property
    def place(self) -> str:
        """The place in a word, as the stack's state has it."""
        return self.path


@dataclass(frozen=True, kw_only=True)
class FilesBucket:
    """A bucket of an S3-compatible store, reached by HTTPS."""

    endpoint: str
    """`host` or `host:port`; the bucket's name follows in the path."""
    name: str
    region: str
    """Named in signatures."""
    access_key: str
    secret_key: pulumi.Output[str]
    ca_certificate: str | None
    """PEM of a private authority that signed the store's certificate."""

    @property
    def place(self) -> str:
        """The place in a word, as the stack's state has it."""
        return f"https://{self.endpoint}/{self.name}"
