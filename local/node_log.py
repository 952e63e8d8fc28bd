"""Why an OpenSearch node died, from what it wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable

TELLING = (
    re.compile(r"(?P<reason>There is insufficient memory for the Java Runtime Environment.*)"),
    re.compile(r"(?P<reason>Could not reserve enough space .*)"),
    re.compile(r"Likely root cause: (?:[\w$]+\.)*(?P<reason>.+)"),
    re.compile(r"Caused by: (?:[\w$]+\.)*(?P<reason>.+)"),
    re.compile(
        re.compile(r'^(?:Exception in thread "\S+" )?(?:[\w$]+\.)+(?P<reason>\w+(?:Exception|Error): .+)'),
    ),
    re.compile(r"^(?:Error|ERROR): (?P<reason>.+)"),
)
"""Most telling first; of several lines of one kind the last is nearest to the root."""


def failure_reason(lines: Iterable[str]) -> str:
    """The line of a node's log that says why it died, without Java class names; the last line if none says so."""
    written = [line.strip() for line in lines if line.strip()]
    for pattern in TELLING:
        for line in reversed(written):
            if found := pattern.search(line):
                return found["reason"].rstrip(".")
    return written[-1] if written else "it wrote nothing"
