"""Log files of CloudTrail, and its Insights: ``{"Records": [{...}, {...}]}``.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html. S3's notifications look
the same at first sight, but their records have no ``eventID``. Digests, which sign the log files and lie next to them,
hold no events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensearch_strata.archive.decode.byte_stream import Source
from opensearch_strata.archive.decode.formats import wrapped
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.timestamps import read_iso

_ARRAY = "Records"
_RECORDS = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"Records"\s*:\s*\[\s*\{')
_EMPTY = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"Records"\s*:\s*\[\s*\]\s*\}\s*')
_DIGEST = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"awsAccountId"\s*:\s*"[0-9]{12}"\s*,\s*"digestStartTime"\s*:')
# A UUID is an id of CloudTrail; the records of DynamoDB and Kinesis have an eventID, too, of other forms.
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_EVENT_ID = re.compile(rb'"eventID"\s*:\s*"%b"' % _UUID.encode())
_ID = re.compile(_UUID)
_HEAD = 2**16


def matches(head: bytes) -> bool:
    """Whether the content is an array of CloudTrail's events, empty or not, or a digest."""
    if _RECORDS.match(head):
        return _EVENT_ID.search(head) is not None
    return _EMPTY.fullmatch(head) is not None or _DIGEST.match(head) is not None


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each element of the array, with CloudTrail's ``eventTime`` and ``eventID``; none for a digest.

    "You can use the ID as a primary key", says AWS, and the same event has the same id in the files of every trail that
    logs it. So it is one document, even if several trails deliver into the bucket. An element without such an id is
    identified by its bytes.

    :raises Damaged: if the blocks raise it
    """
    source = Source(blocks)
    if _DIGEST.match(source.head(_HEAD)):
        for _ in source.rest():
            pass
        return
    for item in wrapped.events(source.rest(), _ARRAY):
        if isinstance(item, Event) and isinstance(item.message, dict):
            stated, when = item.message.get("eventID"), item.message.get("eventTime")
            yield item._replace(
                time=read_iso(when) if isinstance(when, str) else None,
                event_id=stated if isinstance(stated, str) and _ID.fullmatch(stated) else "",
            )
        else:
            yield item
