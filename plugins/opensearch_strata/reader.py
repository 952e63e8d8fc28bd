"""A dataset's past as frames: from the raw days that are not condensed yet, and from the history of those that are.

    >>> read(client, dataset, start, end, metrics=["dep_delay"], stats=["p50", "p99"], interval="1h", by=["carrier"])

Each raw day is read from one of its two sources: from history if the raw day is gone, or if its proof holds and no
document has arrived since; otherwise from raw. Both are read only if the raw day was recreated after its history was
condensed, so that the two hold different documents. The same script computes both, so they join without a seam.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.query.checks import plan_read
from opensearch_strata.history.query.frame import frames, joined
from opensearch_strata.history.query.question import Question
from opensearch_strata.history.query.recall import OnProgress, Recall

if TYPE_CHECKING:
    import pandas as pd
    from opensearchpy import OpenSearch


def read(
    client: OpenSearch,
    dataset: Dataset,
    start: datetime,
    end: datetime,
    *,
    metrics: Sequence[str],
    stats: Sequence[str],
    interval: str | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda _: None,
    on_note: Callable[[str], object] = lambda _: None,
) -> pd.DataFrame:
    """Statistics of metrics over a span of time, ordered by time and groups.

    The index ``time`` is the start of each record, in the dataset's time zone. The columns are the fields of ``by``;
    ``<metric>.<stat>`` for each metric and statistic, with counts as ``Int64`` and everything else as ``float64``, and
    a missing value where documents lack the metric; and ``source``: ``raw``, ``history`` or ``both``. ``frame.attrs``
    holds ``dataset``, ``units`` by metric, ``relative_errors`` of the percentiles by metric, ``distinct_errors`` (the
    standard errors of distinct counts) by metric, ``levels``: the names of the levels whose rows were read in place of
    base rows, and ``notes``: sentences about anything that is not as it should be, such as raw days that are at odds
    with their history, and how they were read.

    :param start: aware, inclusive. A bucket that the start or the end cuts is read from raw documents
    :param end: aware, exclusive
    :param metrics: names from the dataset's definition, at least one
    :param stats: ``min max sum count avg``, or percentiles such as ``p50`` and ``p99.9``, which are within the relative
        error of the exact value at rank ``floor(q * (n - 1))``. For a metric with ``top_values``: ``count`` and
        ``top``, a dictionary of ``values`` (value -> minimum and maximum of its occurrences, most frequent first), the
        ``rest``, and the ``bound`` that no other value exceeds. For a metric with ``distinct``: ``count`` and
        ``distinct``, how many different values there are, within the standard error
    :param interval: length of a record: ``15m``, ``1h``, ``6h`` for parts of a day; ``1d``, ``1M`` for calendar days
        and months in the dataset's time zone; None for the whole span
    :param by: fields of ``group_by`` to keep apart
    :param where: fields of ``group_by`` and the wanted value of each; None selects documents without the field
    :param on_progress: called with the share of the span that has been read, 0 .. 1
    :param on_note: called with each note before anything is read
    :returns: a frame that leaves out times and groups without any value
    :raises Refused: the data does not exist, or what exists cannot answer the question; the message has the reason
    :raises TransientError: rows or raw days were recreated while they were read, or were deleted one after another
    """
    recall = _begin(client, dataset, start, end, metrics, stats, interval, by, where, on_note)
    frame = joined(recall.plan, list(frames(recall.plan, recall.cells(on_progress), sys.maxsize)))
    frame.attrs["levels"] = recall.levels_read
    return frame


def read_pages(
    client: OpenSearch,
    dataset: Dataset,
    start: datetime,
    end: datetime,
    *,
    metrics: Sequence[str],
    stats: Sequence[str],
    interval: str | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda _: None,
    on_note: Callable[[str], object] = lambda _: None,
) -> Iterator[pd.DataFrame]:
    """What :func:`read` returns, in frames of at most 10,000 records, so that memory does not grow with the span.

    ``attrs["levels"]`` of a page names what was read until then. A refusal is raised before the first page. An error
    after that means that the pages so far are incomplete.
    """
    recall = _begin(client, dataset, start, end, metrics, stats, interval, by, where, on_note)
    return _pages(recall, on_progress)


def _pages(recall: Recall, on_progress: OnProgress) -> Iterator[pd.DataFrame]:
    for frame in frames(recall.plan, recall.cells(on_progress)):
        frame.attrs["levels"] = recall.levels_read
        yield frame


def _begin(
    client: OpenSearch,
    dataset: Dataset,
    start: datetime,
    end: datetime,
    metrics: Sequence[str],
    stats: Sequence[str],
    interval: str | None,
    by: Sequence[str],
    where: Mapping[str, Any] | None,
    on_note: Callable[[str], object],
) -> Recall:
    question = Question.checked(
        dataset, start, end, metrics=metrics, stats=stats, interval=interval, by=by, where=where
    )
    plan = plan_read(client, question)
    for note in plan.notes:
        on_note(note)
    return Recall(client, plan)
