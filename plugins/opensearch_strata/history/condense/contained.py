"""Whether a raw day that was created anew holds all that its rows carry from the index before.

A day may be deleted and come back: restored from its archive or a snapshot, or created once more by a producer whose
buffer was late. Rows of the first index must never be replaced by those of the second unless that holds the same
documents. Rows say much of their documents, but not who they are; so the new index may stand for the old one only where
each row is the same. A day that holds more, even one that a backfill brought, may lack documents of the old one beside
others that look like them: a person has to say that it is the truth.
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
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.pages import PATIENTLY, Page, Pages, each_page
from opensearch_strata.history.month.row_ids import row_of_bucket
from opensearch_strata.history.month.rows_of_day import Carried, of_day
from opensearch_strata.history.raw_day.inspection import RawDay
from opensearch_strata.sketches.ddsketch import unpack

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class _Met:
    """What a page says of the stored rows: how many it met, and the first that is more than what raw has."""

    rows: int
    problem: str = ""


def require_contained(
    client: OpenSearch, dataset: Dataset, raw: RawDay, there: Carried, *, redefine: bool = False
) -> None:
    """Make sure that a raw day holds all that rows from another index carry. Changes nothing.

    :param there: what the rows carry
    :param redefine: the rows' metrics meant something else; only their documents are compared
    :raises Refused: it does not, with the first group and hour
    """
    known = [] if redefine else list(dataset.metrics)
    pages = Pages(client, dataset, raw, partial(rows_body, dataset))
    met = each_page(pages, lambda page: _compare(client, dataset, raw, page, known))
    problems = [page.problem for page in met if page.problem]
    missing = there.rows - sum(page.rows for page in met)
    if missing and not problems:
        problems = [f"of {missing} of its {there.rows} rows it has no document"]
    anew = f"{raw.index} was created anew since its rows were condensed from an index that is gone"
    if problems:
        raise Refused(
            f"{anew}, and does not hold all that they carry ({there.documents} documents): {min(problems)}. Nothing "
            f"was written, and the raw day was kept. Restore the whole day with a backfill. Or, if what is there now "
            f"is the truth and what the rows carry may go, {persons_word(dataset, raw.day)}."
        )
    if raw.documents > there.documents:
        raise Refused(
            f"{anew}. It holds {raw.documents} documents, they carry {there.documents}, and nothing tells whether "
            f"these are among those. Nothing was written, and the raw day was kept; readers are told. If the day was "
            f"restored as a whole and more came, {persons_word(dataset, raw.day)}. If these are late documents of a "
            f"day that was deleted, restore that with a backfill first."
        )


def persons_word(dataset: Dataset, day: date) -> str:
    """How a person says that a raw day is right and its rows are not, as a phrase."""
    return (
        f"say so once: strata condense {dataset.name} {day} --allow-poorer, or in Airflow run "
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
    distribution = ["sketch"] if name in dataset.sketches else ["top"] if name in dataset.top_values else []
    return [*dataset.metrics[name].stats, *distribution]


def _values(hit: Mapping[str, Any]) -> Fields:
    return {path: values[0] for path, values in hit.get("fields", {}).items()}


def _place(dataset: Dataset, row: Mapping[str, Any]) -> str:
    """A row's group and hour as words."""
    groups = ", ".join(f"{field} {row[field]!r}" for field in dataset.history.group_by)
    try:
        moment = f"{datetime.fromtimestamp(row['@timestamp'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        moment = "no time"
    return f"{groups}, {moment},"


def shortfall(dataset: Dataset, known: list[str], stored: Fields, made: Mapping[str, Any]) -> str:
    """What a stored row carries that the raw day's own row does not, as a phrase; empty if it is contained. Pure.

    A metric of which both count as many values must be the same in all that is kept of it; where the raw day has more,
    its extremes must be at least as wide and each bin of its sketch at least as full.

    :param known: metrics to compare
    :param stored: field path -> value, as doc values give it
    :param made: of the raw day now
    """
    documents = stored.get("transform._doc_count", 0)
    if made["_doc_count"] < documents:
        return f"it has {made['_doc_count']} documents, the row carries {documents}"
    for name in known:
        before = {leaf: stored[path] for leaf in _leaves(dataset, name) if (path := f"metrics.{name}.{leaf}") in stored}
        now: Mapping[str, Any] = made["metrics"].get(name, {"count": 0})
        count = before.get("count", 0)
        if now["count"] < count:
            return f"{name} has {now['count']} values, the row carries {count}"
        slack = 0.0 if (decimals := dataset.decimals(name)) is None else 0.5 / 10.0**decimals
        if count and (leaf := _differing(before, now, slack, same=now["count"] == count)):
            return f"{leaf} of {name} is not what the row carries"
    return ""


def _differing(before: Fields, now: Fields, slack: float, *, same: bool) -> str:
    """The first statistic that cannot be of the same documents.

    :param slack: what rounding one value may change
    :param same: whether both are of as many values
    """
    for leaf, value in before.items():
        if leaf not in now or leaf in ("count", "avg") or (leaf in ("sum", "top") and not same):
            continue
        if leaf == "sketch":
            holds = _bins_hold(value, now[leaf], same)
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
    """What scales the error of a sum whose values cancel."""
    return float(row.get("count", 0)) * max(abs(float(row.get(leaf, 0.0))) for leaf in ("min", "max"))


def _near(one: float, other: float, slack: float) -> bool:
    """Equal but for what storing a number in its field, and rounding it, may change."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=slack + 1e-12)


def _same_text(one: str, other: str) -> bool:
    """Equal but for the padding, which doc values leave out."""
    return one.rstrip("=") == other.rstrip("=")


def _bins_hold(before: str, now: str, same: bool) -> bool:
    old, step = unpack(before + "=" * (-len(before) % 4))
    new, new_step = unpack(now)
    if step != new_step:  # by another definition; its counts and extremes speak for themselves
        return True
    return old == new if same else all(new.get(place, 0) >= count for place, count in old.items())
