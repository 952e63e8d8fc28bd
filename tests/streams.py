"""Datasets for tests: their definition, their documents, and their indices on the shared node."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from opensearchpy import NotFoundError, OpenSearch
from pydantic import ValidationError

from opensearch_strata.definition.consent import confirmation
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.sections.metric import DISTRIBUTIONS
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.base import EngineRun
from opensearch_strata.history.month.row_ids import RAW_UUID
from opensearch_strata.history.month.rows_of_day import NO_TIME
from opensearch_strata.history.raw_day.inspection import field_types
from opensearch_strata.history.verify.verify import verify

DAY = date(2024, 5, 6)
"""The day of tests to which the day does not matter."""

TYPES = {"@timestamp": "date", "device": "keyword", "site": "keyword", "temperature": "double", "load": "short"}

Document = dict[str, Any]
_INDEX: Document = {"index": {}}


def definition_of(name: str, **parts: Any) -> dict[str, Any]:
    """A definition as its YAML file would say it, with two groups and two metrics; its deletions are confirmed.

    :param parts: replace top-level keys; those of ``raw``, ``history`` and ``cycle`` one by one
    """
    definition: dict[str, Any] = {
        "name": name,
        "raw": {"index": f"{name}-{{day}}"},
        "history": {"index": f"{name}-history-{{month}}", "group_by": ["device", "site"], "replicas": 0},
        "metrics": {
            "temperature": {
                "field": "temperature",
                "stats": ["min", "max", "sum", "count", "avg"],
                "distribution": {"relative_error": 0.01},
                "sparse": True,  # a test's day may be of a few documents
            },
            "load": {"field": "load", "stats": ["sum", "count"], "sparse": True},
        },
        "cycle": {"start_date": date(2024, 1, 1)},
    }
    for key, value in parts.items():
        definition[key] = {**definition[key], **value} if key in ("raw", "history", "cycle") else value
    if "delete" not in parts.get("cycle", {}):
        confirm_deletions(definition)
    return definition


def confirm_deletions(definition: dict[str, Any]) -> None:
    """Say that raw days may be deleted, as a person does who read what a dry run shows."""
    with suppress(ValidationError):  # of a definition that is wrong on purpose there is nothing to confirm
        text = confirmation(Dataset.model_validate(definition))
        definition["cycle"] = {**definition["cycle"], "delete": True, "delete_confirmed": text}


def dataset_of(name: str, **parts: Any) -> Dataset:
    """A dataset, see :func:`definition_of`."""
    return Dataset.model_validate(definition_of(name, **parts))


def measurements(day: date = DAY, count: int = 240, seed: int = 0, devices: int = 3) -> list[Document]:
    """Documents spread over a UTC day: negative, zero and missing values, devices without a site."""
    rng = random.Random(f"{day} {seed}")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    documents = []
    for number in range(count):
        moment = start + timedelta(seconds=86_400 * number // count, milliseconds=rng.randrange(1000))
        device = rng.randrange(devices)
        document: Document = {"@timestamp": moment.isoformat(), "device": f"d{device}"}
        if device:
            document["site"] = "north" if device % 2 else "south"
        if rng.random() < 0.9:
            document["temperature"] = 0.0 if rng.random() < 0.05 else rng.lognormvariate(1, 2) - 3
        if rng.random() < 0.5:
            document["load"] = rng.randrange(-50, 100)
        documents.append(document)
    return documents


class Stream:
    """A dataset on the node.

    :param types: mapping of its raw days, :data:`TYPES` by default
    :param shards: primary shards of a raw day
    """

    def __init__(
        self, client: OpenSearch, dataset: Dataset, types: dict[str, Any] | None = None, shards: int = 1
    ) -> None:
        self.client = client
        self.dataset = dataset
        self.types = types or TYPES
        self.shards = shards

    def create(self, day: date = DAY, index: str | None = None) -> str:
        """Create a raw day as its producers would, with an explicit mapping; returns its name."""
        name = index or self.dataset.raw_index(day)
        properties = {field: {"type": kind} if isinstance(kind, str) else kind for field, kind in self.types.items()}
        settings = {"index.number_of_shards": self.shards, "index.number_of_replicas": 0}
        self.client.indices.create(index=name, body={"settings": settings, "mappings": {"properties": properties}})
        return name

    def write(self, documents: Iterable[Document], day: date = DAY) -> None:
        """Add documents to a raw day that may exist already; searches see them."""
        name = self.dataset.raw_index(day)
        if not self.client.indices.exists(index=name):
            self.create(day)
        self._bulk(name, [line for document in documents for line in (_INDEX, document)])

    def fill(self, day: date = DAY, count: int = 240, seed: int = 0) -> list[Document]:
        """Write :func:`measurements` of a day and return them."""
        documents = measurements(day, count, seed)
        self.write(documents, day)
        return documents

    def condensed(self, day: date = DAY, count: int = 240) -> list[Document]:
        """Write measurements of a day and condense it."""
        documents = self.fill(day, count)
        self.condense(day)
        return documents

    def condense(self, day: date = DAY, **options: Any) -> EngineRun | None:
        """Condense a day with the engine that every node has; searches see the rows."""
        run = condense(self.client, self.dataset, day, **{"engine": "search", **options})
        self.client.indices.refresh(index=self.dataset.month_index(day), params={"ignore_unavailable": "true"})
        return run

    def rows(self, day: date = DAY) -> dict[str, dict[str, Any]]:
        """All rows of a day's month, ``_id`` -> what was written, read back from doc values."""
        month = self.dataset.month_index(day)
        with suppress(NotFoundError):
            self.client.indices.refresh(index=month)
            body = {"size": 10_000, "docvalue_fields": row_fields(self.client, month), "sort": ["@timestamp"]}
            hits = self.client.search(index=month, body=body)["hits"]["hits"]
            return {hit["_id"]: document_of(self.dataset, hit) for hit in hits}
        return {}

    def put_row(self, identity: str, source: dict[str, Any], day: date = DAY) -> None:
        """Write a row as somebody else might."""
        self._bulk(self.dataset.month_index(day), [{"index": {"_id": identity}}, source])

    def drop_row(self, identity: str, day: date = DAY) -> None:
        """Delete a row as somebody else might."""
        self.client.delete(index=self.dataset.month_index(day), id=identity, params={"refresh": "true"})

    def drop_rows(self, day: date = DAY) -> None:
        """Delete all rows of a day as somebody else might."""
        month = self.dataset.month_index(day)
        self.client.indices.refresh(index=month)
        body = {"query": {"term": {"transform._id": self.dataset.transform_id(day)}}}
        self.client.delete_by_query(index=month, body=body, params={"refresh": "true"})

    def exists(self, day: date = DAY) -> bool:
        """Whether the raw day is there."""
        return bool(self.client.indices.exists(index=self.dataset.raw_index(day)))

    def blocks(self, day: date = DAY) -> set[str]:
        """Blocks that are set on the raw day."""
        name = self.dataset.raw_index(day)
        settings = self.client.indices.get_settings(index=name)[name]["settings"]["index"]
        return {block for block, on in settings.get("blocks", {}).items() if on == "true"}

    def set_block(self, block: str, on: bool | None, day: date = DAY) -> None:
        """Set (True) or lift (None) a block of the raw day."""
        self.client.indices.put_settings(index=self.dataset.raw_index(day), body={f"index.blocks.{block}": on})

    def _bulk(self, index: str, lines: list[dict[str, Any]]) -> None:
        body = b"\n".join([*(orjson.dumps(line) for line in lines), b""])
        answer = self.client.bulk(body=body, index=index, params={"refresh": "true"})
        assert not answer["errors"], answer["items"][:3]


