"""How rows are fetched: whether a question needs no merging, how many rows a request returns, and their order."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.history.buckets.pace import Pace
from opensearch_strata.history.query.borders import RowsOfSpan, Span
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.search_bodies import batches, count_body, fetch_body, rows_query
from opensearch_strata.history.query.single_rows.records import Layout, Records, State, records_of
from opensearch_strata.history.query.single_rows.runs import Run
from opensearch_strata.history.query.sources.existing import MonthSource

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

MOST_BYTES = 8 << 20
"""The records of an answer, which exist several times at once: as they come, decoded, and in order."""


def are_single(plan: ReadPlan) -> bool:
    """Whether each record of a bucket's length is one row: no groups are merged, and everything is a number."""
    question = plan.question
    kept_apart = {*question.by, *question.where}
    counted = question.dataset.counted.intersection(question.metrics)
    return kept_apart.issuperset(question.dataset.history.group_by) and not counted


def raw_spans(plan: ReadPlan) -> list[Span]:
    """First and last moment of the events of each raw day that is read."""
    ends = ((source.contents.first, source.contents.last) for source in plan.raw)
    return [(first, last) for first, last in ends if first is not None and last is not None]


class Fetching:
    """Fetches the rows of runs, about as many at a time as an answer may hold."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client
        self._pace: Pace | None = None

    def units(self, plan: ReadPlan, run: Run) -> int:
        """How many records of a run the next request asks for, at least one."""
        if self._pace is None:
            most = _most(_layout(plan))
            months = _months(plan, run)
            first = len(run)
            if sum(month.contents.documents for month in months) > most:
                rows = sum(self._count(plan, run, names) for names in batches([month.index for month in months]))
                first = len(run) * most * 4 // (5 * max(rows, 1))
            self._pace = Pace(sys.maxsize, first, most)
        return self._pace.units

    def _count(self, plan: ReadPlan, run: Run, indices: Sequence[str]) -> int:
        body = count_body(rows_query(plan, _rows(run)))
        return int(decisive.search(self._client, ",".join(indices), body)["hits"]["total"]["value"])

    def fetch(self, plan: ReadPlan, part: Run) -> Records | None:
        """The rows of a part of a run; None if there are more than an answer may hold.

        :raises NotFoundError: an index was deleted meanwhile
        """
        layout = _layout(plan)
        most = _most(layout)
        body = fetch_body(layout, rows_query(plan, _rows(part)), most)
        states: list[State] = []
        for indices in batches([month.index for month in _months(plan, part)]):
            answer = decisive.search(self._client, ",".join(indices), body)
            states += [state for state in answer["aggregations"]["rows"]["value"] if state is not None]
        if self._pace:
            self._pace.learn(len(part), sum(state[0] for state in states))
        if any(state[0] > most for state in states):
            return None
        return records_of(layout, plan.types, plan.steps, states)


def _months(plan: ReadPlan, run: Run) -> list[MonthSource]:
    return [month for month in plan.months if month.contents.touches(*run.span)]


def _layout(plan: ReadPlan) -> Layout:
    return Layout(plan.dataset, plan.question.by, plan.question.quantiles)


def _most(layout: Layout) -> int:
    return MOST_BYTES // layout.length


def _rows(run: Run) -> RowsOfSpan:
    return RowsOfSpan(run.span, [])
