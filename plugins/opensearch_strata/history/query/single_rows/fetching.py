"""How rows are fetched: whether a question needs no merging, how many rows a request returns, and their order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.buckets.pace import Pace
from opensearch_strata.history.query.borders import RowsOfSpan, Span
from opensearch_strata.history.query.level_choice.cover import PartOfRows, border
from opensearch_strata.history.query.question import Question
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.search_bodies import batches, count_body, fetch_body, part_query
from opensearch_strata.history.query.single_rows.records import Layout, Records, State, records_of
from opensearch_strata.history.query.single_rows.runs import Run

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

MOST_BYTES = 8 << 20
"""The records of an answer, which exist several times at once: as they come, decoded, and in order."""


@dataclass(frozen=True)
class SingleRows:
    """Rows each of which is a record of an answer, unless a late event made another row for it.

    :param level: whose rows; None for base rows
    """

    level: Level | None

    def border(self, question: Question) -> Callable[[int, bool], int]:
        """See :func:`opensearch_strata.history.query.single_rows.runs.runs_of`."""
        return lambda moment, after: border(question, self.level, moment, after=after)

    def part(self, plan: ReadPlan, run: Run) -> PartOfRows:
        """The rows of a run."""
        days = frozenset(plan.levels[self.level]) if self.level else frozenset[date]()
        return PartOfRows(self.level, RowsOfSpan(run.span, []), days)

    def others(self, plan: ReadPlan) -> list[Span]:
        """First and last moment of events that have to be merged with the rows: from raw days or from other rows."""
        ends = ((source.contents.first, source.contents.last) for source in plan.raw)
        raw = [(first, last) for first, last in ends if first is not None and last is not None]
        return [*raw, *(plan.elsewhere if self.level else ())]


def single_rows(plan: ReadPlan) -> SingleRows | None:
    """The rows that are the records of an answer; None if records are merged, or if not everything is a number."""
    question = plan.question
    if question.interval is None or question.dataset.counted.intersection(question.metrics):
        return None
    length, kept_apart = question.interval.length, {*question.by, *question.where}
    for level in plan.levels:
        if level.length == length and kept_apart == {*level.group_by}:
            return SingleRows(level)
    history = question.dataset.history
    return SingleRows(None) if length == history.bucket_length and kept_apart == {*history.group_by} else None


class Fetching:
    """Fetches the rows of runs, about as many at a time as an answer may hold."""

    def __init__(self, client: OpenSearch, rows: SingleRows) -> None:
        self._client = client
        self.rows = rows
        self._pace: Pace | None = None

    def next_part(self, plan: ReadPlan, run: Run) -> tuple[Run, bool]:
        """The part of a run that is read next, from its beginning, and whether its rows are the answer.

        :raises NotFoundError: an index was deleted meanwhile
        """
        if single_rows(plan) != self.rows:  # the plan is not the one that the run was made for
            return run, False
        part, is_touched = run.divided(self.rows.others(plan))
        return (part, False) if is_touched else (part.part(0, self._units(plan, part)), True)

    def is_single(self, plan: ReadPlan, run: Run) -> bool:
        """Whether the rows of a run are the answer, by a plan that is not the one that the run was made for."""
        return single_rows(plan) == self.rows and not run.is_touched(self.rows.others(plan))

    def _units(self, plan: ReadPlan, run: Run) -> int:
        """How many records of a run the next request asks for, at least one."""
        if self._pace is None:
            self._pace = Pace(sys.maxsize, self._first_units(plan, run), _most(_layout(plan)))
        return self._pace.units

    def _first_units(self, plan: ReadPlan, run: Run) -> int:
        most, part = _most(_layout(plan)), self.rows.part(plan, run)
        names = plan.indices_of(part)
        if _known(plan, part, names) <= most:
            return len(run)
        body = count_body(part_query(plan, part))
        answers = (decisive.search(self._client, ",".join(batch), body) for batch in batches(names))
        rows: int = sum(answer["hits"]["total"]["value"] for answer in answers)
        return len(run) * most * 4 // (5 * max(rows, 1))

    def fetch(self, plan: ReadPlan, run: Run) -> Records | None:
        """The rows of a run; None if there are more than an answer may hold.

        :raises NotFoundError: an index was deleted meanwhile
        """
        layout = _layout(plan)
        most = _most(layout)
        part = self.rows.part(plan, run)
        body = fetch_body(layout, part_query(plan, part), most)
        states: list[State] = []
        for names in batches(plan.indices_of(part)):
            answer = decisive.search(self._client, ",".join(names), body)
            states += [state for state in answer["aggregations"]["rows"]["value"] if state is not None]
        if self._pace:
            self._pace.learn(len(run), sum(state[0] for state in states))
        if any(state[0] > most for state in states):
            return None
        return records_of(layout, plan.types, plan.steps, states)


def _known(plan: ReadPlan, part: PartOfRows, names: Collection[str]) -> int:
    """The most rows that a part can have, as far as that is known without a question."""
    if part.level:
        return sum(plan.levels[part.level].values())
    return sum(month.contents.documents for month in plan.months if month.index in names)


def _layout(plan: ReadPlan) -> Layout:
    return Layout(plan.dataset, plan.question.by, plan.question.quantiles)


def _most(layout: Layout) -> int:
    return MOST_BYTES // layout.length
