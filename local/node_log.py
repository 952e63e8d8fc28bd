"""Finds the reason why a service died in its log."""

from __future__ import annotations

import re
from collections.abc import Iterable

TELLING = (
    # OpenSearch's summary: a headline alone, and below it the exception in one line.
    re.compile(r"^uncaught exception in thread \[main\]\n(?:[\w$]+\.)*(?P<reason>.+)", re.MULTILINE),
    # Java, before OpenSearch has started.
    re.compile(r"^(?:# )?(?P<reason>There is insufficient memory for the Java Runtime Environment)", re.MULTILINE),
    re.compile(r"^(?P<reason>(?:Invalid|Unrecognized|Too small|Initial heap size) .+)", re.MULTILINE),
    # The last exception, from Java or Python.
    re.compile(r"(?s:.*)^(?:Caused by: )?(?:[\w$]+\.)*(?P<reason>[A-Z]\w*(?:Exception|Error): .+)", re.MULTILINE),
)
"""Patterns of telling lines, the most telling first."""


def failure_reason(lines: Iterable[str]) -> str:
    """The line of a log that says why its process died, without package names; the last line if none does."""
    written = [line.strip() for line in lines if line.strip()]
    for pattern in TELLING:
        if found := pattern.search("\n".join(written)):
            return found["reason"].rstrip(".; ")
    return written[-1].rstrip(".") if written else "it wrote nothing"
