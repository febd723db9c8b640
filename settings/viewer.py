"""How OHIF looks and behaves, and who may show it in a frame."""

import base64
import binascii
import re
from collections.abc import Mapping

import pulumi

from settings import parsing
from settings.model.viewer import ViewerSettings
from settings.parsing import ConfigurationError

FIELDS = frozenset({"name", "logo", "hiddenModes", "options", "frameAncestors"})
MODE = re.compile(r"@?[a-z0-9][a-z0-9./-]{0,100}")
COMMANDS = frozenset(
    {"$push", "$unshift", "$splice", "$set", "$toggle", "$unset", "$add", "$remove", "$merge", "$apply", "$filter"}
)
"""Of immutability-helper, with which OHIF takes changes of its customizations and modes."""
UPDATES = ("customizationService", "modesConfiguration")
"""Options that are such changes. OHIF shows nothing but a black page if one is not."""
LOGO = re.compile(r"data:image/(png|jpeg|webp|svg\+xml);base64,(?P<content>[A-Za-z0-9+/=]+)")
MOST_LOGO_BYTES = 64 * 1024
ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")

OPTIONS: Mapping[str, type | tuple[type, ...]] = {
    "activateViewportBeforeInteraction": bool,
    "autoPlayCine": bool,
    "customizationService": (dict, list),
    "disableConfirmationPrompts": bool,
    "disableEditing": bool,
    "experimentalStudyBrowserSort": bool,
    "groupEnabledModesFirst": bool,
    "hotkeys": (dict, list),
    "investigationalUseDialog": dict,
    "max3DTextureSize": int,
    "maxCacheSize": int,
    "maxNumRequests": dict,
    "maxNumberOfWebWorkers": int,
    "measurementTrackingMode": str,
    "modesConfiguration": dict,
    "preferSizeOverAccuracy": bool,
    "showCPUFallbackMessage": bool,
    "showErrorDetails": str,
    "showLoadingIndicator": bool,
    "showPatientInfo": str,
    "showStudyList": bool,
    "showWarningMessageForCrossOrigin": bool,
    "strictZSpacingForVolumeViewport": bool,
    "studyPrefetcher": dict,
    "useCPURendering": bool,
    "useCursors": bool,
    "useNorm16Texture": bool,
}
"""Keys of OHIF's configuration that change how it looks and behaves, and what their values are. Where data come from,
who is signed in and what is loaded besides (`dataSources`, `oidc`, `extensions`, `modes`, `whiteLabeling`,
`dangerouslyUseDynamicConfig`) is the program's.

Source: OHIF documentation, "Configuration Files", and platform/core/src/types/AppTypes.ts.
"""
_NAMES = {bool: "true or false", int: "a whole number", str: "a text", dict: "a map", list: "a list"}


def viewer(config: pulumi.Config, *, secure: bool) -> ViewerSettings:
    """What the stack changes about OHIF. `secure`: whether browsers come by HTTPS."""
    entry = parsing.fields(config, "viewer", FIELDS)
    return ViewerSettings(
        name=parsing.text("viewer.name", entry, "name"),
        logo=_logo(parsing.text("viewer.logo", entry, "logo")),
        hidden_modes=_hidden_modes(entry.get("hiddenModes", [])),
        options=_options(entry.get("options", {})),
        frame_ancestors=_frame_ancestors(entry.get("frameAncestors", []), secure=secure),
    )


def _logo(value: str | None) -> str | None:
    if value is None:
        return None
    match = LOGO.fullmatch(value)
    try:
        content = base64.b64decode(match["content"], validate=True) if match else b""
    except binascii.Error:
        content = b""
    if not content:
        raise ConfigurationError(
            "viewer.logo", "is not an image such as data:image/png;base64,…; `base64 -w0 logo.png` makes the last part."
        )
    if len(content) > MOST_LOGO_BYTES:
        raise ConfigurationError("viewer.logo", f"has {len(content)} bytes; at most {MOST_LOGO_BYTES} are served.")
    return value


def _options(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError("viewer.options", "must be a map of keys of OHIF's configuration.")
    for key, content in value.items():
        wanted = OPTIONS.get(key)
        if wanted is None:
            raise ConfigurationError(
                f"viewer.options.{key}", f"is not one of the keys that may be changed: {', '.join(sorted(OPTIONS))}."
            )
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        # In Python true is a whole number too.
        if not isinstance(content, kinds) or (isinstance(content, bool) and bool not in kinds):
            raise ConfigurationError(f"viewer.options.{key}", f"must be {' or '.join(_NAMES[kind] for kind in kinds)}.")
        for part in (content if isinstance(content, list) else [content]) if key in UPDATES else ():
            if not isinstance(part, str) and not _is_update(part):
                raise ConfigurationError(
                    f"viewer.options.{key}",
                    "says what changes and not how: write `hide: {$set: true}`, not `hide: true`.",
                )
    return value


def _is_update(value: object) -> bool:
    """Whether it is what immutability-helper takes: a tree whose leaves are its commands."""
    if not isinstance(value, dict) or not value:
        return False
    if COMMANDS & value.keys():
        return value.keys() <= COMMANDS
    return all(_is_update(part) for part in value.values())


def _hidden_modes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(it, str) and MODE.fullmatch(it) for it in value):
        raise ConfigurationError("viewer.hiddenModes", "must be a list of OHIF's modes such as @ohif/mode-tmtv.")
    return tuple(value)


def _frame_ancestors(value: object, *, secure: bool) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigurationError("viewer.frameAncestors", "must be a list of origins such as https://ris.example.org.")
    for origin in value:
        if not isinstance(origin, str) or not ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                "viewer.frameAncestors", f"{origin!r} is not an origin such as https://ris.example.org: no path, no *."
            )
        if secure and not origin.startswith("https:"):
            raise ConfigurationError(
                "viewer.frameAncestors", f"{origin}: a page that is not encrypted could be anyone's."
            )
    return tuple(value)
