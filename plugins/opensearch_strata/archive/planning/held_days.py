"""Which days the events of objects may belong to, as far as the keys show before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from opensearch_strata.archive.spans import Span, merged
from opensearch_strata.definition.days import day_of, days_between

if TYPE_CHECKING:
    from opensearch_strata.archive.store.listing import Listing
    from opensearch_strata.archive.store.objects import ListedObject
    from opensearch_strata.definition.dataset import Dataset

_VAGUE = timedelta(days=14) // timedelta(milliseconds=1)


def days_held(listing: Listing, dataset: Dataset, objects: Iterable[ListedObject], span: Span) -> list[date]:
    """The days of a range that objects may hold events of, in the dataset's zone, in order.

    An object whose key says little (a folder for a year, an old export) may hold events of any of hundreds of days, but
    usually holds only a few of them, so it counts for none. Its days become known as its events are read.

    :param listing: the listing of the objects' source
    :param objects: as the source lists them
    :param span: event times to load
    """
    times = (listing.event_times(listed.place.key, listed.modified) for listed in objects)
    known = ((max(start, span[0]), min(end, span[1])) for start, end in times if end - start <= _VAGUE)
    found: set[date] = set()
    for start, end in merged((start, end) for start, end in known if start < end):
        first, last = (day_of(datetime.fromtimestamp(moment / 1000, UTC), dataset.zone) for moment in (start, end - 1))
        found.update(days_between(first, last))
    return sorted(found)


def ranges_of(days: Iterable[date]) -> list[tuple[date, date]]:
    """The first and last day of each run of consecutive days.

    :param days: ascending, without duplicates
    """
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
