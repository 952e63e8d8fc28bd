"""Whether two months hold the same rows of a day: count, extremes, sum and distribution of every group and bucket.

Both were condensed from the same documents, but perhaps shard by shard in another order, so that sums may differ in
their last digits. Everything else must be equal, bin for bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import moment
from opensearch_strata.definition.sections.metric import DISTRIBUTIONS
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.month.rows_of_day import NO_TIME, of_day
from opensearch_strata.history.raw_day.inspection import field_types
from opensearch_strata.history.verify.comparison import Found
from opensearch_strata.history.verify.ruler import rounded, same
from opensearch_strata.sketches import hyperloglog, top_values
from opensearch_strata.sketches.ddsketch import unpack
from opensearch_strata.sketches.top_values import Top

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PAGE = 2000
_TINY = 1e-12  # what is left of a sum whose values cancel each other out completely

Row = Mapping[str, Any]
"""Field path -> value."""


@dataclass
class SameRows:
    """The comparison of a day's rows in two months.

    :param rows: how many rows of the other month were compared
    :param here: how many rows the day has in its own month
    :param missing: rows of the other month that its own lacks
    :param differing: rows that differ
    """

    rows: int = 0
    here: int = 0
    missing: Found = field(default_factory=Found)
    differing: Found = field(default_factory=Found)

    @property
    def surplus(self) -> int:
        """Rows of its own month that the other one lacks."""
        return self.here - (self.rows - self.missing.count)

    @property
    def holds(self) -> bool:
        """Whether both have the same rows."""
        return not (self.missing.count or self.differing.count or self.surplus)

    @property
    def difference(self) -> str:
        """What differs, as half a sentence; empty if nothing does."""
        told = {
            "missing": self.missing.count,
            "different": self.differing.count,
            "without any document": self.surplus,
        }
        named = next(iter([*self.differing.named, *self.missing.named]), "")
        counts = ", ".join(f"{count:,} {what}" for what, count in told.items() if count)
        return f"{counts}{f' (first: {named})' if named else ''}"


def compare_rows(client: OpenSearch, dataset: Dataset, other: Dataset, day: date) -> SameRows:
    """Compare the rows of a day with those in another month. Only what the day's own month has fields for is compared.

    :param other: the same definition with another history index
    :raises NotFoundError: one of the months is missing
    """
    month = dataset.month_index(day)
    decisive.refresh(client, month)
    known = dict(field_types(client.indices.get_mapping(index=month)[month]["mappings"].get("properties", {})))
    leaves = [path for path in _leaves(dataset) if path in known]
    found = SameRows(here=_count(client, month, of_day(dataset, day)))
    for rows in _pages(client, other, day, leaves):
        there = _by_id(client, dataset, day, list(rows), leaves)
        for identity, row in rows.items():
            found.rows += 1
            where = _where(dataset, row)
            if identity not in there:
                found.missing.add(row["@timestamp"], where)
            elif differs := differing_value(dataset, there[identity], row, leaves):
                found.differing.add(row["@timestamp"], f"{where}: {differs}")
    return found


def _leaves(dataset: Dataset) -> list[str]:
    paths = ["transform._doc_count"]
    for name, metric in dataset.metrics.items():
        paths += [f"metrics.{name}.{leaf}" for leaf in (*metric.stats, *dataset.distribution_leaf(name))]
    return paths


def _count(client: OpenSearch, month: str, query: Mapping[str, Any]) -> int:
    body = {"size": 0, "track_total_hits": True, "query": query}
    return int(PATIENTLY(decisive.search, client, month, body)["hits"]["total"]["value"])


def _pages(client: OpenSearch, dataset: Dataset, day: date, leaves: Sequence[str]) -> Iterator[dict[str, Row]]:
    """All rows of a day by their ids, shard by shard in the order of sequence numbers, many at a time."""
    index = dataset.month_index(day)
    decisive.refresh(client, index)
    shards = int(client.indices.get_settings(index=index)[index]["settings"]["index"]["number_of_shards"])
    for shard in range(shards):
        body = _body(dataset, of_day(dataset, day), leaves)
        while hits := PATIENTLY(decisive.search, client, index, body, shard=shard)["hits"]["hits"]:
            yield {hit["_id"]: _row(dataset, hit) for hit in hits}
            body["search_after"] = hits[-1]["sort"]


def _by_id(
    client: OpenSearch, dataset: Dataset, day: date, identities: Sequence[str], leaves: Sequence[str]
) -> dict[str, Row]:
    query = {"bool": {"filter": [of_day(dataset, day), {"ids": {"values": list(identities)}}]}}
    hits = PATIENTLY(decisive.search, client, dataset.month_index(day), _body(dataset, query, leaves))["hits"]["hits"]
    return {hit["_id"]: _row(dataset, hit) for hit in hits}


def _body(dataset: Dataset, query: Mapping[str, Any], leaves: Sequence[str]) -> dict[str, Any]:
    # The time is read as a sort value because that is a plain number: as text, times before 1970 come out wrong.
    order = [{"_seq_no": "asc"}, {"@timestamp": "asc"}]
    fields = [*dataset.history.group_by, *leaves]
    return {"size": _PAGE, "_source": False, "query": query, "sort": order, "docvalue_fields": fields}


def _row(dataset: Dataset, hit: Mapping[str, Any]) -> Row:
    values = {path: found[0] for path, found in hit.get("fields", {}).items()}
    time = hit["sort"][1]
    groups = {name: values.get(name) for name in dataset.history.group_by}
    return {**values, **groups, "@timestamp": None if time == NO_TIME else time}


def _where(dataset: Dataset, row: Row) -> str:
    groups = (f"no {name}" if row[name] is None else f"{name} {row[name]!r}" for name in dataset.history.group_by)
    return f"{', '.join(groups)}, {moment(row['@timestamp'])}"


def differing_value(dataset: Dataset, one: Row, other: Row, leaves: Sequence[str]) -> str:
    """The first value of a row that differs, in words; empty if none does. Pure.

    :param one: the row
    :param other: the one that the archive gives
    :param leaves: field paths to compare
    """
    for path in leaves:
        if path == "transform._doc_count":
            if one.get(path) != other.get(path):
                return f"documents: {one.get(path)} in the row, {other.get(path)} in the archive"
            continue
        _, name, leaf = path.split(".")
        if not _equal(dataset, name, leaf, one, other):
            told = "" if leaf in DISTRIBUTIONS else f": {one.get(path)} in the row, {other.get(path)} in the archive"
            return f"{leaf} of {name}{told}"
    return ""


def _equal(dataset: Dataset, name: str, leaf: str, one: Row, other: Row) -> bool:
    mine, theirs = (row.get(f"metrics.{name}.{leaf}") for row in (one, other))
    if mine is None or theirs is None or mine == theirs:
        return mine == theirs
    if leaf in ("min", "max"):
        decimals = dataset.decimals(name)
        return rounded(mine, decimals) == rounded(theirs, decimals)
    if leaf in ("sum", "avg"):
        return same(mine, theirs, 1e-9 * _largest(name, one) + _TINY)
    if leaf == "count":
        return False
    return _same_distribution(leaf, *(text + "=" * (-len(text) % 4) for text in (mine, theirs)))


def _largest(name: str, row: Row) -> float:
    """The scale for the error of a sum whose values cancel."""
    return max(abs(float(row.get(f"metrics.{name}.{leaf}") or 0.0)) for leaf in ("min", "max"))


def _same_distribution(leaf: str, mine: str, theirs: str) -> bool:
    try:
        if leaf == "sketch":
            return unpack(mine) == unpack(theirs)
        if leaf == "registers":
            return hyperloglog.unpack(mine) == hyperloglog.unpack(theirs)
        return _same_top(top_values.unpack(mine), top_values.unpack(theirs))
    except ValueError:
        return False


def _same_top(mine: Top, theirs: Top) -> bool:
    """Whether two lists can be of the same values. Counts that are exact must be equal; others must not exclude each
    other, because they depend on the order in which a shard saw its values."""
    if mine == theirs or not (mine.missed or theirs.missed):
        return mine == theirs
    ours = {value: (low, high) for value, low, high in mine.listed}
    others = {value: (low, high) for value, low, high in theirs.listed}
    for value in ours.keys() | others.keys():
        low, high = ours.get(value, (0, mine.bound))
        least, most = others.get(value, (0, theirs.bound))
        if high < least or most < low:
            return False
    return mine.count == theirs.count
