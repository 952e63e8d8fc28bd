"""The browser that pictures are taken with and pages are tested in."""

from __future__ import annotations

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""Path of a Chromium that the system has; None leaves Playwright to look for its own."""
# Root needs --no-sandbox; the others keep the browser from calling home.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
