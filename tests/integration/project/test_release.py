"""`make release`: what is built, what stops it, and that it tags and uploads nothing."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from local.errors import StackError
from local.packaging.release import commands, release
from local.places import PROJECT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", ".gitignore", "plugins")
CHANGES = "# Changes\n\n## 7.8.9 - 2026-11-29\n\n- All.\n"


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of version 7.8.9 with everything committed."""
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in SOURCES:
        source = PROJECT / name
        (shutil.copytree(source, tmp_path / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tmp_path))
    settings = tmp_path / "pyproject.toml"
    settings.write_text(settings.read_text().replace('version = "0.1.0"', 'version = "7.8.9"'))
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    git("init", "--quiet", cwd=tmp_path)
    git("add", "--all", cwd=tmp_path)
    git("commit", "--quiet", "--message", "All", cwd=tmp_path)
    return tmp_path


@pytest.mark.long
def test_both_packages_hold_the_commit_and_nothing_that_lies_around(checkout: Path) -> None:
    stale = checkout / "build" / "lib" / "opensearch_strata" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    (checkout / "dist").mkdir()
    (checkout / "dist" / "opensearch_strata-7.8.8.tar.gz").write_text("an older release")
    sdist, wheel = release(checkout)
    assert {path.name for path in (checkout / "dist").iterdir() if path.name != ".gitignore"} == {
        wheel.name,
        sdist.name,
    }
    assert (sdist.name, wheel.name) == ("opensearch_strata-7.8.9.tar.gz", "opensearch_strata-7.8.9-py3-none-any.whl")
    modules = {path.name for path in (PROJECT / "plugins" / "opensearch_strata").glob("*.py")}
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as packed:
        in_sdist = {name.partition("/")[2] for name in packed.getnames()}
    assert {f"opensearch_strata/{name}" for name in modules} <= in_wheel
    assert {"LICENSE", "NOTICE", "README.md", "pyproject.toml"} <= in_sdist
    assert not [name for name in in_wheel | in_sdist if name.endswith("gone.py")]
    assert git("tag", "--list", cwd=checkout) == ""
    assert commands([sdist, wheel], checkout) == (
        "git tag -a v7.8.9 -m 'Strata 7.8.9' && git push origin v7.8.9",
        f".venv/bin/twine upload dist/{sdist.name} dist/{wheel.name}",
    )


def test_what_is_not_committed_stops_it(checkout: Path) -> None:
    (checkout / "README.md").write_text("Strata")
    (checkout / "new.py").write_text("")
    with pytest.raises(StackError, match=r"README\.md and 1 more are not committed: a release is built from a commit"):
        release(checkout)
    assert not (checkout / "dist").exists()


def test_a_version_without_a_dated_section_stops_it(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("# Changes\n\n## 7.8.9\n")
    git("commit", "--quiet", "--all", "--message", "No date", cwd=checkout)
    with pytest.raises(StackError, match=r"CHANGELOG\.md has no section `## 7\.8\.9 - YEAR-MONTH-DAY`"):
        release(checkout)
    assert not (checkout / "dist").exists()


@pytest.mark.long
def test_a_step_that_fails_is_named_with_its_last_words(checkout: Path) -> None:
    settings = checkout / "pyproject.toml"
    settings.write_text(settings.read_text().replace("setuptools.build_meta", "setuptools.no_such"))
    git("commit", "--quiet", "--all", "--message", "Broken", cwd=checkout)
    with pytest.raises(StackError, match=r"`uv build` failed in .*its last line: .+"):
        release(checkout)
