r"""Files of CloudWatch Logs export tasks (``CreateExportTask``): ``2024-05-06T07:08:09.123Z message`` on each line.

A message of several lines continues in lines without a timestamp. There is no event id, and only the object's key names
the stream. The task also writes an object ``aws-logs-write-test``, which contains one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST
from opensearch_strata.archive.decode.formats.text import entries_of
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.errors.amounts import size

_MARKER = b"Permission Check Successful"
# The lines of a MySQL error log begin in the same way, but with six decimals.
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def matches(head: bytes) -> bool:
    """Whether the content begins with a timestamp in milliseconds and a space, or is the marker."""
    return bool(_MOMENT.match(head)) or head.strip() == _MARKER


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each timestamp; its record is the number of its first line.

    :raises Damaged: if the blocks raise it
    """
    for number, entry in entries_of(blocks, lambda line: _MOMENT.match(line) is not None):
        if entry.strip() != _MARKER:
            yield _event(number, entry)


def _event(number: int, entry: bytes) -> Event | Broken:
    if len(entry) > LONGEST:
        return Broken(number, f"It is longer than {size(LONGEST)}.", entry[:KEPT])
    moment, _, message = entry.partition(b" ")
    if not _MOMENT.match(entry) or (time := _milliseconds(moment)) is None:
        return Broken(number, "It does not begin with a timestamp.", entry[:KEPT])
    return Event(number, 0, message.decode("utf-8", "replace"), entry, time)


def _milliseconds(moment: bytes) -> int | None:
    try:
        return (datetime.fromisoformat(moment.decode("ascii")) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:  # such as 31 February
        return None
