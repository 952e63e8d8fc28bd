"""``make run`` does what the README shows, line by line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from local.places import PROJECT

pytestmark = pytest.mark.long  # a stack of its own, for two minutes

VARIES = re.compile(r"\d+ s\b|[\d,]+ bytes\b|\d+,\d{3}(?= │)|20[2-9]\d-\d\d-\d\d|…")
"""Seconds, bytes, days from today on, and what the README leaves out; bytes of tables have a comma."""


def shown() -> list[str]:
    """The lines that the README shows, without those that only stand for others."""
    (block,) = re.findall(r"^```text\n(Wrote .*?)^```", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for line in block.splitlines() if re.search(r"\w", line)]


def pattern_of(line: str) -> re.Pattern[str]:
    """What a line of the README stands for; columns are as wide as their contents."""
    pieces = VARIES.split(_narrow(line))
    marks = VARIES.findall(_narrow(line))
    found = "".join(
        re.escape(piece) + ("" if mark is None else ".*" if mark == "…" else r"[\d,-]+( s\b| bytes\b)?")
        for piece, mark in zip(pieces, [*marks, None], strict=True)
    )
    return re.compile(found)


def _narrow(line: str) -> str:
    return re.sub(r"\s+", " ", line.strip())


def test_make_run_prints_what_the_readme_shows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "run"], cwd=PROJECT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    printed = iter([_narrow(line) for line in done.stdout.splitlines()])
    for line in shown():  # in this order, with other lines between them
        pattern = pattern_of(line)
        assert any(pattern.fullmatch(there) for there in printed), (
            f"{line}\nis not, or not in its place, in\n{done.stdout}"
        )
