"""OHIF's `app-config.js`.

Source of the keys: OHIF documentation, "Configuration / Data Sources / DICOMweb" and `platform/app/public/config`.
All roots are relative, so one file is right under every address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from public_paths import DICOMWEB_PATH, DOWNLOAD_PATH, SHARES_PATH, VIEWER_PATH


@dataclass(frozen=True, kw_only=True)
class May:
    """What the user may do, apart from reading."""

    store: bool = False
    """Store instances; otherwise OHIF offers no upload."""
    download: bool = False
    """Get a study as a ZIP file."""
    share: bool = False
    """Make links that show a study to others."""


@dataclass(frozen=True, kw_only=True)
class ViewerConfig:
    """Values in the file."""

    archive_name: str
    """Shown as the data source's name."""
    capabilities: Mapping[str, object]
    """OHIF's data source options for the archive's DICOMweb."""
    may: May
    session_idle: int
    """Seconds without a request after which a session ends."""
    name: str | None
    """Shown next to the logo and as the page's title; `None`: OHIF's own."""
    logo: str | None
    """An image as a `data:` URL; `None`: OHIF's own."""
    hidden_modes: Sequence[str]
    """OHIF's modes that users are not offered."""
    options: Mapping[str, object]
    """Keys of OHIF's configuration in place of those below."""
    behaviour: str
    """JavaScript that adds to `window.config` what JSON cannot hold: functions."""


def render(config: ViewerConfig) -> str:
    """The file, in JavaScript: one assignment of JSON, then the behaviour."""
    settings = {
        "name": "ohif",
        "routerBasename": VIEWER_PATH,
        "extensions": [],
        "modes": [],
        "customizationService": {},
        "showStudyList": True,
        "showErrorDetails": "dev",
        "investigationalUseDialog": {"option": "never"},
        "maxNumberOfWebWorkers": 3,
        "showWarningMessageForCrossOrigin": True,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "groupEnabledModesFirst": True,
        "maxNumRequests": {"interaction": 100, "thumbnail": 10, "prefetch": 25},
        **config.options,
        "modesConfiguration": modes_configuration(config),
        "defaultDataSourceName": "dicomweb",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "dicomweb",
                "configuration": {
                    "friendlyName": config.archive_name,
                    "name": "dicomweb",
                    "wadoUriRoot": DICOMWEB_PATH,
                    "qidoRoot": DICOMWEB_PATH,
                    "wadoRoot": DICOMWEB_PATH,
                    "imageRendering": "wadors",
                    "thumbnailRendering": "wadors",
                    "enableStudyLazyLoad": True,
                    "dicomUploadEnabled": config.may.store,
                    "omitQuotationForMultipartRequest": True,
                    **config.capabilities,
                },
            }
        ],
        "ohifPulumi": {
            "canStore": config.may.store,
            "downloadPath": f"{DOWNLOAD_PATH}/*.zip" if config.may.download else None,
            "sharesPath": f"{SHARES_PATH}?study=*" if config.may.share else None,
            "sessionIdleSeconds": config.session_idle,
            "name": config.name,
            "logo": config.logo,
        },
    }
    return f"window.config = {json.dumps(settings, indent=2)};\n{config.behaviour}"


def modes_configuration(config: ViewerConfig) -> Mapping[str, object]:
    """Changes of OHIF's modes, in the commands of immutability-helper."""
    configured = config.options.get("modesConfiguration", {})
    given: Mapping[str, Mapping[str, object]] = configured if isinstance(configured, dict) else {}
    return {**given, **{mode: {**given.get(mode, {}), "hide": {"$set": True}} for mode in config.hidden_modes}}
