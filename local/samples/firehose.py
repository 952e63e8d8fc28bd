"""The flights of 2013 as an archive in S3, as a CloudWatch Logs subscription through Firehose would have written it.

Every airport logs its flights to its own log stream and reports the last six hours in one go, so the keys of objects
contain the hour of the report, not that of the flight. Two Firehose streams write next to each other: EWR and JFK as
they come (multi-member gzip), LGA with S3 compression GZIP (gzip of multi-member gzip, `.gz`). As in real life,

- 2% of the flights are reported late, 6 or 12 hours after the others;
- about one in a hundred of the other envelopes arrives a second time, with the next report: delivery is at-least-once;
- the first object of a day begins with a CONTROL_MESSAGE;
- one object is under `processing-failed/`. Its envelope was sent again and is in the data too, so an archive is
  complete without it, and replaying it adds nothing.

Everything is derived from the row numbers of the CSV: the same days give the same bytes under the same keys.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from local.samples.cloudwatch import GZIP_LEVEL, control_record, data_record, failed_record, log_event, object_key
from local.samples.flights import flights

LOG_GROUP = "/flights/nyc"
STREAMS = {"EWR": "flights-nyc", "JFK": "flights-nyc", "LGA": "flights-lga"}
"""Airport -> Firehose stream that takes its events."""
GZIPPED = "flights-lga"
"""The stream whose S3 compression is GZIP."""
FAILED = "flights-nyc"
"""The stream that left an error object."""

HOUR = 3_600_000
REPORT = 6 * HOUR
LATE_ONE_IN = 50
LATEST = 2
"""The most reports by which a late flight is late."""
TWICE_ONE_IN = 100
SENDERS = 4


@dataclass(frozen=True)
class Written:
    """What was written to S3.

    :param events: number of distinct events, including late ones
    :param duplicates: number of events that were delivered a second time
    :param bytes: size of all objects
    """

    objects: int
    events: int
    late: int
    control: int
    duplicates: int
    bytes: int


class _Batch(NamedTuple):
    """Events that travel in one envelope."""

    report: int
    origin: str
    hour: int


@dataclass
class _Arrivals:
    """Firehose records by stream and report, and counts of what they contain."""

    records: defaultdict[tuple[str, int], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    events: int = 0
    late: int = 0
    control: int = 0
    duplicates: int = 0


def write_flights(s3: Any, bucket: str, prefix: str, first: date, last: date) -> Written:
    """Write the flights of these days (inclusive) to an existing bucket. Existing objects are overwritten.

    Late flights of the last day are under the day after. `s3` is a boto3 client, `prefix` ends with a slash.
    """
    arrivals = _arrivals(first, last)

    def put(named: tuple[str, bytes]) -> int:
        key, body = named
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return len(body)

    with ThreadPoolExecutor(SENDERS) as pool:
        sizes = list(pool.map(put, _objects(prefix, arrivals.records)))
    return Written(len(sizes), arrivals.events, arrivals.late, arrivals.control, arrivals.duplicates, sum(sizes))


def _arrivals(first: date, last: date) -> _Arrivals:
    arrivals = _Arrivals()
    batches: defaultdict[_Batch, list[dict[str, Any]]] = defaultdict(list)
    for _, number, document in flights(first, last):
        moment = int(datetime.fromisoformat(document.pop("@timestamp")).timestamp() * 1000)
        behind = 1 + _number("report", number) % LATEST if _chance("late", number, LATE_ONE_IN) else 0
        batch = _Batch(moment // REPORT + behind, document["origin"], moment // HOUR)
        batches[batch].append(log_event(number, moment, orjson.dumps(document).decode()))
        arrivals.events += 1
        arrivals.late += bool(behind)
    for batch, events in sorted(batches.items()):
        record = data_record(LOG_GROUP, batch.origin, events)
        stream = STREAMS[batch.origin]
        arrivals.records[stream, batch.report].append(record)
        on_time = batch.report == batch.hour * HOUR // REPORT
        if on_time and _chance("twice", batch, TWICE_ONE_IN):
            arrivals.records[stream, batch.report + 1].append(record)
            arrivals.duplicates += len(events)
    _add_control_messages(arrivals)
    return arrivals


def _add_control_messages(arrivals: _Arrivals) -> None:
    days = set()
    for stream, report in sorted(arrivals.records):
        arrived = _arrival(stream, report)
        if (stream, arrived.date()) not in days:
            days.add((stream, arrived.date()))
            arrivals.records[stream, report].insert(0, control_record(int(arrived.timestamp() * 1000)))
            arrivals.control += 1


def _objects(prefix: str, records: dict[tuple[str, int], list[bytes]]) -> Iterator[tuple[str, bytes]]:
    """Key and body of every object."""
    for (stream, report), members in records.items():
        body = b"".join(members)
        arrived = _arrival(stream, report)
        if stream == GZIPPED:
            yield object_key(prefix, stream, arrived, ".gz"), gzip.compress(body, GZIP_LEVEL, mtime=0)
        else:
            yield object_key(prefix, stream, arrived), body
    if reports := [report for stream, report in records if stream == FAILED]:
        arrived = _arrival(FAILED, min(reports))
        line = failed_record(records[FAILED, min(reports)][-1], FAILED, arrived)
        yield object_key(f"{prefix}processing-failed/", FAILED, arrived), line


def _arrival(stream: str, report: int) -> datetime:
    """When a report arrived: within a quarter of an hour after the hours that it covers."""
    seconds = (report + 1) * REPORT // 1000 + _number(stream, report) % 900
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)


def _chance(what: str, of: object, one_in: int) -> bool:
    return _number(what, of) % one_in == 0


def _number(what: str, of: object) -> int:
    """A number that is as good as random, but the same in every run."""
    return int.from_bytes(blake2b(f"{what} {of}".encode(), digest_size=6).digest())
