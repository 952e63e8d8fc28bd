"""Archives for tests: events that are known one by one, as objects in S3, and what has become of them."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from opensearchpy import OpenSearch

from local.samples.cloudwatch import control_record, data_record, log_event
from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings, load_batch
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.archive.store.objects import ListedObject
from tests.streams import DAY, Stream

START = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp() * 1000)
SPAN = (START, START + 86_400_000)
QUICK = LoadSettings(in_flight=2, body_bytes=20_000, patience=30, renew_every=0.2)

INTAKE: dict[str, Any] = {"parser": "json", "max_lateness": "1h"}


def message(number: int, **more: Any) -> dict[str, Any]:
    """The document of an event: its number is in `temperature`, which takes any."""
    return {"temperature": number, "device": f"d{number % 7}", "site": "north", **more}


def events(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Log events of the day, one for each number."""
    return [log_event(n, START + n * 1000 % 86_400_000, orjson.dumps(message(n)).decode()) for n in numbers]


def cloudwatch(found: Sequence[dict[str, Any]], per_record: int = 10) -> bytes:
    """An object as Firehose writes it without compression: gzip members, an envelope each, one of them control."""
    records = [
        data_record("/app", "stream", found[start : start + per_record]) for start in range(0, len(found), per_record)
    ]
    return b"".join([control_record(START), *records])


def ndjson(numbers: Iterable[int]) -> bytes:
    """An object of documents, without event ids: they get theirs from bytes and position."""
    lines = [orjson.dumps({"@timestamp": START + n * 1000 % 86_400_000, **message(n)}) for n in numbers]
    return gzip.compress(b"\n".join([*lines, b""]))


class Archive:
    """Objects of one dataset in a bucket, with a ledger of its own.

    :param lease: seconds
    """

    def __init__(self, s3: Any, bucket: str, stream: Stream, lease: float = 30, patience: float = 30) -> None:
        self.s3, self.bucket, self.stream = s3, bucket, stream
        self.dataset = stream.dataset
        self.objects: list[ListedObject] = []
        self.progress: list[Progress] = []
        self.ledger_index = f"{self.dataset.name}-ledger-{uuid4().hex[:6]}"
        self.lease, self.patience = lease, patience
        self.ledger.ensure()

    @property
    def ledger(self) -> Ledger:
        """The ledger without anything in between."""
        return self.ledger_of(self.stream.client)

    @property
    def dead_letters_url(self) -> str:
        return f"s3://{self.bucket}/dead-letters/"

    @property
    def url(self) -> str:
        """Of OpenSearch, without anything in between."""
        (host,) = self.stream.client.transport.hosts
        return "http://{host}:{port}".format(**host)

    def ledger_of(self, client: OpenSearch) -> Ledger:
        """The ledger through another client."""
        return Ledger(client, self.dataset.name, index=self.ledger_index, lease=self.lease, patience=self.patience)

    def put(self, body: bytes, key: str | None = None) -> ListedObject:
        """Write an object; it is part of the plan."""
        key = key or f"logs/2024/05/06/00/{len(self.objects):04d}"
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)["ETag"].strip('"')
        listed = ListedObject(Place(self.bucket, key, etag), len(body), START)
        self.objects = [*(one for one in self.objects if one.place.key != key), listed]
        return listed

    def load(
        self,
        client: OpenSearch | None = None,
        owner: str = "",
        ledger: Ledger | None = None,
        s3: Any = None,
        **settings: Any,
    ) -> BatchResult:
        """Load the plan."""
        return load_batch(
            client or self.stream.client,
            s3 or self.s3,
            self.dataset,
            self.objects,
            ledger or self.ledger,
            owner or uuid4().hex,
            SPAN,
            self.dead_letters_url,
            self.progress.append,
            replace(QUICK, **settings),
        )

    def stored(self) -> Counter[int]:
        """How often each number is there."""
        index = self.dataset.raw_index(DAY)
        self.stream.client.indices.refresh(index=index)
        found: Counter[int] = Counter()
        body: dict[str, Any] = {"size": 5000, "query": {"match_all": {}}, "sort": ["_doc"]}
        hits = self.stream.client.search(index=index, body=body, params={"scroll": "1m"})
        while page := hits["hits"]["hits"]:
            for hit in page:
                source = hit["_source"]
                number = source["temperature"]
                assert source["device"] == f"d{number % 7}", source
                found[number] += 1
            hits = self.stream.client.scroll(body={"scroll_id": hits["_scroll_id"], "scroll": "1m"})
        return found

    def rows(self) -> list[ObjectRow]:
        """The ledger's rows of the plan, in its order."""
        rows = self.ledger.rows(listed.place for listed in self.objects)
        return [rows[listed.place] for listed in self.objects]

    def letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        return [
            letter for file in read_dead_letters(self.s3, self.dead_letters_url, self.dataset.name) for letter in file
        ]

    def forget_ledger(self) -> None:
        """Delete what would bring the ledger back; the index itself goes with those of the stream."""
        self.stream.client.indices.delete_index_template(name=self.ledger_index)

    def assert_loaded(self, numbers: Iterable[int]) -> None:
        """Exactly these events are there, each once, and the ledger's accounts balance."""
        assert self.stored() == Counter(numbers)
        for row in self.rows():
            assert row.counts.balanced, row

    def assert_done(self) -> None:
        """Every object of the plan is loaded."""
        assert {row.state for row in self.rows()} == {"done"}, [row.error for row in self.rows()]


def shuffled(numbers: Iterable[int], seed: int = 0) -> list[int]:
    """The same numbers in another order."""
    found = list(numbers)
    random.Random(seed).shuffle(found)
    return found
