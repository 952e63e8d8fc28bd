"""Divides a record into smaller ones of the same events, to be sent to the stream again. Pure."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import Any

from opensearch_strata.archive.decode.codecs.compressed import is_gzip
from opensearch_strata.archive.json_bytes import dumps
from opensearch_strata.aws_lambda.source import Unusable
from opensearch_strata.aws_lambda.transform import Transformed

MOST_RECORD_BYTES = 1_000_000
"""Bytes of a record; Firehose takes 1,000 KiB (1,024,000), Kinesis 1 MiB with the partition key."""

_PART_BYTES = 1_000_000  # bytes of lines, so that several parts fit into one answer
_GZIP_LEVEL = 6  # as CloudWatch Logs itself


def parts_of(record: Transformed, data: bytes) -> list[bytes]:
    """Records that hold each event of this one exactly once: itself, if it is small, else envelopes with some of them.

    They are gzip, which a decompression by Firehose expects even if it has removed it from this record.

    :param data: of the record
    :raises Unusable: an event is too large for any record
    """
    if record.size <= _PART_BYTES and len(data) <= MOST_RECORD_BYTES and is_gzip(data):
        return [data]
    return [
        part
        for envelope, sizes in zip(record.envelopes, record.sizes, strict=True)
        for some in _runs(envelope["logEvents"], sizes)
        for part in _packed(envelope, some)
    ]


def _runs(events: Sequence[Any], sizes: Sequence[int]) -> Iterator[Sequence[Any]]:
    """Neighbouring events whose lines are together as large as a part may be; a larger event is alone."""
    start = total = 0
    for place, size in enumerate(sizes):
        if total and total + size > _PART_BYTES:
            yield events[start:place]
            start, total = place, 0
        total += size
    yield events[start:]


def _packed(envelope: dict[str, Any], events: Sequence[Any]) -> Iterator[bytes]:
    """Envelopes that are small enough for a record."""
    packed = gzip.compress(dumps({**envelope, "logEvents": list(events)}), _GZIP_LEVEL, mtime=0)
    if len(packed) <= MOST_RECORD_BYTES:
        yield packed
        return
    if len(events) < 2:
        raise Unusable("One of its events is too large for a record of its own, so it cannot be sent again.")
    half = len(events) // 2
    yield from _packed(envelope, events[:half])
    yield from _packed(envelope, events[half:])
