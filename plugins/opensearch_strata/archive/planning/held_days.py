"""Which days the events of objects are of, as far as keys tell before anything is read."""

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
    """The days of a range that objects may hold, in the dataset's zone, in order.

    An object whose key says little (a folder for a year, an export of long ago) may hold any of hundreds of days, and
    does hold few: it counts for none. Its days become known as its events are read.

    :param listing: of the objects' source
    :param objects: as the source lists them
    :param span: event times that are loaded
    """
    times = (listing.event_times(listed.place.key, listed.modified) for listed in objects)
    known = ((max(start, span[0]), min(end, span[1])) for start, end in times if end - start <= _VAGUE)
    found: set[date] = set()
    for start, end in merged((start, end) for start, end in known if start < end):
        first, last = (day_of(datetime.fromtimestamp(moment / 1000, UTC), dataset.zone) for moment in (start, end - 1))
        found.update(days_between(first, last))
    return sorted(found)


def ranges_of(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days in order as first and last of each run without a gap.

    :param days: ascending, each once
    """
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
