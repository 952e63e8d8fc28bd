"""Every existing raw day and history month of a dataset, and when the events in it happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import STATE, expand, is_blocked
from opensearch_strata.connections.retrying import is_going, patiently
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import last_of_month
from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.history.month.level_notes import LevelNote, complete_levels
from opensearch_strata.history.month.marks import Mark, marks_in
from opensearch_strata.history.month.stand_in import months_in
from opensearch_strata.history.query.sources.carried import (
    DayRows,
    MarkedMonth,
    MonthDays,
    days_as_marked,
    days_of_month,
)
from opensearch_strata.history.query.sources.level_indices import LevelIndex, level_indices
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_AT_ONCE = 8  # parallel searches, which only look at the ends of an index

_LOOKS = 3  # at the months, while they change
_PATIENCE = 0.5  # seconds until the shards of an index that was just created have started

_MISSING_SHARDS = "missing shards"  # what OpenSearch reports for an index whose primary shards are not assigned

# Keys in `_meta.strata` of a raw day that a load of Strata created, and while it is loading.
_MADE_BY, _LOADING = "made_by", "loading"


@dataclass(frozen=True)
class Contents:
    """What is in an index.

    :param documents: how many documents searches see
    :param first: earliest event, epoch milliseconds; None if no document has a time
    :param last: latest event
    """

    documents: int
    first: int | None
    last: int | None

    def touches(self, start: int, end: int) -> bool:
        """Whether an event may lie in a span. Names do not show it: a late event is in the raw day of its arrival."""
        return self.touches_any([(start, end)])

    def touches_any(self, spans: Iterable[tuple[int, int]]) -> bool:
        """Whether an event may lie in one of several spans."""
        if self.first is None or self.last is None:
            return False
        return any(start < end and self.first < end and self.last >= start for start, end in spans)


@dataclass(frozen=True)
class RawSource:
    """A raw day that exists.

    :param loaded: whether a load of Strata created the index
    :param loading: whether such a load is in progress
    """

    index: str
    day: date
    uuid: str
    contents: Contents
    loaded: bool = False
    loading: bool = False


@dataclass(frozen=True)
class MonthSource:
    """A history month.

    :param meta: ``_meta.strata`` of its mapping
    :param types: field path -> mapping type
    :param uuid: UUID of the index
    :param shards: how many primary shards it has
    :param days: what its rows carry of each raw day; None until this has been read
    """

    index: str
    month: date
    meta: Mapping[str, Any]
    types: Mapping[str, str]
    contents: Contents
    uuid: str = ""
    shards: int = 0
    days: MonthDays | None = None

    @cached_property
    def levels(self) -> Mapping[date, LevelNote]:
        """The complete levels of its marked days."""
        return complete_levels(self.meta)


@dataclass(frozen=True)
class Sources:
    """Everything that exists, oldest first.

    :param unreadable: for each index that cannot be read, the last day that it covers and the reason
    :param levels: year -> the index with its rows of levels
    """

    raw: list[RawSource] = field(default_factory=list)
    months: list[MonthSource] = field(default_factory=list)
    unreadable: list[tuple[date, str]] = field(default_factory=list)
    levels: Mapping[int, LevelIndex] = field(default_factory=dict)

    @cached_property
    def marks(self) -> dict[date, Mark]:
        """The marks of all proven days."""
        return {day: mark for month in self.months for day, mark in marks_in(month.meta).items()}

    @cached_property
    def rows(self) -> dict[date, DayRows]:
        """The rows of each raw day that exists or has no recorded proof; of an unread month, what was proven."""
        found: dict[date, DayRows] = {}
        for month in self.months:
            found |= _proven(month) if month.days is None else month.days.rows
        return found

    def month_index(self, dataset: Dataset, day: date) -> str:
        """The index that holds the rows of a day."""
        first = day.replace(day=1)
        return next((month.index for month in self.months if month.month == first), dataset.month_index(day))


def _proven(month: MonthSource) -> dict[date, DayRows]:
    return {
        day: DayRows(mark.documents, 0, mark.rows_version, frozenset({mark.uuid}))
        for day, mark in marks_in(month.meta).items()
    }


def find_sources(client: OpenSearch, dataset: Dataset) -> Sources:
    """Every index of a dataset.

    Raw days are read first: if one is deleted meanwhile, its rows are already in history.
    """
    raw, closed = _raw(client, dataset)
    months, closed_months = _months(client, dataset)
    ends = {last_of_month(month): why for month, why in closed_months.items()}
    return Sources(raw, months, [*closed.items(), *ends.items()])


def with_days(client: OpenSearch, dataset: Dataset, sources: Sources, start: int, end: int) -> Sources:
    """Add what the months carry of each raw day, for the months that a span or its raw days need.

    :param start: when the first bucket of the span begins, epoch milliseconds
    :param end: end of the span, exclusive
    """
    there = {source.day for source in sources.raw}
    with_raw = {day.replace(day=1) for day in there}
    touched = {s.day.replace(day=1) for s in sources.raw if s.contents.touches(start, end)}
    touched |= {month.month for month in sources.months if month.contents.touches(start, end)}
    likely = [month for month in sources.months if month.month in touched - with_raw and month.shards == 1]
    marked = days_as_marked(
        client, (MarkedMonth(m.index, m.uuid, m.contents.documents, marks_in(m.meta)) for m in likely)
    )

    def ask(month: MonthSource) -> MonthSource:
        if month.month not in touched:
            return month
        if (days := marked.get(month.index)) is None:
            known = marks_in(month.meta).keys() - there - month.levels.keys()
            days = days_of_month(client, dataset, month.index, month.uuid, known=known)
        return replace(month, days=days)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="months") as pool:
        months = list(pool.map(ask, sources.months))
    metas = {month.month: month.meta for month in months}
    return replace(sources, months=months, levels=level_indices(client, dataset, metas, touched & metas.keys()))


def _raw(client: OpenSearch, dataset: Dataset) -> tuple[list[RawSource], dict[date, str]]:
    wanted = f"{STATE},*.aliases,*.mappings._meta"
    names = dataset.raw.names
    found, closed = _indices(client, names, wanted)
    for name, body in found.items():
        for alias in body.get("aliases", {}):
            if day := names.date_in(alias):
                closed[day] = f"{alias} is an alias of {name}; raw days are read by their own names only."
    days = {name: day for name in found if (day := names.date_in(name)) and day not in closed}
    sources = []
    for name, contents in _contents(client, days, dataset.raw.timestamp):
        if isinstance(contents, str):
            closed[days[name]] = contents
            continue
        said = found[name].get("mappings", {}).get("_meta", {}).get("strata", {})
        uuid = found[name]["settings"]["index"]["uuid"]
        sources.append(RawSource(name, days[name], uuid, contents, _MADE_BY in said, _LOADING in said))
    return sorted(sources, key=lambda source: source.day), closed


def _months(client: OpenSearch, dataset: Dataset) -> tuple[list[MonthSource], dict[date, str]]:
    """The months; looked at again if one went or became red meanwhile, as another index may have taken its place."""
    for _ in range(_LOOKS - 1):
        sources, closed, whole = _months_now(client, dataset)
        if whole:
            return sources, closed
    return _months_now(client, dataset)[:2]


def _months_now(client: OpenSearch, dataset: Dataset) -> tuple[list[MonthSource], dict[date, str], bool]:
    """The months, those that cannot be read with the reason, and whether all that were found could be looked at."""
    names = dataset.history.names
    wanted = f"{STATE},*.settings.index.number_of_shards,*.mappings"
    found, closed = _indices(client, names, wanted)
    months = {name: month for name, month in months_in(dataset, found).items() if month not in closed}
    sources = []
    for name, contents in _contents(client, months, "@timestamp"):
        if isinstance(contents, str):
            closed[months[name]] = contents
            continue
        mappings = found[name].get("mappings", {})
        types = dict(field_types(mappings.get("properties", {})))
        meta = mappings.get("_meta", {}).get("strata", {})
        settings = found[name]["settings"]["index"]
        shards = int(settings["number_of_shards"])
        sources.append(MonthSource(name, months[name], meta, types, contents, settings["uuid"], shards))
    return sorted(sources, key=lambda source: source.month), closed, len(sources) == len(months)


def _indices(
    client: OpenSearch, names: IndexTemplate, wanted: str
) -> tuple[Mapping[str, Mapping[str, Any]], dict[date, str]]:
    """The indices, and the reason for each day whose index is closed or blocked."""
    found = expand(client, names.expression, wanted)
    closed = {name: f"{name} is closed, so it cannot be read. Open it and ask again." for name in found.closed}
    unreadable = {**closed, **found.blocked}
    return found.indices, {day: why for name, why in unreadable.items() if (day := names.date_in(name))}


def _contents(client: OpenSearch, names: Iterable[str], timestamp: str) -> list[tuple[str, Contents | str]]:
    """What is in each index, judged by its ends only, or why it cannot be read. Omits indices deleted meanwhile."""

    def look(name: str) -> Contents | str | None:
        return _contents_of(client, name, timestamp)

    names = list(names)
    if len(names) > _AT_ONCE and (found := _all_contents(client, names, timestamp)):
        return found
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sources") as pool:
        looked = zip(names, pool.map(look, names), strict=True)
        return [(name, contents) for name, contents in looked if contents]


def _all_contents(client: OpenSearch, names: Sequence[str], timestamp: str) -> list[tuple[str, Contents | str]]:
    """What is in many indices, found with one request; nothing if one of them cannot be read or was deleted."""
    try:
        answers = decisive.multi_search(client, [(name, _ends_body(timestamp)) for name in names])
    except decisive.IncompleteAnswer:
        return []
    found = [(name, _contents_in(answer)) for name, answer in zip(names, answers, strict=True) if answer]
    return [*found] if len(found) == len(names) else []


def _ends_body(timestamp: str) -> dict[str, Any]:
    ends = {"first": {"min": {"field": timestamp}}, "last": {"max": {"field": timestamp}}}
    return {"size": 0, "track_total_hits": True, "aggs": ends}


def _contents_in(answer: Mapping[str, Any]) -> Contents:
    first, last = (answer["aggregations"][end]["value"] for end in ("first", "last"))
    as_ms = [None if value is None else int(value) for value in (first, last)]
    return Contents(answer["hits"]["total"]["value"], *as_ms)


def _is_coming(error: BaseException) -> bool:
    from opensearchpy import NotFoundError

    return is_going(error) and not isinstance(error, NotFoundError)


def _contents_of(client: OpenSearch, index: str, timestamp: str) -> Contents | str | None:
    from opensearchpy import NotFoundError, TransportError

    body = _ends_body(timestamp)
    try:
        answer = patiently(lambda: decisive.search(client, index, body), _PATIENCE, may_pass=_is_coming)
    except NotFoundError:
        return None
    except TransportError as error:
        if "cluster_block_exception" in str(error.error):
            return is_blocked(index)
        if _MISSING_SHARDS not in str(error.info):
            raise
        return f"{index} is red, so it cannot be read: a primary shard is not assigned. Repair it and ask again."
    return _contents_in(answer)
