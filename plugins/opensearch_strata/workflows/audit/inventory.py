"""Everything that is left of each day of a dataset: its raw day, its rows and their copy, its archive, its mark, and
what loads wrote.

What is created later when a day moves on is read later: a day that is condensed, archived and deleted meanwhile is seen
in at least one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.export.folder import SUPERSEDED, SYMLINKS
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.listing import listed_pages
from opensearch_strata.archive.store.manifest import FORMER_NAME, NAME
from opensearch_strata.connections import decisive
from opensearch_strata.connections.expanded import STATE, expand
from opensearch_strata.connections.retrying import past_changes
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between, last_of_month, newest_complete
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.sources.carried import DayRows, days_of_month
from opensearch_strata.history.query.sources.existing import MonthSource, Sources, find_sources
from opensearch_strata.history.verify.coverage import coverage
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.expired import list_expired
from opensearch_strata.workflows.history_copy.parquet_files import HistoryFiles

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_AT_ONCE = 8  # months that are looked at
_DAY = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/(.+)", re.DOTALL)


class StoredObject(NamedTuple):
    """An object as S3 lists it.

    :param size: bytes
    :param storage_class: ``STANDARD`` where S3 names none
    :param restored: whether S3 has a copy of it, for a while, that can be read
    """

    size: int
    storage_class: str
    restored: bool


@dataclass(frozen=True)
class DayState:
    """What is left of one day.

    :param documents: of the raw day; None if there is none, or it cannot be read
    :param uuid: of the raw day
    :param rows: None if it has none
    :param mark: of its last proof; None if there is none
    :param objects: in the folder of its archive, by name within the folder
    :param copied: whether a Parquet file of its rows exists
    :param linked: whether something beside the archive shows that there was one: Hive's link, or a superseded archive
    :param created: documents that loads created in the raw day; None if no load is known
    :param problem: why the raw day cannot be read; empty if it can, or if there is none
    :param shut: whether that is so because somebody closed or blocked it
    :param wanted: why the raw day stays for now although it has left the window: a person restored it; else empty
    :param raw_bytes: store size of the raw day's primary shards, None if it is not known; merges change it, so it is no
        part of equality
    :param rows_bytes: the share of its rows in the primary shards of their month; None if it is not known
    """

    day: date
    documents: int | None = None
    uuid: str = ""
    rows: DayRows | None = None
    mark: Mark | None = None
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    copied: bool = False
    linked: bool = False
    created: int | None = None
    problem: str = ""
    shut: bool = False
    wanted: str = ""
    raw_bytes: int | None = field(default=0, compare=False)
    rows_bytes: int | None = field(default=0, compare=False)

    @property
    def has_manifest(self) -> bool:
        """Whether the folder of its archive holds something with the name of a manifest."""
        return NAME in self.objects or FORMER_NAME in self.objects

    @property
    def has_proven_rows(self) -> bool:
        """Whether its rows are the very ones of their last proof."""
        return (
            self.rows is not None and self.mark is not None and self.mark.is_of(self.rows.documents, self.rows.version)
        )

    @property
    def is_nowhere(self) -> bool:
        """Whether there is neither a raw day, nor rows, nor an archive."""
        return self.documents is None and not self.problem and self.rows is None and not self.has_manifest


class Unreadable(NamedTuple):
    """Why the rows of a month cannot be read.

    :param why: a sentence
    :param red: whether a shard is missing; otherwise somebody closed or blocked the index
    """

    why: str
    red: bool


@dataclass(frozen=True)
class Inventory:
    """All complete days of a dataset from the first known one to the last, in order. Where a raw day is due every day,
    the last one is the newest of the window.

    :param window_end: the newest day of the window: the newest complete one, or the last of the dataset's schedule
    :param unreadable: first day of each month whose rows cannot be read
    :param emptied_since: if no day whose raw day is gone has an archive any more, the first day that is known to have
        had one; None otherwise. Whatever span is asked for, it is of the whole dataset
    :param archive_seen: whether it is known what is archived; if not, no day shows any trace of an archive
    """

    days: list[DayState]
    window_end: date
    unreadable: Mapping[date, Unreadable]
    emptied_since: date | None = None
    archive_seen: bool = True


def take_inventory(
    client: OpenSearch,
    s3: BaseClient | None,
    dataset: Dataset,
    now: datetime,
    *,
    first: date | None = None,
    last: date | None = None,
) -> Inventory:
    """Look for everything that is left of each day. Changes nothing.

    :param s3: client of the archive's bucket; None if the dataset has no archive, or if it is not to be looked at
    :param now: timezone-aware; days that have not ended by then are left out
    :param first: the first day to look at; by default, the first that is known
    :param last: the last day to look at; by default, the last that is known
    :raises Refused: S3 or the ledger may not be read
    :raises TransientError: OpenSearch or S3 did not answer in full
    """
    newest = newest_complete(now, dataset.zone)
    window_end = min(newest, dataset.cycle.end_date or newest)
    wanted = list_expired(client, dataset, window_end, now).wanted
    ledger = Ledger(client, dataset.name)
    created = _created(ledger, dataset)
    raw = {found.day: found for found in coverage(client, dataset)}
    sources, rows = past_changes(lambda: _found(client, dataset), repr(dataset.name))
    shut = _shut(client, dataset)
    uuids = {source.day: source.uuid for source in sources.raw}
    carried = [(day, found.documents) for day, found in rows.items()]
    held = [(day, found.raw_documents) for day, found in raw.items() if found.raw_documents is not None]
    poorer = sorted({day for day, count in [*carried, *held] if count < created.get(day, 0)})
    created |= _in_one_index(ledger, dataset, created, poorer)
    objects, links, former = (_archived(s3, dataset, begin) if s3 else {} for begin in ("", SYMLINKS, SUPERSEDED))
    copied = HistoryFiles(s3, settings_of(dataset)).all_days() if s3 else set()
    there = {day for day, found in raw.items() if found.raw_documents is not None or found.problem}
    archived = {*objects, *links, *former}
    known = {day for day in {*there, *rows, *sources.marks, *archived, *copied, *created} if day <= newest}
    if dataset.raw.required_daily:
        known.add(window_end)
    between = days_between(min(known), max(known)) if known else []
    days = [
        DayState(
            day=day,
            documents=raw[day].raw_documents if day in raw else None,
            uuid=uuids.get(day, ""),
            rows=rows.get(day),
            mark=sources.marks.get(day),
            objects=objects.get(day, {}),
            copied=day in copied,
            linked=day in links or day in former,
            created=created.get(day),
            problem=raw[day].problem if day in raw and raw[day].raw_documents is None else "",
            shut=day in shut,
            wanted=wanted.get(dataset.raw_index(day), ""),
            raw_bytes=raw[day].raw_bytes if day in raw else 0,
            rows_bytes=raw[day].history_bytes if day in raw else 0,
        )
        for day in between
    ]
    asked = [day for day in days if (first is None or day.day >= first) and (last is None or day.day <= last)]
    months = {
        month: why
        for month, why in _unreadable(client, dataset, sources).items()
        if (first is None or last_of_month(month) >= first) and (last is None or month <= last)
    }
    seen = s3 is not None or dataset.archive is None
    return Inventory(asked, window_end, months, _emptied_since(days), seen)


def _emptied_since(days: Sequence[DayState]) -> date | None:
    """See :class:`Inventory`."""
    gone = [state for state in days if state.documents is None and not state.problem]
    if any(state.has_manifest for state in gone):
        return None
    return next((state.day for state in gone if state.linked), None)


def _created(ledger: Ledger, dataset: Dataset) -> dict[date, int]:
    """Days -> documents that loads created in them."""
    found = ledger.created_by_day()
    return {day: count for index, count in found.items() if (day := dataset.raw.names.date_in(index))}


def _in_one_index(
    ledger: Ledger, dataset: Dataset, created: Mapping[date, int], poorer: Sequence[date]
) -> dict[date, int]:
    """Of days with fewer documents than were created in them: how many were created in one and the same raw index.

    A day that was loaded, deleted and restored had several of the same name, each with all of its documents.
    """
    names = {day: dataset.raw_index(day) for day in poorer}
    found = ledger.created_by_uuid(list(names.values())) if names else {}
    most = {day: max((n for uuid, n in found[names[day]].items() if uuid), default=0) for day in poorer}
    return {day: min(created[day], most[day] + found[names[day]][""]) for day in poorer}


def _shut(client: OpenSearch, dataset: Dataset) -> set[date]:
    """Raw days that somebody closed or blocked."""
    found = expand(client, dataset.raw.names.expression, STATE)
    return {day for name in [*found.closed, *found.blocked] if (day := dataset.raw.names.date_in(name))}


def _found(client: OpenSearch, dataset: Dataset) -> tuple[Sources, dict[date, DayRows]]:
    """Every index, and the rows of each day in the months."""
    sources = find_sources(client, dataset)

    def look(month: MonthSource) -> Mapping[date, DayRows]:
        decisive.refresh(client, month.index)
        return days_of_month(client, dataset, month.index, month.uuid, known=()).rows

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="months") as pool:
        looked = list(pool.map(look, sources.months))
    return sources, {day: rows for month in looked for day, rows in month.items()}


def _unreadable(client: OpenSearch, dataset: Dataset, sources: Sources) -> dict[date, Unreadable]:
    names, reasons = dataset.history.names, dict(sources.unreadable)
    found = expand(client, names.expression, STATE)
    shut = {*found.closed, *found.blocked}
    months = {name: month for name in sorted([*found.indices, *found.blocked]) if (month := names.date_in(name))}
    readable = {source.month for source in sources.months}
    return {
        month: Unreadable(reasons.get(last_of_month(month), f"{name} cannot be read."), name not in shut)
        for name, month in months.items()
        if month not in readable
    }


def _archived(s3: BaseClient, dataset: Dataset, within: str) -> dict[date, dict[str, StoredObject]]:
    """Days -> objects in their folders, one request for each thousand of them.

    :param within: where the folders begin, below the prefix of the archive
    """
    settings = settings_of(dataset)
    begin = f"{settings.prefix}{within}"
    found: dict[date, dict[str, StoredObject]] = {}
    pages = listed_pages(s3, settings.bucket, f"{begin}dt=", OptionalObjectAttributes=["RestoreStatus"])
    for one in (one for page in pages for one in page.get("Contents", [])):
        named = _DAY.fullmatch(one["Key"].removeprefix(begin))
        day = _day(named[1]) if named else None
        if named is None or day is None:
            continue
        restored = one.get("RestoreStatus", {}).get("RestoreExpiryDate") is not None
        kept = StoredObject(one["Size"], one.get("StorageClass", "STANDARD"), restored)
        found.setdefault(day, {})[named[2]] = kept
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
