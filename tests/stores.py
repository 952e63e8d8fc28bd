"""Sources in S3 as Firehose fills them, and plans of them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from opensearchpy import OpenSearch

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.planning.batches import PlanLimits
from opensearch_strata.archive.planning.plan import Plan, make_plan
from tests.streams import dataset_of

DAY = date(2024, 5, 6)
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Store:
    """A source in a bucket of one test, and plans of it."""

    def __init__(self, s3: Any, client: OpenSearch, ledger: Ledger, bucket: str) -> None:
        self.s3, self.client, self.ledger, self.bucket = s3, client, ledger, bucket
        self.url = f"s3://{bucket}/fire/"
        self.dataset = dataset_of(f"t{uuid4().hex[:8]}")

    def reads(self, **intake: Any) -> None:
        """Another definition of the intake."""
        self.dataset = dataset_of(self.dataset.name, intake=intake)

    def put(self, arrived: datetime, events: int = 20) -> Place:
        """An object as Firehose writes it, of events that have just happened."""
        key = f"fire/{arrived:%Y/%m/%d/%H}/shop-1-{arrived:%Y-%m-%d-%H-%M-%S}-{uuid4()}"
        return self.put_raw(key, envelope(events, arrived))

    def put_raw(self, key: str, content: bytes, **more: Any) -> Place:
        """An object of any key and content."""
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, **more)
        return Place(self.bucket, key, answer["ETag"].strip('"'))

    def plan(self, first: date = DAY, last: date = DAY, limits: PlanLimits | None = None) -> Plan:
        """A plan of the source as it is now."""
        return make_plan(self.s3, self.client, self.dataset, self.url, first, last, self.ledger, limits or PlanLimits())

    def keys(self, first: date = DAY, last: date = DAY) -> list[str]:
        """Keys of the objects that a plan would load."""
        return [listed.place.key for batch in self.plan(first, last).batches for listed in batch.objects]

    def finish(self, found: Plan, **row: Any) -> None:
        """As a load of all objects leaves the ledger."""
        objects = [(listed.place, listed.size) for batch in found.batches for listed in batch.objects]
        claims = self.ledger.claim(objects, found.span, "tests")
        self.ledger.finish([replace(claimed, **{"state": "done", **row}) for claimed in claims.claimed])


def envelope(events: int, happened: datetime) -> bytes:
    """Events of one log stream, a millisecond apart, as CloudWatch Logs sends them to Firehose."""
    messages = [{"device": f"d{number}", "temperature": number / 3, "load": number} for number in range(events)]
    moment = int(happened.timestamp() * 1000)
    content = {
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "shop", "logStream": "till",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": f"{uuid4().int}", "timestamp": moment + number, "message": json.dumps(message)}
            for number, message in enumerate(messages)
        ],
    }  # fmt: skip
    return gzip.compress(json.dumps(content).encode())
