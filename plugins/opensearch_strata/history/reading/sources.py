"""Every raw day and history month of a dataset that exists, and when the events in it happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata import decisive
from opensearch_strata.dataset import Dataset
from opensearch_strata.days import last_of_month
from opensearch_strata.history.raw_day import field_types
from opensearch_strata.naming import IndexTemplate

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 8  # searches that only look at the ends of an index


@dataclass(frozen=True)
class Contents:
    """What is in an index.

    :param documents: documents that searches see
    :param first: earliest event, epoch milliseconds; None if no document has a time
    :param last: latest one
    """

    documents: int
    first: int | None
    last: int | None

    def touches(self, start: int, end: int) -> bool:
        """Whether an event may lie in a span. A late one lies in the raw day of its arrival, so names do not tell."""
        return self.touches_any([(start, end)])

    def touches_any(self, spans: Iterable[tuple[int, int]]) -> bool:
        """Whether an event may lie in one of several spans."""
        if self.first is None or self.last is None:
            return False
        return any(start < end and self.first < end and self.last >= start for start, end in spans)


@dataclass(frozen=True)
class RawSource:
    """A raw day that is there."""

    index: str
    day: date
    uuid: str
    contents: Contents


@dataclass(frozen=True)
class MonthSource:
    """A history month.

    :param meta: ``_meta.strata`` of its mapping
    :param types: field path -> mapping type
    """

    index: str
    month: date
    meta: Mapping[str, Any]
    types: Mapping[str, str]
    contents: Contents


@dataclass(frozen=True)
class Sources:
    """All that there is, oldest first.

    :param unreadable: why an index cannot be read, by the last day that it is about
    """

    raw: list[RawSource] = field(default_factory=list)
    months: list[MonthSource] = field(default_factory=list)
    unreadable: list[tuple[date, str]] = field(default_factory=list)


def find_sources(client: OpenSearch, dataset: Dataset) -> Sources:
    """Every index of a dataset.

    Raw days first: one that is deleted while we look has its rows in history by then.
    """
    raw, closed = _raw(client, dataset)
    months, closed_months = _months(client, dataset)
    ends = {last_of_month(month): why for month, why in closed_months.items()}
    return Sources(raw, months, [*closed.items(), *ends.items()])


def _raw(client: OpenSearch, dataset: Dataset) -> tuple[list[RawSource], dict[date, str]]:
    wanted = "*.settings.index.uuid,*.settings.index.verified_before_close,*.aliases"
    names = dataset.raw.names
    found = _indices(client, names, wanted)
    closed = _closed(names, found)
    for name, body in found.items():
        for alias in body.get("aliases", {}):
            if day := names.date_in(alias):
                closed[day] = f"{alias} is an alias of {name}; raw days are read by their own names only."
    days = {name: day for name in found if (day := names.date_in(name)) and day not in closed}
    sources = [
        RawSource(name, days[name], found[name]["settings"]["index"]["uuid"], contents)
        for name, contents in _contents(client, days, dataset.raw.timestamp)
    ]
    return sorted(sources, key=lambda source: source.day), closed


def _months(client: OpenSearch, dataset: Dataset) -> tuple[list[MonthSource], dict[date, str]]:
    names = dataset.history.names
    found = _indices(client, names, "*.settings.index.uuid,*.settings.index.verified_before_close,*.mappings")
    closed = _closed(names, found)
    months = {name: month for name in found if (month := names.date_in(name)) and month not in closed}
    sources = []
    for name, contents in _contents(client, months, "@timestamp"):
        mappings = found[name].get("mappings", {})
        types = dict(field_types(mappings.get("properties", {})))
        meta = mappings.get("_meta", {}).get("strata", {})
        sources.append(MonthSource(name, months[name], meta, types, contents))
    return sorted(sources, key=lambda source: source.month), closed


def _indices(client: OpenSearch, names: IndexTemplate, wanted: str) -> dict[str, dict[str, Any]]:
    params = {"expand_wildcards": "open,closed", "filter_path": wanted}
    found: dict[str, dict[str, Any]] = client.indices.get(index=names.expression, params=params)
    return found


def _closed(names: IndexTemplate, found: Mapping[str, Mapping[str, Any]]) -> dict[date, str]:
    return {
        day: f"{name} is closed, so it cannot be read. Open it and ask again."
        for name, body in found.items()
        if (day := names.date_in(name)) and body["settings"]["index"].get("verified_before_close") == "true"
    }


def _contents(client: OpenSearch, names: Iterable[str], timestamp: str) -> list[tuple[str, Contents]]:
    """What is in each index, from its ends alone; an index that went meanwhile is left out."""

    def look(name: str) -> Contents | None:
        return _contents_of(client, name, timestamp)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sources") as pool:
        looked = zip(names, pool.map(look, names), strict=True)
        return [(name, contents) for name, contents in looked if contents]


def _contents_of(client: OpenSearch, index: str, timestamp: str) -> Contents | None:
    from opensearchpy import NotFoundError

    ends = {"first": {"min": {"field": timestamp}}, "last": {"max": {"field": timestamp}}}
    try:
        answer = decisive.search(client, index, {"size": 0, "track_total_hits": True, "aggs": ends})
    except NotFoundError:
        return None
    first, last = (answer["aggregations"][end]["value"] for end in ("first", "last"))
    as_ms = [None if value is None else int(value) for value in (first, last)]
    return Contents(answer["hits"]["total"]["value"], *as_ms)
