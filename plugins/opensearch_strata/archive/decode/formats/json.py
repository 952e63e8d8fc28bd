"""JSON documents: one per line, one after another, printed over several lines, or in an array."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensearch_strata.archive.decode.formats.records import Skipped, records
from opensearch_strata.archive.events import Broken, Event

_BEGIN = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*(?:\{\s*["}]|\]))')


def matches(head: bytes) -> bool:
    """Whether the content begins with a JSON object or an array of them, or most of its lines do."""
    if _BEGIN.match(head):
        return True
    lines = [line for line in head.split(b"\n") if line.strip()]
    return 2 * sum(1 for line in lines if _BEGIN.match(line)) > len(lines)


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each object; its message is the object's fields.

    :raises Damaged: if the blocks raise it
    """
    for number, found in enumerate(records(blocks)):
        if isinstance(found, Skipped):
            yield Broken(number, found.reason, found.raw)
        else:
            yield Event(number, 0, found.value, found.raw)
