"""The cells of an answer: one per time and group, merged from raw days and rows of history, in order and in pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import GOING_PAUSE, GOING_TRIES, going_on, is_going
from opensearch_strata.definition.levels import Level
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.pace import Pace
from opensearch_strata.history.buckets.partials import State, merged_of_states
from opensearch_strata.history.query.borders import partial_buckets
from opensearch_strata.history.query.checks import plan_read, refuse_moved
from opensearch_strata.history.query.group_order import key_order
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.search_bodies import (
    TIME,
    Body,
    Side,
    batches,
    page_body,
    part_query,
    raw_query,
)
from opensearch_strata.history.query.single_rows.fetching import Fetching, single_rows
from opensearch_strata.history.query.single_rows.records import Records
from opensearch_strata.history.query.single_rows.runs import Run, runs_of
from opensearch_strata.history.query.stretches import Stretch, stretches

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

OnProgress = Callable[[float], None]
"""Called with the share of the span that has been read, 0 .. 1."""

# Indices in a search over more than a day: its response time must not grow with the window.
_INDICES = 8
# Buckets held at the same time over all searches of a stretch.
_HELD = 2 * PAGE_SIZE
_LEAST_PAGE = 1000

# Milliseconds that a search for many records may cover: with raw days, and without.
_LONGEST_RAW, _LONGEST_HISTORY = 86_400_000, 31 * 86_400_000


@dataclass(frozen=True)
class Cell:
    """What was found for one time and group.

    :param time: epoch milliseconds
    :param groups: value of each field that is kept apart; None where documents lack it
    :param row: metric -> its statistics, see :func:`merged_of_states`; never empty
    :param source: ``raw``, ``history`` or ``both``
    """

    time: int
    groups: tuple[Any, ...]
    row: dict[str, dict[str, Any]]
    source: str


@dataclass(frozen=True)
class _Bucket:
    """One bucket of one search.

    :param order: sort key that orders buckets as the server does
    :param key: key as the server returned it; empty if nothing is kept apart
    :param level: whose rows were merged; None for base rows and raw documents
    """

    order: tuple[Any, ...]
    key: Body
    side: Side
    states: list[State]
    level: Level | None


class Recall:
    """An answer that is being read.

    :param plan: see :func:`opensearch_strata.history.query.checks.plan_read`
    """

    def __init__(self, client: OpenSearch, plan: ReadPlan) -> None:
        self._client = client
        self.plan = plan
        self._paces: dict[bool, Pace] = {}  # with raw documents, and without
        self._on_progress: OnProgress = lambda _: None
        self._read: set[Level] = set()

    @property
    def levels_read(self) -> list[str]:
        """Names of the levels of which some row is a part of the answer so far, that with the fewest rows first."""
        ordered = dict.fromkeys([*self.plan.levels, *self.plan.question.dataset.levels])
        return [level.name for level in ordered if level in self._read]

    def cells(self, on_progress: OnProgress = lambda _: None) -> Iterator[Cell | Records]:
        """Every cell that has a value, ordered by time and groups; a missing group value comes first.

        Cells that are rows of history come as records, many at once. Only a few pages of buckets, or the records of one
        answer, are held in memory, whatever the span. If a raw day is deleted meanwhile, reading continues from its
        history.

        :raises TransientError: rows were rebuilt while they were read, or indices were deleted or created all the time
        """
        self._on_progress = on_progress
        question = self.plan.question
        pieces = stretches(question, *self.plan.ends)
        if rows := single_rows(self.plan):
            fetching = Fetching(self._client, rows)
            for piece in runs_of(pieces, rows.border(question)):
                yield from self._of_run(fetching, piece) if isinstance(piece, Run) else self._of_stretch(piece)
        else:
            for piece in pieces:
                yield from self._of_stretch(piece)
        on_progress(1.0)
        refuse_moved(self._client, self.plan)

    def _of_run(self, fetching: Fetching, run: Run) -> Iterator[Cell | Records]:
        """Cells of a run: fetched, except for those that documents or rows of other sources belong to as well."""
        at = 0
        while at < len(run):
            part, is_single = fetching.next_part(self.plan, run.part(at, len(run)))
            records = self._fetch(fetching, part) if is_single else None
            if is_single and records is None and len(part) > 1:
                continue  # there are more rows than expected, or other sources by now: a smaller part comes next
            if records is not None:
                if fetching.rows.level and len(records):
                    self._read.add(fetching.rows.level)
                yield from self._with_repeated(part, records)
                self._went_to(part.end)
            else:
                for stretch in part.stretches():
                    yield from self._of_stretch(stretch)
            at += len(part)

    def _fetch(self, fetching: Fetching, part: Run) -> Records | None:
        """The rows of a part; None if there are too many of them, or if they are not the whole answer any more."""
        for left in reversed(range(GOING_TRIES)):
            try:
                return fetching.fetch(self.plan, part)
            except Exception as error:
                if not is_going(error):
                    raise
                self._look_again(error, left)
            if not fetching.is_single(self.plan, part):
                break
        return None

    def _with_repeated(self, part: Run, records: Records) -> Iterator[Cell | Records]:
        """The records of a part; at times at which a group has several rows, the cells that are merged from them."""
        done = 0
        for repeated in part.at(records.repeated()):
            yield records[done : records.place_of(repeated.span[0])]
            for stretch in repeated.stretches():
                yield from self._of_stretch(stretch)
            done = records.place_of(repeated.end)
        yield records[done:]

    def _of_stretch(self, piece: Stretch) -> Iterator[Cell]:
        """Cells of a stretch, whatever they are merged from."""
        rest: Stretch | None = piece
        while rest:
            pace, units = self._next(rest)
            part, rest = rest.cut(units)
            found = 0
            for cell in self._cells_of(part):
                found += 1
                yield cell
            pace.learn(part.units, found)
            self._went_to(part.end)

    def _next(self, rest: Stretch) -> tuple[Pace, int]:
        """The pace of what comes next, and how many units that is: some with raw documents, or some ahead of them."""
        raw = [d.contents.first for d in self.plan.raw if d.contents.touches(rest.start, rest.end)]
        ahead = rest.units_before(min(first for first in raw if first is not None)) if raw else rest.units
        has_raw = not ahead
        if has_raw not in self._paces:
            longest = _LONGEST_RAW if has_raw else _LONGEST_HISTORY
            most = longest // (rest.unit or longest)
            self._paces[has_raw] = Pace(most, 1 if self.plan.question.by else PAGE_SIZE)
        pace = self._paces[has_raw]
        return pace, pace.units if has_raw else min(pace.units, ahead)

    def _went_to(self, end: int) -> None:
        question = self.plan.question
        self._on_progress((end - question.start) / (question.end - question.start))

    def _cells_of(self, part: Stretch) -> Iterator[Cell]:
        """Cells of a stretch. If an index is deleted meanwhile, reading restarts after the last cell."""
        after: Body | None = None
        for left in reversed(range(GOING_TRIES)):
            try:
                for _, same in groupby(merge(*self._searches(part, after), key=_order_of), key=_order_of):
                    buckets = list(same)
                    after = buckets[0].key
                    if cell := self._cell(part, buckets):
                        yield cell
            except Exception as error:
                if not is_going(error):
                    raise
                self._look_again(error, left)
            else:
                return

    def _look_again(self, error: Exception, left: int) -> None:
        """Make a new plan after a search that met an index on its way out or in.

        :param left: how many more attempts there may be
        """
        if not left:
            raise going_on(repr(self.plan.question.dataset.name), error) from error
        # Retention only deletes what history holds, and a rewrite only a month that has another index. What was read so
        # far must be of the same rows as the rest.
        time.sleep(GOING_PAUSE)
        refuse_moved(self._client, self.plan)
        self.plan = plan_read(self._client, self.plan.question)

    def _cell(self, part: Stretch, buckets: Sequence[_Bucket]) -> Cell | None:
        row = self._row(buckets)
        if not row:
            return None
        filled = [bucket for bucket in buckets if len(buckets) == 1 or self._row([bucket])]
        sides = {bucket.side for bucket in filled}
        self._read |= {bucket.level for bucket in filled if bucket.level}
        key = buckets[0].key
        groups = tuple(key[group] for group in self.plan.question.by)
        time = key[TIME] if part.time is None else part.time
        return Cell(time, groups, row, sides.pop() if len(sides) == 1 else "both")

    def _row(self, buckets: Iterable[_Bucket]) -> dict[str, dict[str, Any]]:
        states = [state for bucket in buckets for state in bucket.states]
        return merged_of_states(self.plan.dataset, self.plan.question.metrics, states)

    def _searches(self, part: Stretch, after: Body | None) -> list[Iterator[_Bucket]]:
        """Ordered streams of buckets that together hold every document of a stretch exactly once."""
        plan = self.plan
        whole_span = [(part.start, part.end)]
        partial = partial_buckets(plan.question.bucket, part.start, part.end)
        wanted: list[tuple[Side, Body, Sequence[str], Level | None]] = []
        for rows in plan.parts(part.start, part.end):
            for names in _batches(part, plan.indices_of(rows)):
                wanted.append(("history", part_query(plan, rows), names, rows.level))
        for days, asked in ((plan.raw, whole_span), (plan.verified, partial)):
            for names in _batches(part, [day.index for day in days if day.contents.touches_any(asked)]):
                wanted.append(("raw", raw_query(plan, asked), names, None))
        size = max(_LEAST_PAGE, min(PAGE_SIZE, _HELD // max(len(wanted), 1)))
        return [self._buckets(side, level, names, query, part, after, size) for side, query, names, level in wanted]

    def _buckets(
        self,
        side: Side,
        level: Level | None,
        indices: Sequence[str],
        query: Body,
        part: Stretch,
        after: Body | None,
        size: int,
    ) -> Iterator[_Bucket]:
        plan = self.plan
        while True:
            body = page_body(plan, side, query, part, after, size)
            found = decisive.search(self._client, ",".join(indices), body)["aggregations"]
            if "page" not in found:  # nothing is kept apart
                yield _Bucket((), {}, side, found["metrics"]["value"], level)
                return
            buckets = found["page"]["buckets"]
            for bucket in buckets:
                key = bucket["key"]
                yield _Bucket(key_order(key, plan.types), key, side, bucket["metrics"]["value"], level)
            if len(buckets) < size:
                return
            after = buckets[-1]["key"]


def _order_of(bucket: _Bucket) -> tuple[Any, ...]:
    return bucket.order


def _batches(part: Stretch, names: Sequence[str]) -> Iterator[Sequence[str]]:
    is_long = part.end - part.start > _LONGEST_RAW
    return batches(names, _INDICES if is_long else None)
