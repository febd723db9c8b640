"""Starts the browser of the tests."""

import os
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Browser, BrowserType

from tests import steady_chromium
from tools import browser


def launch(chromium: BrowserType, *flags: str, env: Mapping[str, str] | None = None, **options: Any) -> Browser:
    """A headless Chromium, installed first if it is missing. Raises UserError if that is not possible."""
    return chromium.launch(
        executable_path=steady_chromium.__file__,
        args=[*browser.FLAGS, *flags],
        env={**os.environ, **(env or {}), "OHIF_BROWSER": browser.ensure()},
        **options,
    )
