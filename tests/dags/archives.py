"""Archives for DAG tests: a dataset whose logs lie in S3."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from opensearch_strata.archive.ledger.plans import Plans
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.planning import batches
from tests.streams import DAY, Document, Stream, measurements

if TYPE_CHECKING:
    from opensearch_strata.archive.store.objects import ListedObject
    from tests.dags.conftest import Run


class Archive:
    """A dataset whose logs lie in S3: an object of 20 events for every six hours, under the hour of its arrival."""

    def __init__(self, stream: Stream, s3: Any, bucket: str) -> None:
        self.stream, self.s3, self.bucket = stream, s3, bucket
        self.dataset = stream.dataset

    def fill(self, day: date = DAY) -> None:
        """Write the 80 events of a day."""
        events = measurements(day, count=80)
        for quarter in range(4):
            self.put(self.key(day, quarter), events[quarter * 20 : quarter * 20 + 20])

    def key(self, day: date, quarter: int) -> str:
        """Key of six hours of a day."""
        arrived = datetime.combine(day, time(), UTC) + timedelta(hours=6 * quarter + 6)
        return f"logs/{arrived:%Y/%m/%d/%H}/part.gz"

    def put(self, key: str, events: list[Document]) -> None:
        """Write an object."""
        body = gzip.compress(b"\n".join(map(orjson.dumps, events)))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def drop(self, key: str) -> None:
        """Delete an object."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def documents(self, day: date = DAY) -> int:
        """Documents of a raw day, without a refresh: what people see."""
        answer = self.stream.client.count(index=self.dataset.raw_index(day), params={"ignore_unavailable": "true"})
        return int(answer["count"])

    def refresh_interval(self, day: date = DAY) -> str | None:
        """Refresh interval that is set on a raw day."""
        name = self.dataset.raw_index(day)
        answer = self.stream.client.indices.get_settings(index=name)
        found: dict[str, str] = answer[name]["settings"]["index"]
        return found.get("refresh_interval")

    def dead_letters(self) -> list[str]:
        """Keys of the dead letters."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="logs/dead-letters/")
        return [item["Key"] for item in found.get("Contents", [])]

    def batch_of(self, run: Run, number: int) -> list[ListedObject]:
        """Objects of a batch, as the ledger still knows them."""
        plan_id = run.result("plan", key="plan")["plan_id"]
        return Plans(Ledger(self.stream.client, self.dataset.name)).batch(plan_id, number)


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan two objects a batch."""
    monkeypatch.setattr(batches, "_OBJECT_COST", batches.PlanLimits().batch_bytes // 2)
