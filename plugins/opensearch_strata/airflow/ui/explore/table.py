"""The records of an answer as text: in the table of the page, and as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Any

from opensearch_strata.airflow.ui.explore.answered import Answered

MOST_SHOWN = 200
"""Records in the table of the page."""
_MORE = {"avg": 2}
"""Decimals of a statistic that the values it is made of do not have."""


def as_text(answered: Answered) -> list[list[str | None]]:
    """The first records for the table of the page; all numbers of one metric and statistic have the same decimals.
    None is no value.

    :param answered: with all its records
    """
    return [list(_texts(answered, record)) for record in islice(answered.records, MOST_SHOWN)]


def _texts(answered: Answered, record: list[Any]) -> Iterator[str | None]:
    decimals = answered.decimals.get(record[answered.columns.index("metric")])
    for column, value in zip(answered.columns, record, strict=True):
        if not isinstance(value, float):
            yield None if value is None else f"{value}"
        elif decimals is None:
            yield f"{value:.6g}"
        else:
            yield f"{value:.{decimals + _MORE.get(column, 0)}f}"


def as_csv(answered: Answered) -> str:
    """All records as CSV, with a header. Texts that a spreadsheet would compute begin with an apostrophe.

    :param answered: with all its records
    """
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(answered.columns)
    for record in answered.records:
        writer.writerow([_cell(value) for value in record])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
