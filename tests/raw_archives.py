"""Raw days of odd documents for tests, archived and restored by the services that the shell and Airflow use."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

from opensearchpy import OpenSearch

from opensearch_strata.archive.backfill_proof import BackfillProof
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.load.batch_result import BatchResult
from opensearch_strata.archive.planning.plan import Plan
from opensearch_strata.archive.targets.wanted_days import Wanted
from opensearch_strata.connections.raw_hits import search_raw
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archiving import ArchivedDay, archive_day
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.plan_ref import PlanRef
from tests.streams import DAY, Stream

TIME = '"@timestamp":"2024-05-06T10:00:00Z"'
MAPPINGS: dict[str, Any] = {
    "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}],
    "date_detection": False,
    "_meta": {"owner": "plant"},
    "properties": {
        "@timestamp": {"type": "date"},
        "device": {"type": "keyword"},
        "site": {"type": "keyword"},
        "temperature": {"type": "double"},
        "load": {"type": "short"},
        "text": {"type": "text", "analyzer": "plain"},
        "other": {"type": "object", "enabled": False},
        "parts": {"type": "nested", "properties": {"a": {"type": "long"}}},
        "loose": {"type": "long", "ignore_malformed": True},
    },
}
SETTINGS: dict[str, Any] = {
    "index.number_of_shards": "3",
    "index.number_of_replicas": "0",
    "index.codec": "best_compression",
    "index.refresh_interval": "30s",
    "index.mapping.total_fields.limit": "500",
    "index.analysis.analyzer.plain.type": "custom",
    "index.analysis.analyzer.plain.tokenizer": "standard",
    "index.analysis.analyzer.plain.filter": ["lowercase", "few"],
    "index.analysis.filter.few.type": "stop",
    "index.analysis.filter.few.stopwords": ["of", "the"],
}
ODD: dict[str, str] = {  # bytes that are not UTF-8 as `surrogateescape` writes them
    "unicode": f'{{{TIME},"device":"d\\u00e9","text":"\u00fc \U0001f600 \\ud83d\\ude00 \u2028"}}',
    "zürich/é 1?#&": f'{{{TIME},"device":"d1"}}',
    'quote " and \\ back': f'{{{TIME},"device":"d1","text":"a \\"quote\\" \\\\ \\/"}}',
    "numbers": f'{{{TIME},"device":"d1","other":{{"n":1e400,"m":1.50,"k":-0.0,"i":123456789012345678901234567890}}}}',
    "deep": f'{{{TIME},"device":"d1","other":' + '{"a":' * 600 + "1" + "}" * 601,
    "huge": f'{{{TIME},"device":"d1","other":"' + "x" * 1_500_000 + '"}',
    "blanks": f'{{ {TIME} ,\t"device" : "d1"  }}',
    "carriage return": f'{{{TIME},\r"device":"d1"}}',
    "pretty": f'{{\n  {TIME},\n  "device": "d1",\n  "parts": [\n    {{"a": 1}},\n    {{"a": 2}}\n  ]\n}}',
    "pretty windows": f'{{\r\n  {TIME},\r\n  "device": "d2"\r\n}}',
    "nested": f'{{{TIME},"device":"d1","parts":[{{"a":1}},{{"a":2}},{{"a":3}}]}}',
    "malformed": f'{{{TIME},"device":"d1","loose":"not a number"}}',
    "half a pair": f'{{{TIME},"device":"d1","text":"cut \\ud83d","other":"\\uDE00 \\ud83d\\ude00 \\\\ud800"}}',
    "comments": f'{{ /* a "note" {{ */ {TIME}, "device":"d1" // , "_source": {{ to the end\n }}',
    "late": '{"@timestamp":"2031-01-01T10:00:00Z","device":"d2"}',
    "early": '{"@timestamp":"1999-01-01T10:00:00Z","device":"d2"}',
    "empty values": f'{{{TIME},"device":null,"site":[],"text":""}}',
}
ROUTED = ("pretty", "late", "nested", "unicode", "zürich/é 1?#&")


def fill_oddly(stream: Stream, count: int = 1500, day: date = DAY) -> str:
    """A raw day with odd mapping, settings and documents, about 1% of them, each sent as its very text.

    :returns: the name of the index
    """
    index = stream.dataset.raw_index(day)
    stream.client.indices.create(index=index, body={"settings": SETTINGS, "mappings": MAPPINGS})
    stream.fill(day, count)
    for name, text in ODD.items():
        params = {"routing": f"r\u00f6ute {name}"} if name in ROUTED else {}
        stream.client.index(index=index, id=name, body=text.encode("utf-8", "surrogateescape"), params=params)
    stream.client.indices.refresh(index=index)
    return index


def documents(client: OpenSearch, index: str) -> dict[str, tuple[str | None, bytes]]:
    """``_id`` -> routing and the very bytes of ``_source``, of all documents."""
    client.indices.refresh(index=index)
    page = search_raw(client, index, {"size": 10_000})
    assert len(page.hits) == page.total
    return {hit.id: (hit.routing, bytes(hit.source)) for hit in page.hits}


def archived(stream: Stream, s3: Any, day: date = DAY) -> ArchivedDay:
    """Condense, prove and archive a day."""
    proof = prove(stream.client, stream.dataset, day, engine="search")
    return archive_day(stream.client, s3, stream.dataset, proof)


class Restoring:
    """The steps of a restore, as the shell takes them; or of a backfill from another source."""

    def __init__(
        self, stream: Stream, s3: Any, client: OpenSearch | None = None, source: str | None = ARCHIVE_SOURCE
    ) -> None:
        self.source = source
        self.backfill = Backfill(client or stream.client, stream.dataset, lambda: s3)
        self.owner = f"test/{uuid4().hex}"
        self.ref: PlanRef | None = None

    def plan(self, first: date = DAY, last: date = DAY) -> Plan:
        """Plan days."""
        return self.backfill.plan(self.source, first, last)

    def write(self, first: date = DAY, last: date = DAY, wanted: Wanted | None = None) -> PlanRef:
        """Plan days and write the plan down."""
        self.ref = self.backfill.write(self.plan(first, last), wanted)
        return self.ref

    def load(self, settings: LoadSettings = LoadSettings()) -> list[BatchResult]:  # noqa: B008
        """Load what was written down."""
        assert self.ref
        self.backfill.prepare(self.ref, self.owner)
        return [
            self.backfill.load(self.ref, number, self.owner, settings=settings) for number in range(self.ref.batches)
        ]

    def end(self) -> BackfillProof:
        """Put the days in order, and prove."""
        assert self.ref
        self.backfill.end(self.owner)
        proof = self.backfill.prove(self.ref)
        self.backfill.forget(self.ref)
        return proof


def restore(
    stream: Stream,
    s3: Any,
    first: date = DAY,
    last: date = DAY,
    *,
    wanted: Wanted | None = None,
    settings: LoadSettings = LoadSettings(),  # noqa: B008
) -> BackfillProof:
    """Restore archived days; returns the proof."""
    run = Restoring(stream, s3)
    run.write(first, last, wanted)
    for result in run.load(settings):
        result.require_success()
    return run.end()
