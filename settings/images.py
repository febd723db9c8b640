"""Which container images to use: the program's table, with the machine's and the stack's own over it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from advisories import ADVISORIES, version_of
from images import DEFAULT_IMAGES, LOCK, Image
from settings import parsing
from settings.parsing import ConfigurationError

POSTGRES_MAJORS = ("16", "17")
"""Those whose image keeps its data where the program says."""
DATABASES = ("postgres", "dcm4chee-db")
"""Images whose data only the same major version starts on."""
READS_NEWER = ("postgres", "keycloak", "orthanc", "dcm4chee", "dcm4chee-db")
"""Images that do not read what a newer one has written."""
OLDEST_ORTHANC, OLDEST_ORTHANC_BY_DATE = (1, 12, 5), (24, 12)
"""What the scripts of assets/archive/orthanc need (`ResponseContent` in `/tools/find`; Orthanc's release notes), also
as the year and month that orthancteam/orthanc has for a version. With 1.10.1, all else looks well, and what a modality
sends is acknowledged and not stored (seen)."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def images(config: pulumi.Config) -> Mapping[str, Image]:
    """The table that the stack uses, with the digests of `images.lock.json` where a name has none."""
    table = dict(DEFAULT_IMAGES)
    machine = os.environ.get("OHIF_IMAGES")
    if machine:
        try:
            entries = json.loads(Path(machine).read_text())
        except (OSError, ValueError) as error:
            raise ConfigurationError("images", f"OHIF_IMAGES={machine} cannot be read: {error}") from error
        named = _named_images(f"OHIF_IMAGES={machine}", entries)
        table |= {key: replace(image, local=True) for key, image in named.items()}
    table |= _named_images("images", parsing.entries(config, "images"))
    digests = locked()
    for key, image in table.items():
        if not image.pinned and image.name in digests:
            table[key] = replace(image, name=f"{image.name}@{digests[image.name]}")
    for key, image in table.items():
        _refuse_known_bad(key, image)
    _refuse_old_orthanc(table["orthanc"].name)
    return table


def _refuse_known_bad(key: str, image: Image) -> None:
    """Refuse an image with a known vulnerability, or on which the data would not start.

    Stand-ins are not judged: Debian fixes its packages without a new version.
    """
    if image.local:
        return
    for advisory in ADVISORIES:
        if advisory.image == key and advisory.identifier not in image.accepted and advisory.concerns(image.name):
            raise ConfigurationError(
                f"images.{key}",
                f"{image.name} has {advisory.identifier}: {advisory.harm} ({advisory.source}). Take "
                f"{' or '.join(advisory.fixed)}, or a newer one. (accept: [{advisory.identifier}] allows it.)",
            )
    if key == "postgres" and major(image.name) not in (None, *POSTGRES_MAJORS):
        raise ConfigurationError(
            "images.postgres", f"{image.name}: the program runs PostgreSQL {' or '.join(POSTGRES_MAJORS)}."
        )


def _refuse_old_orthanc(name: str) -> None:
    version = version_of(name)
    oldest = OLDEST_ORTHANC_BY_DATE if version and version[0] > 9 else OLDEST_ORTHANC
    if len(version) >= len(oldest) and version < oldest:
        raise ConfigurationError(
            "images.orthanc",
            f"{name} would acknowledge what modalities send, and not store it: the program needs Orthanc 1.12.5 "
            "(orthancteam/orthanc:24.12.0) or newer.",
        )


def major(name: str) -> str | None:
    """The major version in an image's tag; `None` if there is none."""
    version = version_of(name)
    return str(version[0]) if version else None


def database_majors(table: Mapping[str, Image], archive: str) -> Mapping[str, str]:
    """Major versions of the databases of a stack with this archive, by key of their images, as far as tags say."""
    found = {key: major(table[key].name) for key in DATABASES if table[key].archive in (None, archive)}
    return {key: version for key, version in found.items() if version}


def writers(table: Mapping[str, Image], archive: str) -> Mapping[str, str]:
    """Versions of what else writes the data of a stack with this archive, by key, as far as tags say."""
    keys = [key for key in READS_NEWER if key not in DATABASES and table[key].archive in (None, archive)]
    found = {key: version_of(table[key].name) for key in keys}
    return {key: ".".join(map(str, version)) for key, version in found.items() if version}


def locked() -> Mapping[str, str]:
    """Digests by image name.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    try:
        digests = json.loads(LOCK.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError("images", f"{LOCK.name} cannot be read: {error}") from error
    if not isinstance(digests, dict):
        raise ConfigurationError("images", f"{LOCK.name} is not a map from names to digests; run make pin.")
    wrong = [name for name, it in digests.items() if not (isinstance(it, str) and DIGEST.fullmatch(it))]
    if wrong:
        raise ConfigurationError("images", f"{LOCK.name} has no digest sha256:… for {', '.join(wrong)}; run make pin.")
    return dict(digests)


def unpinned(table: Mapping[str, Image], archive: str) -> list[str]:
    """Keys of the images of a stack with this archive that a registry could give another content."""
    return [key for key, image in table.items() if image.archive in (None, archive) and not image.pinned]


def _named_images(key: str, entries: object) -> dict[str, Image]:
    if not isinstance(entries, dict):
        raise ConfigurationError(key, "must be a map from names to images.")
    named = {}
    for name, entry in entries.items():
        if name not in DEFAULT_IMAGES:
            raise ConfigurationError(key, f"{name!r} is not one of {', '.join(DEFAULT_IMAGES)}.")
        fields = {"name": entry} if isinstance(entry, str) else entry
        where = f"{key}.{name}"
        parsing.refuse_fields(where, fields, frozenset({"name", "optimized", "accept"}))
        reference, optimized = parsing.text(where, fields, "name"), fields.get("optimized", False)
        accepted = fields.get("accept", [])
        known = [it.identifier for it in ADVISORIES if it.image == name]
        if not isinstance(accepted, list) or not set(accepted) <= set(known):
            raise ConfigurationError(where, f"accept must be a list of {', '.join(known) or 'nothing'}.")
        if reference is None or not isinstance(optimized, bool):
            raise ConfigurationError(where, "must be an image's name, or a map of name and optimized (true or false).")
        _, at, digest = reference.partition("@")
        if at and not DIGEST.fullmatch(digest):
            raise ConfigurationError(
                where, f"{reference!r}: what follows the @ must be a digest: sha256: and 64 of 0-9 and a-f."
            )
        named[name] = replace(DEFAULT_IMAGES[name], name=reference, optimized=optimized, accepted=frozenset(accepted))
    return named
