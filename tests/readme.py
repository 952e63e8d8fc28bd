"""What the README shows of `make run`, and whether it was printed."""

from __future__ import annotations

import re

from local.places import PROJECT

VARIES = re.compile(r"\d+ s\b|\d+,\d{3}(?= │)|20[2-9]\d-\d\d-\d\d|…")
"""Seconds, bytes in tables (with a comma), days from today on, and what the README leaves out."""


def assert_printed_as_shown(printed: str, since: str = "Wrote") -> None:
    """All lines that the README shows were printed, in this order, with any other lines between them.

    Columns may be wider, and bytes, seconds and today's date others.

    :param since: how the first of these lines begins
    """
    lines = iter([_narrow(line) for line in printed.splitlines()])
    for line in _shown(since):
        pattern = _pattern(_narrow(line))
        assert any(pattern.fullmatch(there) for there in lines), f"{line}\nis not, or not in its place, in\n{printed}"


def _shown(since: str) -> list[str]:
    text = (PROJECT / "README.md").read_text()
    (block,) = re.findall(r"^```text\n(Wrote .*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in block.splitlines() if re.search(r"\w", line)]
    (first,) = [number for number, line in enumerate(lines) if line.startswith(since)]
    return lines[first:]


def _pattern(line: str) -> re.Pattern[str]:
    found, end = "", 0
    for mark in VARIES.finditer(line):
        found += re.escape(line[end : mark.start()]) + (".*" if mark[0] == "…" else r"[\d,-]+( s\b)?")
        end = mark.end()
    return re.compile(found + re.escape(line[end:]))


def _narrow(line: str) -> str:
    return re.sub(r"\s+", " ", line.strip())