def row_fields(client: OpenSearch, month: str) -> list[Any]:
    """Every field of a month's rows, for ``docvalue_fields``."""
    mapping = client.indices.get_mapping(index=month)[month]["mappings"]["properties"]
    return [name for name, _ in field_types(mapping) if name != "@timestamp"]


def document_of(dataset: Dataset, hit: dict[str, Any]) -> dict[str, Any]:
    """A row as an engine writes it, from the doc values and the time by which it is sorted."""
    (time,) = hit["sort"]
    document: dict[str, Any] = {**dict.fromkeys(dataset.history.group_by), "metrics": {}}
    document["@timestamp"] = None if time == NO_TIME else time
    for path, (value, *_) in sorted(hit.get("fields", {}).items()):
        if not path.startswith("metrics.") or path == RAW_UUID:  # flat, beside what the tests change
            document[path] = value
            continue
        _, name, leaf = path.split(".")
        decimals = dataset.decimals(name) if name in dataset.metrics else None
        if decimals is not None and leaf in ("min", "max", "sum"):
            value = round(value, decimals)
        if leaf in DISTRIBUTIONS:
            value += "=" * (-len(value) % 4)
        document["metrics"].setdefault(name, {})[leaf] = value
    if "transform._doc_count" in document:  # _doc_count itself is for aggregations only; verify reads it there
        document["_doc_count"] = document["transform._doc_count"]
    return document


def assert_verified(stream: Stream, day: date = DAY) -> None:
    """The day's rows carry every document of it."""
    proof = verify(stream.client, stream.dataset, day)
    assert proof.failed == []
    assert proof.state == "verified"


def delete_indices(client: OpenSearch, expression: str) -> None:
    """Delete the indices that an expression finds, each by its exact name."""
    everything = {"expand_wildcards": "open,closed"}
    names = list(client.indices.get(index=expression, params={**everything, "filter_path": "*.settings.index.uuid"}))
    for batch in (names[start : start + 25] for start in range(0, len(names), 25)):  # a request's line has 4 KiB
        joined = ",".join(batch)
        client.indices.put_settings(index=joined, body={"index.blocks.read_only": None}, params=everything)
        client.indices.delete(index=joined)


StreamFactory = Callable[..., Stream]
"""The fixture ``make_stream``."""
