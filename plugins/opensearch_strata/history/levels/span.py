"""The levels of a span of days, built from the rows that exist, whether their raw days are there or long gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between, last_of_month
from opensearch_strata.errors import Refused, StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.outcome import Mode, UnitLevels

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def levels_of_span(client: OpenSearch, dataset: Dataset, first: date, last: date, mode: Mode) -> Iterator[UnitLevels]:
    """The levels of each day of a span, and of each month after its last day. One that fails never holds up the others.

    :param first: first day, inclusive
    :param last: last day, inclusive
    :raises Refused: the span is empty, or the dataset has no levels
    """
    if last < first:
        raise Refused(f"The span from {first} to {last} is empty; let it end on its first day or later.")
    if not dataset.levels:
        raise Refused(f"{dataset.name!r} has no levels: history.levels is empty. Name some, or leave the key out.")
    of_months = any(level.is_of_months for level in dataset.levels)
    for day in days_between(first, last):
        yield _looked(f"{day}", partial(levels_of_day, client, dataset, day, mode))
        if of_months and day in (last, last_of_month(day)):
            yield _looked(f"{day:%Y-%m}", partial(levels_of_month, client, dataset, day, mode))


def _looked(unit: str, look: Callable[[], UnitLevels]) -> UnitLevels:
    from opensearchpy import OpenSearchException

    try:
        return look()
    except (StrataError, OpenSearchException) as error:
        return UnitLevels(unit, note=explain(error), failed=True)
