"""What the options of a Firehose stream do to its objects, and that a backfill finds and reads every one of them."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
from opensearchpy import OpenSearch

from local.samples.cloudwatch import control_record, data_record, failed_record, log_event, object_key
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, backfilled, forget_ledger
from tests.streams import DAY, Stream, StreamFactory, dataset_of

NOON = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
GENERAL = "/aws/rds/instance/shop/general"
TYPES = {"@timestamp": "date", "n": "integer", "message": "text", "perform": "keyword", "pid": "integer"}


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """The dataset that the archive belongs to; no raw day is there yet."""
    stream = make_stream(intake={"source": archive.url}, raw={"fields": TYPES})
    yield stream
    forget_ledger(client, stream.dataset.name)


def reads(target: Stream, archive: Archive, **intake: Any) -> None:
    """Another definition of the intake."""
    stated = {"source": archive.url, **intake}
    target.dataset = dataset_of(target.dataset.name, intake=stated, raw={"fields": TYPES})


def run(target: Stream, archive: Archive, first: date = DAY, last: date = DAY, source: str = "") -> BackfillProof:
    """A backfill, which is proven."""
    proof = backfilled(target, archive, first, last, source or None)
    assert proof.holds, verdict(proof)
    return proof


def hits(target: Stream, day: date = DAY) -> list[dict[str, Any]]:
    """The documents of a raw day with their ids, in order of time."""
    index = target.dataset.raw_index(day)
    target.client.indices.refresh(index=index)
    body = {"size": 10_000, "sort": ["@timestamp", "_id"]}
    found: list[dict[str, Any]] = target.client.search(index=index, body=body)["hits"]["hits"]
    return found


def put(archive: Archive, key: str, content: bytes) -> None:
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=content)


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "named_in"),
    [
        ("America/New_York", date(2024, 11, 3), "the zone"),  # an hour comes twice
        ("America/New_York", date(2024, 3, 10), "UTC"),  # an hour is left out
        ("Australia/Lord_Howe", date(2024, 4, 6), "the zone"),  # half an hour comes twice
        ("Asia/Kolkata", date(2024, 5, 6), "UTC"),
        ("Pacific/Kiritimati", date(2024, 12, 31), "the zone"),  # in another year already
    ],
)
def test_keys_of_another_clock_are_found_for_each_day(
    target: Stream, archive: Archive, zone: str, day: date, named_in: str
) -> None:
    reads(target, archive, layout_time_zone=zone, max_clock_lead="0m", max_lateness="6m")
    start = datetime.combine(day, datetime.min.time(), UTC) - timedelta(hours=2)
    moments = [start + timedelta(minutes=40 * step) for step in range(42)]  # from two hours before the day to two after
    for number, moment in enumerate(moments):
        arrived = moment + timedelta(minutes=5)
        local = arrived.astimezone(ZoneInfo(zone))
        shown = local if named_in == "the zone" else arrived
        key = f"firehose/{local:%Y/%m/%d/%H}/s-1-{shown:%Y-%m-%d-%H-%M-%S}-{uuid4()}"
        event = log_event(number, millis(moment), orjson.dumps({"n": number}).decode())
        put(archive, key, data_record("app", "s", [event]))
    run(target, archive, day, day)
    wanted = [n for n, moment in enumerate(moments) if moment.date() == day]
    assert [hit["_source"]["n"] for hit in hits(target, day)] == wanted
    assert len(wanted) == 36


def test_a_day_is_listed_by_few_prefixes_of_its_own(target: Stream, archive: Archive) -> None:
    reads(target, archive, layout_time_zone="America/New_York", max_clock_lead="0m", max_lateness="0m")
    put(archive, object_key("firehose/", "s", NOON), data_record("app", "s", [log_event(0, millis(NOON), "x")]))
    prefixes = Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, DAY, DAY).prefixes
    assert prefixes[0] == "firehose/2024/05/05/20/"  # midnight in UTC
    assert prefixes[-1] == "firehose/2024/05/06/19/"
    assert all(one < other for one, other in pairwise(prefixes))


@pytest.mark.parametrize("suffix", ["", ".gz", ".json", ".log.txt", ".parquet"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_an_object_is_does_not_depend_on_its_suffix(
    target: Stream, archive: Archive, suffix: str, packed: bool
) -> None:
    """FileExtension is whatever a person writes; it replaces the suffix that Firehose would give."""
    record = data_record("app", "s", [log_event(0, millis(NOON), '{"n": 1}')])
    put(archive, object_key("firehose/", "s", NOON, suffix), record if packed else gzip.decompress(record))
    assert run(target, archive).counts.created == 1
    assert [hit["_source"]["n"] for hit in hits(target)] == [1]


def messages(first: int, count: int = 4) -> list[dict[str, Any]]:
    """Entries of a general log, a second apart."""
    moments = [NOON + timedelta(seconds=first + step) for step in range(count)]
    return [
        log_event(
            first + step, millis(moment), f"{moment:%Y-%m-%dT%H:%M:%S}.000000Z\t    7 Query\tselect {first + step}"
        )
        for step, moment in enumerate(moments)
    ]


RECORDS = [
    control_record(millis(NOON)),
    data_record(GENERAL, "shop", messages(0)),
    data_record(GENERAL, "shop", messages(4)),
    control_record(millis(NOON)),
    data_record("app", "web", [log_event(99, millis(NOON), 'a line\nand another one } {"')]),
]
ENVELOPES = [gzip.decompress(record) for record in RECORDS]


@pytest.mark.parametrize(
    "content",
    [
        b"".join(RECORDS),
        gzip.compress(b"".join(RECORDS)),  # CompressionFormat: GZIP
        b"".join(ENVELOPES),  # Decompression
        b"\n".join([*ENVELOPES, b""]),  # with AppendDelimiterToRecord
        gzip.compress(b"".join(ENVELOPES)),
    ],
    ids=["as it is", "compressed", "decompressed", "with delimiters", "decompressed and compressed"],
)
def test_envelopes_are_the_same_documents_however_they_were_processed(
    target: Stream, archive: Archive, content: bytes
) -> None:
    put(archive, object_key("firehose/", "s", NOON), content)
    proof = run(target, archive)
    assert (proof.counts.read, proof.counts.created, proof.counts.dead) == (9, 9, 0)
    found = hits(target)
    of_group = [hit["_source"] for hit in found if hit["_source"]["archive"]["log_group"] == GENERAL]
    assert [(source["perform"], source["statement"]) for source in of_group] == [
        ("Query", f"select {number}") for number in range(8)
    ]
    (other,) = (hit["_source"] for hit in found if hit["_source"]["archive"]["log_group"] == "app")
    assert other["message"] == 'a line\nand another one } {"'
    put(archive, object_key("firehose/", "again", NOON), b"".join(RECORDS))
    again = run(target, archive)  # ids are those of CloudWatch, so no form of them makes another document
    assert (again.counts.read, again.counts.created, again.counts.existed) == (18, 9, 9)


@pytest.mark.parametrize("delimiter", [b"\n", b""])
def test_messages_without_envelopes_get_their_log_from_the_prefix(
    target: Stream, archive: Archive, delimiter: bytes
) -> None:
    """CloudWatchLogProcessing leaves the messages alone: owner, group, stream and id are gone."""
    reads(target, archive, parsers={"*/rds-general/*": "mysql_general"}, metadata=None)
    texts = [event["message"].encode() for event in messages(0, 8)]
    body = b"".join(text + b"\n" for text in texts)
    key = object_key("firehose/", "s", NOON).replace("/s-1", "/rds-general/s-1")
    put(archive, key, body if delimiter else body.removesuffix(b"\n"))
    assert run(target, archive).counts.created == 8
    found = hits(target)
    assert [hit["_source"]["statement"] for hit in found] == [f"select {number}" for number in range(8)]
    source = found[0]["_source"]
    assert (source["@timestamp"], source["pid"], source["perform"]) == ("2024-05-06T12:00:00.000Z", 7, "Query")


def test_json_messages_without_envelopes_are_the_documents(target: Stream, archive: Archive) -> None:
    lines = [orjson.dumps({"@timestamp": millis(NOON) + n, "n": n}) for n in range(5)]
    put(archive, object_key("firehose/", "s", NOON, ".json"), b"\n".join([*lines, b""]))
    assert run(target, archive).counts.created == 5
    first = [hit["_id"] for hit in hits(target)]
    put(archive, object_key("firehose/", "s", NOON, ".json"), b"\n".join([lines[0], *lines, b""]))  # rewritten, longer
    counts = run(target, archive).counts
    assert (counts.created, counts.existed) == (1, 5)  # ids are of bucket, key, bytes and occurrence
    assert {hit["_id"] for hit in hits(target)} > set(first)


def failed(records: Sequence[bytes], code: str, message: str) -> bytes:
    """Error objects as Firehose writes them for records that it could not process; here one after the other."""
    return b"".join(
        orjson.dumps(
            {
                "attemptsMade": 1,
                "arrivalTimestamp": millis(NOON),
                "errorCode": code,
                "errorMessage": message,
                "attemptEndingTimestamp": millis(NOON),
                "rawData": base64.b64encode(record).decode(),
            }
        )
        for record in records
    )


def test_what_a_lambda_did_not_process_is_loaded_from_its_error_prefix(target: Stream, archive: Archive) -> None:
    """The records are as they were, so their events have the ids that they have elsewhere."""
    prefix = "firehose/processing-failed/"
    put(archive, object_key(prefix, "s", NOON), b"".join(failed_record(record, "s", NOON) for record in RECORDS))
    counts = run(target, archive, source=f"s3://{archive.bucket}/{prefix}").counts
    assert (counts.read, counts.created, counts.dead) == (9, 9, 0)
    put(archive, object_key("firehose/", "s", NOON), b"".join(RECORDS[:3]))  # delivered all the same
    counts = run(target, archive).counts
    assert (counts.read, counts.created, counts.existed) == (8, 0, 8)
    assert len(hits(target)) == 9


def test_what_was_not_decompressed_is_loaded_or_a_dead_letter_that_says_why(target: Stream, archive: Archive) -> None:
    prefix, cut = "firehose/decompression-failed/", RECORDS[2][:-20]
    vended = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 1714996800 1714996860 ACCEPT OK"
    reads(target, archive, max_dead_share=1.0)
    content = failed([RECORDS[1], cut], "DataDecompression.Failed", "Data could not be decompressed")
    put(archive, object_key(prefix, "s", NOON), content + failed([vended], "x", "y"))
    proof = run(target, archive, source=f"s3://{archive.bucket}/{prefix}")
    assert (proof.counts.read, proof.counts.created, proof.counts.dead) == (6, 4, 2)
    stored = read_dead_letters(archive.s3, f"{archive.url}dead-letters/", target.dataset.name)
    letters = {letter.record: letter for one in stored for letter in one}
    assert letters[1].reason == "broken"
    assert (
        "Firehose could not deliver it: DataDecompression.Failed, Data could not be decompressed." in letters[1].detail
    )
    assert base64.b64decode(orjson.loads(letters[1].raw)["rawData"]) == cut
    assert letters[2].reason == "no_time"
