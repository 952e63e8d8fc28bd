"""Archives for tests: a dataset whose events lie in S3 as CloudWatch Logs and Firehose leave them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
from opensearchpy import OpenSearch

from local.samples.cloudwatch import data_record, log_event, object_key
from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.ledger.index import LEDGER_INDEX
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.streams import DAY, Document, Stream, measurements

PREFIX = "firehose/"
GROUP = "/plant/sensors"


def intake_of(bucket: str, **more: Any) -> dict[str, Any]:
    """How such an archive is read: documents are the messages as they are."""
    return {"source": f"s3://{bucket}/{PREFIX}", "parser": "json", "metadata": None, **more}


def s3_environment(url: str) -> dict[str, str]:
    """The variables by which boto3 finds an S3, as for the AWS CLI; any login will do."""
    login = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    return {**login, "AWS_ENDPOINT_URL": url}


class Archive:
    """Objects of one dataset in a bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket
        self._events = 0

    @property
    def url(self) -> str:
        """The source."""
        return f"s3://{self.bucket}/{PREFIX}"

    def fill(self, day: date, count: int = 240, objects: int = 4, seed: int = 0) -> list[Document]:
        """Measurements of a day in objects of the hours in which they arrived; returns them."""
        documents = measurements(day, count, seed)
        size = -(-count // objects)
        for number in range(objects):
            self.put(documents[number * size : (number + 1) * size], f"seed{seed}")
        return documents

    def put(self, documents: Iterable[Document], stream: str = "sensors", key: str = "") -> str:
        """One object with documents; its key is by the time of the last one, unless it is given."""
        return self.put_messages([(_moment(d["@timestamp"]), orjson.dumps(d).decode()) for d in documents], stream, key)

    def put_messages(self, messages: list[tuple[datetime, str]], stream: str = "sensors", key: str = "") -> str:
        """One object with messages, each an event with an id of its own."""
        records = []
        for start in range(0, len(messages), 25):
            events = []
            for moment, message in messages[start : start + 25]:
                events.append(log_event(self._events, int(moment.timestamp() * 1000), message))
                self._events += 1
            records.append(data_record(GROUP, "north", events))
        key = key or object_key(PREFIX, stream, messages[-1][0] + timedelta(minutes=5))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"".join(records))
        return key

    def put_before(self, documents: Iterable[Document], key: str) -> None:
        """Write an object again, with more documents before those that it had."""
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        self.put(documents, key=key)
        more = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=more + body)

    def contents(self) -> dict[str, str]:
        """Key -> eTag of everything in the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def backfilled(
    stream: Stream, archive: Archive, first: date = DAY, last: date = DAY, source: str | None = None
) -> BackfillProof:
    """All steps of a backfill, as the shell takes them.

    :param source: URL; None: that of the dataset
    """
    backfill, owner = Backfill(stream.client, stream.dataset, lambda: archive.s3), f"test/{uuid4().hex}"
    ref = backfill.write(backfill.plan(source, first, last))
    backfill.prepare(ref, owner)
    for number in range(ref.batches):
        backfill.load(ref, number, owner, settings=LoadSettings()).require_success()
    backfill.end(owner)
    proof = backfill.prove(ref)
    backfill.forget(ref)
    return proof


def held(stream: Stream, day: date) -> list[Document]:
    """The documents of a raw day, as they were sent, in order of time; an index that is missing has none."""
    params = {"ignore_unavailable": "true"}
    index = stream.dataset.raw_index(day)
    stream.client.indices.refresh(index=index, params=params)
    body = {"size": 10_000, "sort": ["@timestamp"]}
    return [hit["_source"] for hit in stream.client.search(index=index, body=body, params=params)["hits"]["hits"]]


def same(found: list[Document], sent: Iterable[Document]) -> bool:
    """Whether documents are those that were sent, each once; times are written otherwise."""
    return sorted(map(_comparable, found)) == sorted(map(_comparable, sent))


def _comparable(document: Document) -> str:
    milliseconds = int(_moment(document["@timestamp"]).timestamp() * 1000)
    return orjson.dumps({**document, "@timestamp": milliseconds}, option=orjson.OPT_SORT_KEYS).decode()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def ledger_of(client: OpenSearch, dataset: str, kind: str = "*") -> list[dict[str, Any]]:
    """What the ledger holds of a dataset, of one kind or of all."""
    params = {"ignore_unavailable": "true"}
    client.indices.refresh(index=LEDGER_INDEX, params=params)
    filters = [{"term": {"dataset": dataset}}, {"wildcard": {"kind": kind}}]
    body = {"size": 10_000, "query": {"bool": {"filter": filters}}}
    return [hit["_source"] for hit in client.search(index=LEDGER_INDEX, body=body, params=params)["hits"]["hits"]]


def forget_ledger(client: OpenSearch, dataset: str) -> None:
    """Leave nothing of a dataset in the ledger that all tests share."""
    body = {"query": {"prefix": {"dataset": dataset}}}
    client.indices.refresh(index=LEDGER_INDEX, params={"ignore_unavailable": "true"})  # else the newest rows stay
    params = {"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"}
    client.delete_by_query(index=LEDGER_INDEX, body=body, params=params)
