"""Which archive the stack's studies are in, and of which version its databases are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from names import (
    ARCHIVE_CHOICE_TYPE,
    DATABASE_MAJORS,
    NO_PLACE,
    OWN_PLACE,
    PLACES,
    WRITERS,
    former_archive_fix,
    former_archive_problem,
)
from settings import ArchiveKind

MOVABLE: Mapping[str, tuple[str, str]] = {
    "database": ("the databases", "on the server that it named"),
    "files": ("the archive's files", "in {}"),
}
"""Data that may be somewhere else than on the stack's volumes: by key of the setting, what and where it is."""


@dataclass(frozen=True, kw_only=True)
class ArchiveChoiceArgs:
    """The archive that the settings select."""

    archive: ArchiveKind
    confirmed: bool
    """Whether another archive may take the place of the one that the state knows."""
    immutable_settings: Mapping[str, str] = field(default_factory=dict)
    """Settings, by their keys, that the archive has written into its data, so that they hold from then on."""
    databases: Mapping[str, str] = field(default_factory=dict)
    """Major versions of the stack's own databases, by key of their images."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where the data are, by the key of the setting that says so; what is not named is on a volume of the stack."""
    writers: Mapping[str, str] = field(default_factory=dict)
    """Versions of what else writes the data, by key of the image: an older one may not read them."""


class ArchiveChoice(pulumi.ComponentResource):
    """Remembers the archive in the stack's state, and refuses another one that nobody confirmed. The same for the
    databases' major versions, which only `make upgrade` changes.

    What depends on `accepted` is touched only after that, in an update and in a preview alike: without it, one changed
    word in the configuration would take the archive away and put an empty one in its place. It makes nothing.
    """

    accepted: pulumi.Output[Sequence[pulumi.Resource]]
    """For `depends_on`. A component without children is waited for by its URN alone."""

    def __init__(self, name: str, args: ArchiveChoiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        def refuse(change: pulumi.ResourceHookArgs) -> None:
            problem = refusal(change.old_inputs or {}, args)
            if problem:
                raise ValueError(problem)

        hook = pulumi.ResourceHook("refuse-another-archive", refuse, opts=pulumi.ResourceHookOptions(on_dry_run=True))
        super().__init__(
            ARCHIVE_CHOICE_TYPE,
            name,
            {
                "archive": args.archive.value,
                "written": dict(args.immutable_settings),
                DATABASE_MAJORS: dict(args.databases),
                PLACES: dict(args.places),
                WRITERS: dict(args.writers),
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_update=[hook]))
            ),
        )
        self.accepted = self.urn.apply(lambda _: [])
        self.register_outputs({})


def refusal(before: Mapping[str, object], now: ArchiveChoiceArgs) -> str | None:
    """Why the change is rejected, and how to fix it; `None` if it is not."""
    archive, written = before.get("archive"), before.get("written")
    if archive not in (None, now.archive.value):
        return None if now.confirmed else switch_refusal(str(archive), now.archive.value)
    for key, value in written.items() if isinstance(written, Mapping) else ():
        if now.immutable_settings.get(key) != value:
            return (
                f"Configuration ohif:{key}: {now.archive.value} wrote {value!r} into its data when that was made, "
                f"and goes on using it. Set it back to {value!r}. Nothing was changed."
            )
    places = before.get(PLACES)
    for key, (things, named) in MOVABLE.items():
        place = places.get(key, OWN_PLACE) if isinstance(places, Mapping) else OWN_PLACE
        wanted = now.places.get(key, OWN_PLACE)
        if place not in (NO_PLACE, wanted):
            known, fix = (
                ("on this stack's own volumes", _way_to(wanted))
                if place == OWN_PLACE
                else (named.format(place), "Set it back")
            )
            return f"Configuration ohif:{key}: {things} are {known}. {fix}. Nothing was changed."
    databases = before.get(DATABASE_MAJORS)
    for key, version in databases.items() if isinstance(databases, Mapping) else ():
        if (wanted := now.databases.get(key, version)) != version:
            return (
                f"Configuration ohif:images.{key}: the databases are of PostgreSQL {version}, and {wanted} does not "
                "start on them. `make upgrade` takes them there. Nothing was changed."
            )
    writers = before.get(WRITERS)
    for key, version in writers.items() if isinstance(writers, Mapping) else ():
        if _is_older(wanted := now.writers.get(key, version), version):
            return (
                f"Configuration ohif:images.{key}: {version} has written the data, which {wanted} may not read. "
                f"`make upgrade SNAPSHOT=id` goes back, with a backup that {wanted} made. Nothing was changed."
            )
    return None


def _is_older(one: str, other: str) -> bool:
    """Whether a version is older than another one, as far as both say: 26.7 is not older than 26.7.3."""
    numbers = zip(map(int, one.split(".")), map(int, other.split(".")), strict=False)
    return next((mine < theirs for mine, theirs in numbers if mine != theirs), False)


def _way_to(place: str) -> str:
    """How data get from the stack's own volumes to a place."""
    if place.startswith("https:"):
        return "A stack begins with its bucket; nothing moves there"
    return "`make upgrade` moves them"


def switch_refusal(before: str, now: str) -> str:
    """Why another archive is rejected, and how to fix it."""
    return f"Configuration ohif:archive: {former_archive_problem(before, now)}. {former_archive_fix(before)}"
