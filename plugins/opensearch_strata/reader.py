"""A dataset's past as frames: from raw days where they are not yet condensed, from their history where they are.

    >>> read(client, dataset, start, end, metrics=["dep_delay"], stats=["p50", "p99"], interval="1h", by=["carrier"])

Each raw day is read from one of its two sources: from history if it is gone, or if its proof holds and no document
came since; else from raw. Only where a day was made anew after its history, so that the two are different documents,
are both read. Both are computed by the same script, so the two join without a seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.query.cells import OnProgress, Recall
from opensearch_strata.history.query.checks import plan_read
from opensearch_strata.history.query.frame import frames, joined
from opensearch_strata.history.query.question import Question

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

    The index ``time`` is when a record begins, in the dataset's time zone. Columns are the fields of ``by``;
    ``<metric>.<stat>`` for each metric and statistic: counts as ``Int64``, all else as ``float64``, missing where
    documents lack the metric; and ``source``: ``raw``, ``history`` or ``both``. ``frame.attrs`` holds ``dataset``,
    ``units`` by metric, ``relative_errors`` of the percentiles by metric and ``notes``: sentences on what is not as it
    should be, such as raw days that are at odds with their history, and how they were read.

    :param start: aware, inclusive. A bucket that start or end cuts is read from raw documents
    :param end: aware, exclusive
    :param metrics: names in the dataset's definition, at least one
    :param stats: ``min max sum count avg``, or percentiles such as ``p50`` and ``p99.9``: within the relative error of
        the exact value at rank ``floor(q * (n - 1))``. Of a metric with ``top_values``: ``count`` and ``top``, a
        dictionary of ``values`` (value -> least and most that it occurred, most frequent first), the ``rest`` and the
        ``bound`` that no other value exceeds
    :param interval: length of a record: ``15m``, ``1h``, ``6h``: parts of a day; ``1d``, ``1M``: calendar days and
        months of the dataset's time zone; None: the whole span
    :param by: fields of ``group_by`` to keep apart
    :param where: fields of ``group_by`` and the value wanted; None: documents without one
    :param on_progress: called with the share of the span that is read, 0 .. 1
    :param on_note: called with each of the notes before anything is read
    :returns: times and groups without any value are left out
    :raises Refused: what is asked is not there, or cannot be told from what is there, with the reason
    :raises TransientError: rows or raw days were made anew while they were read
    """
    recall = _begin(client, dataset, start, end, metrics, stats, interval, by, where, on_note)
    return joined(recall.plan, list(frames(recall.plan, recall.cells(on_progress))))


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
    """What :func:`read` gives, in frames of at most 10,000 records: memory does not grow with the span.

    What is refused is refused before the first page. An error on the way means that the pages so far are not all.
    """
    recall = _begin(client, dataset, start, end, metrics, stats, interval, by, where, on_note)
    return frames(recall.plan, recall.cells(on_progress))


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
