"""Whether a recreated raw day holds everything that its rows carry from the previous index.

A day may be deleted and come back: restored from its archive or a snapshot, or created again by a producer that flushed
its buffer late. Rows of the first index must never be replaced by those of the second unless the second holds the same
documents. Rows describe their documents but do not identify them, so the new index may stand for the old one only if
every row is the same. A day that holds more, even one that a backfill restored, may lack documents of the old index and
hold others that look like them. In that case a person has to confirm that the new index is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY, Page, Pages, each_page
from opensearch_strata.history.month.row_ids import row_of_bucket
from opensearch_strata.history.month.rows_of_day import Carried, of_day
from opensearch_strata.history.raw_day.inspection import RawDay
from opensearch_strata.sketches import hyperloglog
from opensearch_strata.sketches.ddsketch import unpack

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class _Met:
    """The stored rows that match a page: how many there are, and the first one that carries more than raw holds."""

    rows: int
    problem: str = ""


def require_contained(
    client: OpenSearch, dataset: Dataset, raw: RawDay, there: Carried, *, redefine: bool = False
) -> None:
    """Make sure that a raw day holds everything that rows from another index carry. Changes nothing.

    :param there: what the rows carry
    :param redefine: the rows' metrics had a different meaning, so only the numbers of documents are compared
    :raises Refused: it does not; the message names the first group and hour
    """
    known = [] if redefine else list(dataset.metrics)
    pages = Pages(client, dataset, raw, partial(rows_body, dataset))
    met: list[_Met] = []
    each_page(pages, lambda page: _compare(client, dataset, raw, page, known), met.extend)
    problems = [page.problem for page in met if page.problem]
    missing = there.rows - sum(page.rows for page in met)
    if missing and not problems:
        problems = [f"it has no document for {missing:,} of its {counted(there.rows, 'row')}"]
    anew = f"{raw.index} was recreated after its rows were condensed from an index that is gone"
    if problems:
        raise Refused(
            f"{anew}, and does not hold everything that they carry ({counted(there.documents, 'document')}): "
            f"{min(problems)}. Nothing was written, and the raw day was kept. Restore the whole day with a backfill. "
            f"Or, if the present index is right and what the rows carry may be lost, {persons_word(dataset, raw.day)}."
        )
    if raw.documents > there.documents:
        raise Refused(
            f"{anew}. It holds {counted(raw.documents, 'document')} and they carry {there.documents:,}, and nothing "
            f"shows whether it includes those. Nothing was written, and the raw day was kept; readers get a note. If "
            f"the whole day was restored and more documents arrived, {persons_word(dataset, raw.day)}. If these are "
            f"late documents of a day that was deleted, restore that day with a backfill first."
        )


def persons_word(dataset: Dataset, day: date) -> str:
    """How a person confirms that a raw day is right and its rows are not, as a phrase."""
    return (
        f"confirm it once: strata condense {dataset.name} {day} --allow-poorer, or in Airflow run "
        f"{dataset.name}_daily_cycle for {day} with Allow poorer"
    )


def _compare(client: OpenSearch, dataset: Dataset, raw: RawDay, page: Page, known: list[str]) -> _Met:
    transform_id = dataset.transform_id(raw.day)
    made = dict(row_of_bucket(dataset, transform_id, bucket) for bucket in page.buckets)
    if not made:
        return _Met(0)
    leaves = [f"metrics.{name}.{leaf}" for name in known for leaf in _leaves(dataset, name)]
    body = {
        "size": len(made),
        "_source": False,
        "docvalue_fields": ["transform._doc_count", *leaves],
        "query": {"bool": {"filter": [of_day(dataset, raw.day), {"ids": {"values": list(made)}}]}},
    }
    hits = PATIENTLY(decisive.search, client, dataset.month_index(raw.day), body)["hits"]["hits"]
    problems = [
        f"in {_place(dataset, made[hit['_id']])} {problem}"
        for hit in hits
        if (problem := shortfall(dataset, known, _values(hit), made[hit["_id"]]))
    ]
    return _Met(len(hits), min(problems, default=""))


def _leaves(dataset: Dataset, name: str) -> list[str]:
    return [*dataset.metrics[name].stats, *dataset.distribution_leaf(name)]


def _values(hit: Mapping[str, Any]) -> Fields:
    return {path: values[0] for path, values in hit.get("fields", {}).items()}


def _place(dataset: Dataset, row: Mapping[str, Any]) -> str:
    """A row's group and hour in words."""
    groups = ", ".join(f"{field} {row[field]!r}" for field in dataset.history.group_by)
    try:
        moment = f"{datetime.fromtimestamp(row['@timestamp'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        moment = "no time"
    return f"{groups}, {moment},"


