"""Lays the site out as the repository is, so that one link works on GitHub and on the site alike. Run by MkDocs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).resolve().parents[1]
SHOWN = ("*.md", "docs/**/*.md", "docs/images/*", "benchmarks/**/*.md", "benchmarks/**/*.py")
"""The pages, and what they show or link to."""

PURPOSE = re.compile(r"^(```\w+) .+$", re.MULTILINE)
"""A second word after the language tells our tests what to do with a block; MkDocs takes it for no block at all."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Takes the repository's files instead of those that MkDocs found in ``docs_dir``; the theme's stay.

    :param files: what MkDocs found.
    :param config: what ``mkdocs.yml`` says.
    :returns: pages and images under their path in the repository.
    """
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in sorted({path for pattern in SHOWN for path in PROJECT.glob(pattern)}):
        files.append(File.generated(config, path.relative_to(PROJECT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Takes the second word off the first line of a block.

    :param markdown: a page's text.
    :returns: the text that is rendered.
    """
    return PURPOSE.sub(r"\1", markdown)
