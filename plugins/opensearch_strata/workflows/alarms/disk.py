"""Whether the disks of the cluster have room for a whole window of raw days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset


@dataclass(frozen=True)
class Forecast:
    """What the window still needs on the disks, and what is there.

    :param per_day: bytes of a raw day with its replicas, as large as the newest one
    :param needed: bytes of the days that are missing from the window
    :param free: free bytes of all data nodes below the high watermark
    """

    per_day: int
    needed: int
    free: int

    @property
    def days_left(self) -> int:
        """For how many more days there is room."""
        return self.free // self.per_day if self.per_day else 0


def forecast(
    client: OpenSearch, dataset: Dataset, day: date, *, raw_bytes: int | None, raw_days: int
) -> Forecast | None:
    """Compare the room on the disks with what the rest of the window will need.

    :param day: the newest day of the window
    :param raw_bytes: size of its primary shards; None if it is not known
    :param raw_days: how many days of the window are raw, with this one
    :returns: None if the window is full, if no raw day is there or known in size, or if the cluster does not report its
        disks
    """
    from opensearch_strata.archive.planning.plan import room_of

    missing = dataset.raw.window_days - raw_days
    if missing <= 0 or not raw_bytes:
        return None
    room = room_of(client, dataset, day)
    if room.free is None:
        return None
    per_day = raw_bytes * room.copies
    return Forecast(per_day, per_day * missing, room.free)
