"""Logs that AWS's services deliver, from a real S3 into the real node: found by their keys, each event once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests import delivered
from tests.archives import Archive, backfilled, forget_ledger, held
from tests.delivered import CONTENTS, KEYS
from tests.streams import Stream, StreamFactory
from tests.unit.archive.planning.test_layout_stars import LAYOUTS

DAY = date(2025, 3, 5)
FLOWS = 2500


def flows(count: int) -> bytes:
    """A Parquet file of flow logs, in row groups of 1,000."""
    start = int(datetime(2025, 3, 5, 7, tzinfo=UTC).timestamp())
    table = pa.table(
        {
            "version": pa.array([2] * count, pa.int32()),
            "account_id": ["123456789012"] * count,
            "interface_id": [f"eni-{number % 7}" for number in range(count)],
            "srcport": pa.array(range(count), pa.int32()),
            "bytes": pa.array([2**53 + number for number in range(count)], pa.int64()),
            "start": pa.array([start + number for number in range(count)], pa.int64()),
            "end": pa.array([start + number + 60 for number in range(count)], pa.int64()),
            "action": pa.array(["ACCEPT" if number % 2 else None for number in range(count)]),
            "log_status": ["OK"] * count,
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=1000)
    return buffer.getvalue()


@pytest.fixture
def reading(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Any]:
    """Makes datasets that read a part of the bucket."""
    made: list[Stream] = []

    def make(prefix: str, layout: str) -> Stream:
        intake = {"source": f"s3://{archive.bucket}/{prefix}", "layout": layout}
        made.append(make_stream(intake=intake, raw={"fields": {}}))
        return made[-1]

    yield make
    for stream in made:
        forget_ledger(client, stream.dataset.name)


@pytest.mark.parametrize("name", CONTENTS)
def test_each_log_is_found_by_its_keys_and_loaded_once(name: str, reading: Any, archive: Archive) -> None:
    archive.s3.put_object(Bucket=archive.bucket, Key=KEYS[name], Body=CONTENTS[name])
    target = reading(*LAYOUTS[name])
    proof = backfilled(target, archive, DAY, DAY)
    assert proof.holds, verdict(proof)
    expected = {"alb": 2, "clb": 2, "cloudtrail": 2}.get(name, 1)
    headers = {"cloudfront": 2, "vpc_flow": 1}.get(name, 0)
    assert (proof.counts.created, proof.counts.filtered, proof.counts.dead) == (expected, headers, 0)
    assert [one["@timestamp"][:13] for one in held(target, DAY)] == ["2025-03-05T07"] * expected


def test_events_of_two_trails_are_there_once(reading: Any, archive: Archive) -> None:
    other = KEYS["cloudtrail"].replace("us-east-2", "eu-west-1")
    for key in (KEYS["cloudtrail"], other):
        archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=CONTENTS["cloudtrail"])
    digest = KEYS["cloudtrail"].replace("/CloudTrail/", "/CloudTrail-Digest/")
    archive.s3.put_object(Bucket=archive.bucket, Key=digest, Body=b"{}")
    target = reading(*LAYOUTS["cloudtrail"])
    proof = backfilled(target, archive, DAY, DAY)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.existed) == (2, 2)
    assert len(held(target, DAY)) == 2


def test_rows_of_parquet_become_documents_and_a_second_run_adds_none(reading: Any, archive: Archive) -> None:
    prefix, layout = LAYOUTS["vpc_flow"]
    key = KEYS["vpc_flow"].replace(".log.gz", ".log.parquet")
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=flows(FLOWS))
    target = reading(prefix, layout)
    found = Backfill(target.client, target.dataset, lambda: archive.s3).plan(None, DAY, DAY)
    assert found.sample is not None
    assert (found.sample.documents, found.sample.problem, dict(found.sample.kinds)) == (FLOWS, "", {"parquet": 1})
    proof = backfilled(target, archive, DAY, DAY)
    assert proof.holds, verdict(proof)
    assert proof.counts.created == FLOWS
    documents = held(target, DAY)
    assert {one["bytes"] for one in documents} == {2**53 + number for number in range(FLOWS)}
    assert documents[0]["@timestamp"] == "2025-03-05T07:00:00.000Z"

    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=flows(FLOWS + 10))  # rewritten, with rows added
    again = backfilled(target, archive, DAY, DAY)
    assert again.holds, verdict(again)
    assert len(held(target, DAY)) == FLOWS + 10


def test_what_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_not(reading: Any, archive: Archive) -> None:
    lines = [delivered.ALB, delivered.ALB[:150], delivered.ALB.replace(" 200 200 ", " ok 200 "), delivered.ALB_REFUSED]
    archive.s3.put_object(Bucket=archive.bucket, Key=KEYS["alb"], Body=delivered.packed(*lines))
    target = reading(*LAYOUTS["alb"])
    proof = backfilled(target, archive, DAY, DAY)
    assert (proof.counts.created, proof.counts.dead) == (2, 2)
    url = f"s3://{archive.bucket}/AWSLogs/dead-letters/"
    letters = [letter for stored in read_dead_letters(archive.s3, url, target.dataset.name) for letter in stored]
    assert [(letter.record, letter.reason, letter.raw.decode()) for letter in letters] == [
        (1, "unparsed", lines[1]), (2, "unparsed", lines[2]),
    ]  # fmt: skip
    assert "'ok' as elb_status_code" in letters[1].detail
