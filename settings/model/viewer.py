"""How OHIF looks and behaves, and who may show it in a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ViewerSettings:
    """What a stack changes about OHIF."""

    name: str | None
    """Shown next to the logo and as the page's title; `None`: OHIF's own."""
    logo: str | None
    """An image as a `data:` URL; `None`: OHIF's own."""
    hidden_modes: Sequence[str]
    """OHIF's modes that users are not offered."""
    options: Mapping[str, object]
    """Keys of OHIF's configuration."""
    frame_ancestors: Sequence[str]
    """Origins whose pages may show the viewer in a frame."""
