"""The documents as a site: built strictly, and the same on the site as on GitHub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from local.places import PROJECT

SOURCES = ("mkdocs.yml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "benchmarks")
TAGS = ("h1", "h2", "h3", "h4", "p", "li", "ol", "ul", "pre", "tr", "th", "td", "img", "em", "strong")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of all that the site is made from."""
    for name in SOURCES:
        source = PROJECT / name
        (shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path))
    return tmp_path


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make docs` runs, elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def tags(html: str) -> Counter[str]:
    return Counter({tag: len(re.findall(f"<{tag}[ >]", html)) for tag in TAGS})


def test_every_page_has_the_same_lists_tables_and_blocks_as_on_github(sources: Path) -> None:
    built = build(sources)
    assert built.returncode == 0, built.stderr
    github = MarkdownIt("commonmark").enable("table")
    places = [path.relative_to(sources) for path in sources.rglob("*.md")]
    assert len(places) > 15
    for place in places:
        folder = place.parent if place.name == "README.md" else place.with_suffix("")
        site = (sources / "build" / "site" / folder / "index.html").read_text()
        article = site[site.index("<article") : site.index("</article>")]
        assert tags(article) == tags(github.render((sources / place).read_text())), place


@pytest.mark.long  # every build takes 5 s
@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("docs/datasets.md#no-such-heading", "does not contain an anchor '#no-such-heading'"),
        ("docs/no_such_page.md", "the target is not found among documentation files"),
        ("../outside.md", "../outside.md"),
    ],
)
def test_a_link_that_leads_nowhere_stops_the_build(sources: Path, link: str, complaint: str) -> None:
    with (sources / "README.md").open("a") as page:
        page.write(f"\n[Somewhere]({link})\n")
    built = build(sources)
    assert built.returncode != 0
    assert complaint in built.stderr


@pytest.mark.long
def test_a_page_that_no_menu_shows_stops_the_build(sources: Path) -> None:
    (sources / "docs" / "forgotten.md").write_text("# Forgotten\n")
    built = build(sources)
    assert built.returncode != 0
    assert "docs/forgotten.md" in built.stderr
