"""Versions of the images of a stack and of a backup, and which of them read the data of which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.models.containers import Container

from advisories import ADVISORIES, Advisory, version_of
from bootstrap.console import UserError
from components.backup.backup import DESCRIPTION
from settings.images import DATABASES, READS_NEWER, major
from tools.backup import Snapshot, restic
from tools.container_exec import run


@dataclass(frozen=True, kw_only=True)
class Move:
    """An image that another one is to replace."""

    key: str
    before: str
    """Its name, with the tag."""
    after: str

    @property
    def through_backup(self) -> bool:
        """Whether the new one does not start on the data of the old one."""
        if self.key in DATABASES and major(self.before) != major(self.after):
            return True
        return self.back

    @property
    def back(self) -> bool:
        """Whether it is an older one that does not read what the newer one has written."""
        return not reads(self.key, self.before, self.after)

    @property
    def fixed(self) -> list[Advisory]:
        """Known vulnerabilities that the old one has and the new one has not."""
        known = [it for it in ADVISORIES if it.image == self.key]
        return [it for it in known if it.concerns(self.before) and not it.concerns(self.after)]


def moves(before: Mapping[str, str], after: Mapping[str, str]) -> list[Move]:
    """What differs between two tables of images, apart from digests."""
    tags = {key: (before[key].partition("@")[0], after[key].partition("@")[0]) for key in after if key in before}
    return [Move(key=key, before=old, after=new) for key, (old, new) in sorted(tags.items()) if old != new]


def description(container: Container, snapshot: Snapshot | None = None) -> Mapping[str, Any]:
    """The archive and the images of the running stack, or those with which a backup was made."""
    found: Mapping[str, Any] = json.loads(
        restic(container, "dump", snapshot.id, DESCRIPTION) if snapshot else run(container, ["cat", DESCRIPTION]).output
    )
    return found


def refuse_unfitting(snapshot: Snapshot, made_with: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Reject a set of another archive, or of newer versions than those that are to read it."""
    if made_with["archive"] != here["archive"]:
        raise UserError(
            f"backup {snapshot.id} is of a stack with {made_with['archive']}, and this one has {here['archive']}",
            f"Set ohif:archive to {made_with['archive']} for the restore. Nothing was changed.",
        )
    for key in READS_NEWER:
        before, now = made_with["images"].get(key, ""), here["images"].get(key, "")
        if not reads(key, before, now):
            raise UserError(
                f"backup {snapshot.id} was made with {key} {shown(before)}, and this program has {shown(now)}",
                "An older version does not read it: use the program's version of that time. Nothing was changed.",
            )


def reads(key: str, before: str, now: str) -> bool:
    """Whether an image reads what another one of the same key has written, as far as their tags say."""
    wrote, has = version_of(before), version_of(now)
    if key in DATABASES:
        wrote, has = wrote[:1], has[:1]
    return key not in READS_NEWER or not has or wrote <= has


def shown(image: str) -> str:
    """The version in an image's tag, or its whole name if there is none."""
    return ".".join(map(str, version_of(image))) or image
