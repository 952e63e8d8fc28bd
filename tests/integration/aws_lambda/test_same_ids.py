"""Raw objects and those that the function has transformed give the same documents under the same ids: each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.samples.cloudwatch import data_record, log_event, object_key
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.archives import Archive, backfilled, forget_ledger
from tests.streams import DAY, Stream, StreamFactory
from tests.transformations import CONTROL_RECORD, MESSAGES, Taking, data_in, invocation, transform

NOON = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
RAW, TRANSFORMED, RENAMED = "raw/", "transformed/", "renamed/"
NAMES = {"time": "Time", "pid": "PID", "perform": "Perform", "statement": "Statement"}
DEAD = 2
"""Events that no parser can read, or that are nested more deeply than an index takes."""
EVENTS = sum(map(len, MESSAGES.values())) - DEAD - 1  # the head of a log file is no event


@pytest.fixture
def target(client: OpenSearch, make_stream: StreamFactory, archive: Archive) -> Iterator[Stream]:
    """A dataset with objects of both kinds, as Firehose writes them; no raw day is there yet."""
    stream = make_stream(intake={"source": f"s3://{archive.bucket}/{RAW}"})
    records = list(records_of_a_day())
    for prefix, content in (
        (RAW, b"".join(records)),
        (TRANSFORMED, delivered(records)),
        (RENAMED, delivered(records, rename=NAMES)),
    ):
        key = object_key(prefix, "shop", NOON + timedelta(minutes=5))
        archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=content)
    yield stream
    forget_ledger(client, stream.dataset.name)


def records_of_a_day() -> Iterator[bytes]:
    """A record for each log group, some of them twice: delivery is at-least-once."""
    yield CONTROL_RECORD
    number, moment = 0, int(NOON.timestamp() * 1000)
    for group, messages in MESSAGES.items():
        events = [log_event(number + place, moment + number + place, text) for place, text in enumerate(messages)]
        yield from [data_record(group, "one", events)] * (2 if number % 2 else 1)
        number += len(messages)


def delivered(records: list[bytes], **settings: Any) -> bytes:
    """What Firehose writes of what the function answers."""
    from opensearch_strata.aws_lambda.settings import Settings

    stream = Taking()
    answer, report = transform(invocation(records), stream, Settings(**settings))
    assert (report.failed, stream.taken) == (0, [])
    return b"".join(map(data_in, answer["records"]))


def run(target: Stream, archive: Archive, prefix: str) -> BackfillProof:
    """A backfill of the day from one of the prefixes, all steps of it."""
    return backfilled(target, archive, source=f"s3://{archive.bucket}/{prefix}")


def held(target: Stream) -> dict[str, dict[str, Any]]:
    """Documents by id, without the place of their event in its object."""
    index = target.dataset.raw_index(DAY)
    target.client.indices.refresh(index=index)
    hits = target.client.search(index=index, body={"size": 1000})["hits"]["hits"]
    documents = {hit["_id"]: hit["_source"] for hit in hits}
    for document in documents.values():
        document["archive"] = {
            name: value for name, value in document["archive"].items() if name not in ("object", "position")
        }
    return documents


@pytest.mark.parametrize(("first", "second"), [(RAW, TRANSFORMED), (TRANSFORMED, RAW)])
def test_the_second_backfill_creates_nothing(target: Stream, archive: Archive, first: str, second: str) -> None:
    proof = run(target, archive, first)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.dead) == (EVENTS, DEAD)
    before = held(target)
    assert len(before) == EVENTS
    proof = run(target, archive, second)
    assert proof.holds, verdict(proof)
    assert (proof.counts.created, proof.counts.dead) == (0, DEAD)
    assert held(target) == before


def test_documents_differ_in_nothing_but_the_place_of_their_event(target: Stream, archive: Archive) -> None:
    run(target, archive, RAW)
    raw = held(target)
    target.client.indices.delete(index=target.dataset.raw_index(DAY))
    assert run(target, archive, TRANSFORMED).counts.created == EVENTS
    assert held(target) == raw


def test_mapped_names_change_fields_but_no_id(target: Stream, archive: Archive) -> None:
    run(target, archive, RENAMED)
    renamed = held(target)
    assert any(document.get("Perform") == "Init DB" for document in renamed.values())
    assert not any("perform" in document for document in renamed.values())
    assert run(target, archive, RAW).counts.created == 0
    assert held(target).keys() == renamed.keys()
