"""The metrics that the documentation names."""

from __future__ import annotations

import re

from local.places import PROJECT

OPERATIONS = PROJECT / "docs" / "operations.md"


def documented_metrics() -> dict[str, str]:
    """Name -> kind in the table of metrics; `.rows` after `strata.cycle.documents` is short for its full name."""
    section = OPERATIONS.read_text().partition("## Metrics\n")[2].partition("### Alerts\n")[0]
    found = {}
    for cell, kind in re.findall(r"^\| (`strata[^|]+) \| (\w+)", section, re.MULTILINE):
        first, *more = re.findall(r"`([\w.]+)`", cell)
        for name in (first, *(first.rpartition(".")[0] + name for name in more)):
            found[name] = kind
    return found
