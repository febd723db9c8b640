"""What rights.py says of a request; where the stack has no `rights`, nobody is restricted."""

from pathlib import Path

if Path("/etc/orthanc-rights.json").exists():
    from rights import of_this_thread, restrict  # type: ignore[import-not-found]
else:

    def of_this_thread() -> frozenset[str] | None:
        """Groups of the request that this thread works on; `None`: it is not restricted."""
        return None

    def restrict(body: bytes, headers: dict[str, str]) -> bytes | None:
        """The query that a request may make; `None`: it finds nothing."""
        return body
