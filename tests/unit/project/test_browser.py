"""Where the tests of the pages are skipped."""

from __future__ import annotations

import runpy

import pytest

from local.pictures import browser
from local.places import PROJECT


@pytest.mark.parametrize(("required", "is_skipped"), [("", True), ("1", False)])
def test_without_a_browser_its_tests_are_skipped_unless_it_is_required(
    required: str, is_skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", None)
    monkeypatch.setenv("TESTS_REQUIRE_BROWSER", required)
    found = runpy.run_path(str(PROJECT / "tests" / "browser.py"))
    assert found["needs_browser"].mark.args == (is_skipped,)


def test_continuous_integration_requires_it() -> None:
    for name in (".ci/run", ".github/workflows/ci.yml"):
        assert "TESTS_REQUIRE_BROWSER" in (PROJECT / name).read_text()
