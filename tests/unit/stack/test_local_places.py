"""Where the stack keeps things, for root and for others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import places
from local.errors import StackError


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project below a folder that only its owner may enter."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(places, "PROJECT", tmp_path / "project")
    monkeypatch.setattr(places, "STACK", tmp_path / "project" / ".stack")
    yield tmp_path / "project" / ".stack"
    for folder in Path("/var/tmp").glob(f"strata-{places.digest(tmp_path / 'project')}"):
        shutil.rmtree(folder)


def test_a_folder_below_a_closed_one_is_out_of_reach(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    tmp_path.chmod(0o700)
    assert not places.others_may_read(inner)
    assert places.others_may_read(Path("/usr/bin"))


def test_an_ordinary_user_keeps_all_in_the_project(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "running_as_root", lambda: False)
    assert places.server_folder() == closed
    assert closed.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes way for nobody")
def test_root_in_a_closed_folder_keeps_the_server_where_nobody_may_enter(closed: Path) -> None:
    folder = places.server_folder()
    assert folder.parent == Path("/var/tmp")
    assert places.others_may_read(folder)
    assert places.server_folder() == folder
    os.chown(folder, 65534, 65534)
    with pytest.raises(StackError, match=f"{folder} is not our own folder"):
        places.server_folder()


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STRATA_CACHE": "/caches/strata", "XDG_CACHE_HOME": "/xdg"}, "/caches/strata"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/strata"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/strata"),
    ],
)
def test_downloads_are_cached_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str
) -> None:
    for name in ("STRATA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert places.cache_folder() == Path(folder)
