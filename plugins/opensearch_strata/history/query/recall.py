"""The cells of an answer: one per time and group, merged from raw days and rows of history, in order and in pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from ipaddress import ip_address
from itertools import groupby
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import GOING_PAUSE, GOING_TRIES, going_on, is_going
from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.pace import Pace
from opensearch_strata.history.buckets.partials import State, merged_of_states
from opensearch_strata.history.query.borders import partial_buckets, rows_of_span
from opensearch_strata.history.query.checks import plan_read, refuse_moved
from opensearch_strata.history.query.read_plan import ReadPlan
from opensearch_strata.history.query.search_bodies import TIME, Body, Side, page_body, raw_query, rows_query
from opensearch_strata.history.query.stretches import Stretch, stretches

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

OnProgress = Callable[[float], None]
"""Called with the share of the span that has been read, 0 .. 1."""

# Characters of index names in one search, whose request line may have at most 4 KiB.
_LINE = 3000
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
    """

    order: tuple[Any, ...]
    key: Body
    side: Side
    states: list[State]


class Recall:
    """An answer that is being read.

    :param plan: see :func:`opensearch_strata.history.query.checks.plan_read`
    """

    def __init__(self, client: OpenSearch, plan: ReadPlan) -> None:
        self._client = client
        self.plan = plan

    def cells(self, on_progress: OnProgress = lambda _: None) -> Iterator[Cell]:
        """Every cell that has a value, ordered by time and groups; a missing group value comes first.

        Only a few pages of buckets are held in memory, whatever the span. If a raw day is deleted meanwhile, reading
        continues from its history.

        :raises TransientError: rows were rebuilt while they were read, or indices were deleted or created all the time
        """
        start, end = self.plan.question.start, self.plan.question.end
        longest = _LONGEST_RAW if self.plan.raw else _LONGEST_HISTORY
        pace: Pace | None = None
        for piece in stretches(self.plan.question, *self.plan.ends):
            pace = pace or Pace(longest // (piece.unit or longest), 1 if self.plan.question.by else PAGE_SIZE)
            rest: Stretch | None = piece
            while rest:
                part, rest = rest.cut(pace.units)
                found = 0
                for cell in self._cells_of(part):
                    found += 1
                    yield cell
                pace.learn(part.units, found)
                on_progress((part.end - start) / (end - start))
        on_progress(1.0)
        refuse_moved(self._client, self.plan)

    def _cells_of(self, part: Stretch) -> Iterator[Cell]:
        """Cells of a stretch. If an index is deleted meanwhile, reading restarts after the last cell."""
        after: Body | None = None
        whose = repr(self.plan.question.dataset.name)
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
                if not left:
                    raise going_on(whose, error) from error
                # Retention only deletes what history holds, and a rewrite only a month that has another index. What
                # was read so far must be of the same rows as the rest.
                time.sleep(GOING_PAUSE)
                refuse_moved(self._client, self.plan)
                self.plan = plan_read(self._client, self.plan.question)
            else:
                return

    def _cell(self, part: Stretch, buckets: Sequence[_Bucket]) -> Cell | None:
        row = self._row(buckets)
        if not row:
            return None
        sides = {bucket.side for bucket in buckets if len(buckets) == 1 or self._row([bucket])}
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
        rows = rows_of_span(plan.question, part.start, part.end)
        wanted: list[tuple[Side, Body, Sequence[str]]] = []
        for names in _batches(part, [month.index for month in plan.months if month.contents.touches_any(rows.buckets)]):
            wanted.append(("history", rows_query(plan, rows), names))
        for days, asked in ((plan.raw, whole_span), (plan.verified, partial)):
            for names in _batches(part, [day.index for day in days if day.contents.touches_any(asked)]):
                wanted.append(("raw", raw_query(plan, asked), names))
        size = max(_LEAST_PAGE, min(PAGE_SIZE, _HELD // max(len(wanted), 1)))
        return [self._buckets(side, names, query, part, after, size) for side, query, names in wanted]

    def _buckets(
        self, side: Side, indices: Sequence[str], query: Body, part: Stretch, after: Body | None, size: int
    ) -> Iterator[_Bucket]:
        plan = self.plan
        while True:
            body = page_body(plan, side, query, part, after, size)
            found = decisive.search(self._client, ",".join(indices), body)["aggregations"]
            if "page" not in found:  # nothing is kept apart
                yield _Bucket((), {}, side, found["metrics"]["value"])
                return
            buckets = found["page"]["buckets"]
            for bucket in buckets:
                key = bucket["key"]
                yield _Bucket(_order(plan, key), key, side, bucket["metrics"]["value"])
            if len(buckets) < size:
                return
            after = buckets[-1]["key"]


def _order_of(bucket: _Bucket) -> tuple[Any, ...]:
    return bucket.order


def _order(plan: ReadPlan, key: Body) -> tuple[Any, ...]:
    """Sort key that orders keys as the server does: missing values first, texts by code point, addresses by bytes."""
    return tuple(
        (False,) if value is None else (True, _address(value) if plan.types.get(name) == "ip" else value)
        for name, value in key.items()
    )


def _address(text: str) -> bytes:
    """An address as Lucene stores it: 16 bytes, with IPv4 mapped to IPv6."""
    packed = ip_address(text).packed
    return packed if len(packed) == 16 else b"\0" * 10 + b"\xff" * 2 + packed


def _batches(part: Stretch, names: Sequence[str]) -> Iterator[Sequence[str]]:
    most = _LINE // (1 + max(map(len, names), default=0))
    if part.end - part.start > _LONGEST_RAW:
        most = min(most, _INDICES)
    return (names[first : first + most] for first in range(0, len(names), most))