def shortfall(dataset: Dataset, known: list[str], stored: Fields, made: Mapping[str, Any]) -> str:
    """What a stored row carries that the raw day's present row does not, as a phrase; empty if there is nothing. Pure.

    If both rows count equally many values of a metric, all that is kept of the metric must be the same. If the raw day
    has more values, its extremes must be at least as far apart and each bin of its sketch at least as full.

    :param known: metrics to compare
    :param stored: field path -> value, as doc values return it
    :param made: the row that the raw day produces now
    """
    documents = stored.get("transform._doc_count", 0)
    if made["_doc_count"] < documents:
        return f"it has {counted(made['_doc_count'], 'document')}, but the row carries {documents:,}"
    for name in known:
        before = {leaf: stored[path] for leaf in _leaves(dataset, name) if (path := f"metrics.{name}.{leaf}") in stored}
        now: Mapping[str, Any] = made["metrics"].get(name, {"count": 0})
        count = before.get("count", 0)
        if now["count"] < count:
            return f"{name} has {counted(now['count'], 'value')}, but the row carries {count:,}"
        slack = 0.0 if (decimals := dataset.decimals(name)) is None else 0.5 / 10.0**decimals
        if count and (leaf := _differing(before, now, slack, same=now["count"] == count)):
            return f"{leaf} of {name} is not what the row carries"
    return ""


def _differing(before: Fields, now: Fields, slack: float, *, same: bool) -> str:
    """The first statistic that cannot come from the same documents.

    :param slack: how much rounding may change one value
    :param same: whether both have equally many values
    """
    for leaf, value in before.items():
        if leaf not in now or leaf in ("count", "avg") or (leaf in ("sum", "top") and not same):
            continue
        if leaf == "sketch":
            holds = _bins_hold(value, now[leaf], same)
        elif leaf == "registers":
            holds = _registers_hold(value, now[leaf], same)
        elif leaf == "top":
            holds = _same_text(value, now[leaf])
        elif leaf == "sum":
            holds = _near(value, now[leaf], max(slack * now["count"], 1e-9 * _largest(before)))
        else:
            wider = now[leaf] <= value if leaf == "min" else now[leaf] >= value
            holds = _near(value, now[leaf], slack) or (wider and not same)
        if not holds:
            return leaf
    return ""


def _largest(row: Fields) -> float:
    """The scale for the error of a sum whose values cancel."""
    return float(row.get("count", 0)) * max(abs(float(row.get(leaf, 0.0))) for leaf in ("min", "max"))


def _near(one: float, other: float, slack: float) -> bool:
    """Whether two numbers are equal, apart from what storing them in their fields and rounding them may change."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=slack + 1e-12)


def _same_text(one: str, other: str) -> bool:
    """Whether two texts are equal, apart from the padding, which doc values omit."""
    return one.rstrip("=") == other.rstrip("=")


def _bins_hold(before: str, now: str, same: bool) -> bool:
    old, step = unpack(before + "=" * (-len(before) % 4))
    new, new_step = unpack(now)
    if step != new_step:  # from another definition; its counts and extremes are compared instead
        return True
    return old == new if same else all(new.get(place, 0) >= count for place, count in old.items())


def _registers_hold(before: str, now: str, same: bool) -> bool:
    old, new = hyperloglog.unpack(before + "=" * (-len(before) % 4)), hyperloglog.unpack(now)
    return new.holds(old) and (old.holds(new) or not same)
