"""Which days are raw, which are history, and whether the two agree. Only counts; verify does the proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import STATE, expand, past_blocked
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.index_names import day_of_transform
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.month.stand_in import months_in

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Place = Literal["raw", "raw and history", "history", "differs", "unreadable"]

_AT_ONCE = 8  # months that are looked at
_LONGEST = 3000  # characters of names in one request: servers accept 4 KiB in its first line


@dataclass(frozen=True)
class DayCoverage:
    """One day of a dataset.

    :param raw_documents: None if there is no raw day
    :param raw_bytes: store size of its primary shards; None if OpenSearch does not say it
    :param rows: how many rows of history it has
    :param carried: how many raw documents the rows stand for
    :param history_bytes: the share of the rows, by their number, in the primary shards of their month; None likewise
    :param problem: why the raw day or the month of its rows cannot be read; empty if both can
    """

    day: date
    raw_documents: int | None = None
    raw_bytes: int | None = 0
    rows: int = 0
    carried: int = 0
    history_bytes: int | None = 0
    problem: str = ""

    @property
    def place(self) -> Place:
        """Where the day is; ``differs`` if the raw day and the rows count different numbers of documents."""
        if self.problem:
            return "unreadable"
        if self.raw_documents is None:
            return "history"
        if not self.rows:
            return "raw"
        return "raw and history" if self.raw_documents == self.carried else "differs"


def coverage(client: OpenSearch, dataset: Dataset) -> list[DayCoverage]:
    """Every day that is raw or history, oldest first.

    Only indices with the name of a raw day are asked for their documents: others that match the pattern (a rollup, a
    backup) may not be able to answer such a search. A closed or red raw day is reported and does not hide other days.
    """
    raw = _raw_days(client, dataset)
    rows, unreadable = _history_days(client, dataset)
    days = []
    for day in sorted(raw.keys() | rows.keys()):
        count = raw.get(day, _RawCount(None))
        carried = rows.get(day, _Rows())
        problem = count.problem or unreadable.get(dataset.month_index(day), "")
        days.append(DayCoverage(day, count.documents, count.size, *carried, problem=problem))
    return days


@dataclass(frozen=True)
class _RawCount:
    documents: int | None
    size: int | None = 0
    problem: str = ""


class _Rows(NamedTuple):
    number: int = 0
    documents: int = 0
    size: int | None = 0


def _raw_days(client: OpenSearch, dataset: Dataset) -> dict[date, _RawCount]:
    names = dataset.raw.names
    found_there = expand(client, names.expression, STATE)
    there = found_there.indices
    closed = set(found_there.closed)
    dated = {name: day for name in sorted([*there, *found_there.blocked]) if (day := names.date_in(name))}
    sizes = _sizes(client, names.expression)
    documents: dict[str, int | str] = {}
    for batch in _batches([name for name in dated if name in there and name not in closed]):
        documents |= _documents(client, batch)
    days = {}
    for name, day in dated.items():
        found = documents.get(name, found_there.blocked.get(name, f"{name} is closed."))
        size = sizes.get(name)
        days[day] = _RawCount(None, size, found) if isinstance(found, str) else _RawCount(found, size)
    return days


def _batches(names: list[str]) -> Iterator[list[str]]:
    """Groups of names that fit into one request."""
    batch: list[str] = []
    for name in names:
        if batch and len(",".join([*batch, name])) > _LONGEST:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


def _documents(client: OpenSearch, indices: list[str]) -> dict[str, int | str]:
    """Index name -> documents as searches count them (statistics count nested objects too), or why this is unknown."""
    from opensearchpy import OpenSearchException

    by_index = {"field": "_index"}
    aggs = {"indices": {"terms": {**by_index, "size": 10_000}, "aggs": {"documents": {"value_count": by_index}}}}
    expression = ",".join(indices)
    try:
        # A shard that is never searched is not refreshed automatically.
        decisive.refresh(client, expression)
        answer = decisive.search(client, expression, {"size": 0, "aggs": aggs})
    except (StrataError, OpenSearchException) as error:
        if len(indices) == 1:
            return {indices[0]: explain(error)}
        return {name: found for one in indices for name, found in _documents(client, [one]).items()}
    found = answer["aggregations"]["indices"]["buckets"] if "aggregations" in answer else []
    return {**dict.fromkeys(indices, 0), **{bucket["key"]: bucket["documents"]["value"] for bucket in found}}


def _sizes(client: OpenSearch, expression: str) -> dict[str, int | None]:
    """Index name -> bytes of its primary shards; None where the statistics lack them."""
    params = {"expand_wildcards": "open,hidden"}
    ask = partial(client.indices.stats, metric="store", params=params)
    found = past_blocked(lambda names: ask(index=names)["indices"], expression).indices
    return {name: body["primaries"].get("store", {}).get("size_in_bytes") for name, body in found.items()}


def _history_days(client: OpenSearch, dataset: Dataset) -> tuple[dict[date, _Rows], Mapping[str, str]]:
    """Day -> its rows, and month index -> why its rows cannot be read."""
    from opensearchpy import OpenSearchException

    expression = dataset.history.names.expression
    found = expand(client, expression, f"{STATE},*.mappings._meta")
    months = months_in(dataset, found.indices)
    closed = {name: f"{name} is closed, so its rows cannot be read. Open it." for name in found.closed}
    unreadable = {**closed, **found.blocked}
    days: dict[date, _Rows] = {}
    sizes = {
        index: size for index, size in _sizes(client, expression).items() if index in months and index not in unreadable
    }

    def look(index: str) -> list[dict[str, Any]] | str:
        try:
            decisive.refresh(client, index)
            return _transforms(client, index)
        except (StrataError, OpenSearchException) as error:
            return explain(error)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="months") as pool:
        looked = list(pool.map(look, sizes))
    for (index, size), buckets in zip(sizes.items(), looked, strict=True):
        if isinstance(buckets, str):
            unreadable[index] = buckets
            continue
        total = sum(bucket["rows"]["value"] for bucket in buckets)
        for bucket in buckets:
            if day := day_of_transform(dataset.name, bucket["key"]):
                rows = bucket["rows"]["value"]
                share = None if size is None else size * rows // total
                days[day] = _Rows(rows, int(bucket["documents"]["value"]), share)
    return days, unreadable


def _transforms(client: OpenSearch, index: str) -> list[dict[str, Any]]:
    """One bucket per day of a month. Its own doc_count counts raw documents and not rows, because of ``_doc_count``."""
    aggs = {
        "documents": {"sum": {"field": "transform._doc_count"}},
        "rows": {"value_count": {"field": "transform._id"}},
    }
    body = {"size": 0, "aggs": {"days": {"terms": {"field": "transform._id", "size": 62}, "aggs": aggs}}}
    buckets: list[dict[str, Any]] = decisive.search(client, index, body)["aggregations"]["days"]["buckets"]
    return buckets
