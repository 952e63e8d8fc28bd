"""Where the tests in a browser are skipped."""

from __future__ import annotations

import os

import pytest

from local.pictures.browser import CHROMIUM

REQUIRED = os.environ.get("TESTS_REQUIRE_BROWSER") == "1"
"""Whether tests fail where there is no browser. They then try that of Playwright, which says how to install it."""

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED,
    reason="no Chromium on this machine (Debian: apt install chromium); TESTS_REQUIRE_BROWSER=1 makes this a failure",
)
