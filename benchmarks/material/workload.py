"""The reference workload on a cluster: its definition, its raw days, and index sizes that can be compared."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import cached_property
from typing import Any

from opensearchpy import OpenSearch

from benchmarks.material.telemetry import SENSORS, bodies, raw_mapping
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import StrataError

FIRST_DAY = date(2026, 5, 4)
RELATIVE_ERROR = 0.01
SENDERS = 2

SIZES_OLD = 11
"""Seconds after which no server reports a store size that it computed before a merge."""


class BenchmarkError(StrataError):
    """The benchmark cannot continue; the message is the sentence to show."""


@dataclass(frozen=True)
class Workload:
    """What is measured, and under which names.

    :param prefix: text with which the names of all its indices begin
    :param documents: approximate number of documents in a raw day
    :param settle: seconds between the last write to an index and its merge, see :meth:`merge`
    """

    client: OpenSearch
    prefix: str
    documents: int
    days: tuple[date, ...]
    seed: int
    settle: float

    @cached_property
    def dataset(self) -> Dataset:
        """The definition in which every metric has a 1% sketch and stated decimals."""
        return self.variant("history")

    @property
    def month_indices(self) -> list[str]:
        """Names of the history months of the days."""
        return sorted({self.dataset.month_index(day) for day in self.days})

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start and exclusive end of the raw days."""
        begin = datetime.combine(self.days[0], time_of_day.min, UTC)
        return begin, begin + timedelta(days=len(self.days))

    def variant(self, name: str, sketched: Iterable[str] = SENSORS, decimals: bool = True) -> Dataset:
        """A definition with the same raw days and its own history.

        :param name: name that distinguishes its month index from others
        :param sketched: metrics that have a distribution
        :param decimals: whether the definition states how many decimals the values have
        """
        kept = set(sketched)
        return Dataset.model_validate(
            {
                "name": f"bench_{name}",
                "raw": {
                    "index": f"{self.prefix}-{{day}}",
                    "fields": {
                        "@timestamp": "date",
                        "device": "keyword",
                        **{metric: sensor.kind for metric, sensor in SENSORS.items()},
                    },
                },
                "history": {"index": f"{self.prefix}-{name}-{{month}}", "group_by": ["device"], "replicas": 0},
                "metrics": {
                    metric: {
                        "field": metric,
                        "stats": ["min", "max", "sum", "count"],
                        **({"decimals": sensor.decimals} if decimals else {}),
                        **({"distribution": {"relative_error": RELATIVE_ERROR}} if metric in kept else {}),
                    }
                    for metric, sensor in SENSORS.items()
                },
                "cycle": {"start_date": self.days[0]},
                "engine": "search",
            }
        )

    def load(self) -> Iterator[date]:
        """Write every raw day, with one shard and the default codec, merged to one segment. Yields each when done."""
        for day in self.days:
            index = self.dataset.raw_index(day)
            settings = {"index.number_of_shards": 1, "index.number_of_replicas": 0}
            self.client.indices.create(index=index, body={"settings": settings, "mappings": raw_mapping()})
            write(self.client, index, bodies(day, self.documents, self.seed))
            self.merge([index])
            yield day

    def merge(self, indices: Iterable[str], settle: float = 0) -> None:
        """Merge indices to one segment that searches see and nothing can shrink further.

        :param settle: seconds to wait first. If an index keeps no ``_source``, the server retains a hidden one for
            recoveries until the retention lease has advanced, which happens every 30 s. If it is merged earlier, the
            hidden source stays and the index looks twice its size.
        """
        names = list(indices)
        joined = ",".join(names)
        self.client.indices.flush(index=joined)
        time.sleep(settle)
        if settle:
            self._add_segments(names)
        self.client.indices.forcemerge(index=joined, params={"max_num_segments": 1, "request_timeout": 3600})
        self.client.indices.flush(index=joined)
        self.client.indices.refresh(index=joined)
        time.sleep(min(settle, SIZES_OLD))

    def _add_segments(self, indices: Iterable[str]) -> None:
        """Write a document and delete it: the server would not rewrite the only segment of an index."""
        for index in indices:
            self.client.index(index=index, id="another-segment", body={}, params={"refresh": "true"})
            self.client.delete(index=index, id="another-segment", params={"refresh": "true"})

    def bytes_of(self, index: str) -> int:
        """Store size of an index's primary shards in bytes."""
        return int(
            self.client.indices.stats(index=index, metric="store")["_all"]["primaries"]["store"]["size_in_bytes"]
        )

    def leftovers(self) -> list[str]:
        """Existing indices whose names begin like ours."""
        expression = f"{self.prefix}-*"
        return sorted(self.client.indices.get(index=expression, params={"filter_path": "*.settings.index.uuid"}))

    def remove(self) -> None:
        """Delete each of our indices by its exact name."""
        for index in self.leftovers():
            self.client.indices.delete(index=index)


def write(client: OpenSearch, index: str, bulk_bodies: Iterable[bytes]) -> None:
    """Send bulk bodies in two threads; a body that is not accepted completely ends the benchmark.

    :raises BenchmarkError: with the first document that was refused
    """
    with ThreadPoolExecutor(SENDERS) as pool:
        waiting: set[Future[None]] = set()
        for body in bulk_bodies:
            if len(waiting) > SENDERS:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for sent in done:
                    sent.result()
            waiting.add(pool.submit(_send, client, index, body))
        for sent in waiting:
            sent.result()


def _send(client: OpenSearch, index: str, body: bytes) -> None:
    answer: dict[str, Any] = client.bulk(
        body=body, index=index, params={"filter_path": "errors,items.*.error", "request_timeout": 300}
    )
    if answer["errors"]:
        first = next(item["index"]["error"] for item in answer["items"] if item)
        raise BenchmarkError(f"{index} refused a document: {first}. The benchmark's indices were removed.")
